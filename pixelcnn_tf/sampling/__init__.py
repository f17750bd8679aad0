"""How images are drawn from a model, and completed.

Imports ``models``, ``layers``, ``likelihoods`` and ``utils``. ``scoring``, ``testing``,
``visualization``, ``training`` and ``cli`` import it.
"""
