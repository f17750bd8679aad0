"""Utilities that have nothing to do with images: errors, files, progress, start-up.

Question: what does every other package need that knows nothing about models or data?

Imports: no other package of ``pixelcnn_tf``, and TensorFlow only when start-up is asked for it.
Imported by: every other package.
"""
