"""How are images compressed without loss, with the probabilities of a model?

Imports ``sampling``, ``models``, ``layers``, ``likelihoods`` and ``utils``; imported by ``cli``.
container.py is the file format, codec.py its contents, entropy_coding.py the arithmetic.
"""
