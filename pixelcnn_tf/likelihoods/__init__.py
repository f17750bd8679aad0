"""Likelihoods: what the outputs of a model say about the value of a sub-pixel.

Question: how probable is each value, what is the loss, and how is a value drawn?

Imports: ``utils`` and ``config``.
Imported by: ``models``, ``scoring``, ``training`` and ``cli``.
"""
