"""Models: the blocks, the networks that stack them, and their entries in the registry.

Question: how do layers become a distribution over images?

Imports: ``layers``, ``likelihoods``, ``config`` and ``utils``.
Imported by: ``sampling``, ``scoring``, ``codec``, ``anomaly``, ``visualization``, ``serving``,
``testing``, ``training`` and ``cli``.
"""
