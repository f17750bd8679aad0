"""How layers become a distribution over images: blocks, ``PixelRNN``, ``PixelCNNPlusPlus``.

Imports ``layers``, ``likelihoods``, ``config`` and ``utils``. ``sampling``, ``visualization``,
``training`` and ``cli`` import it.
"""
