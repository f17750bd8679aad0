"""Likelihoods: the distributions of sub-pixels, given the outputs of a model.

Question: how probable is each value, what is the loss, and how is a value drawn?

Imports: ``utils`` and ``config``.
Imported by: ``models``, ``scoring``, ``codec``, ``anomaly``, ``training`` and ``cli``.
"""
