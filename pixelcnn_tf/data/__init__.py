"""Data: the sources of images, and the order in which training sees them.

Question: where do the images come from, and which are for training, validation and test?

Imports: ``config`` and ``utils``.
Imported by: ``training`` and ``cli``.
"""
