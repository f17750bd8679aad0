"""Utilities that do not depend on models or data: errors, files, progress, start-up.

Question: what does every other package need that is independent of models and data?

Imports: no other package of ``pixelcnn_tf``, and TensorFlow only at the request of a caller.
Imported by: every other package.
"""
