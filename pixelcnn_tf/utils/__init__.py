"""What has nothing to do with images: errors, files, progress, start-up.

Imports nothing else of this package. Every other package imports it.
"""
