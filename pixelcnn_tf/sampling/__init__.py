"""Sampling: drawing images from a model, and completing images that are partly known.

Question: how is a model evaluated one sub-pixel after another, exactly and fast?

Imports: ``models``, ``layers`` and ``utils``.
Imported by: ``scoring``, ``codec``, ``serving``, ``testing``, ``training`` and ``cli``.
"""
