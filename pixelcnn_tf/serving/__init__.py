"""Exporting a model for programs that have TensorFlow but not this package.

Question: how do other programs score, sample and complete images with a trained model?

Imports: ``sampling``, ``models``, ``layers`` and ``utils``.
Imported by: ``cli``.
"""
