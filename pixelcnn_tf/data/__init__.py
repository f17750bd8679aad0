"""Data: the sources of images, and the order in which training sees them.

Question: where do the images come from, and which ones are for training, validation and testing?

Imports: ``config`` and ``utils``.
Imported by: ``zoo``, ``training`` and ``cli``.
"""
