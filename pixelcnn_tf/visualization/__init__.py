"""Visualization: image grids, drawings of masks, and receptive fields.

Question: what do images, masks and models look like?

Imports: ``models``, ``layers`` and ``utils``.
Imported by: ``training`` and ``cli``.
"""
