"""The codec: lossless compression of images.

Question: how do the probabilities of a model become a file that is as short as they allow?

Imports: ``sampling``, ``models``, ``likelihoods``, ``layers`` and ``utils``.
Imported by: ``cli``.
"""
