"""Visualization: image grids, drawings of masks, and receptive fields.

Question: what do images and masks look like, and what does a model see?

Imports: ``models``, ``layers`` and ``utils``.
Imported by: ``training`` and ``cli``.
"""
