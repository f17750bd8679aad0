"""What the outputs of a model mean: the probability of every value of a sub-pixel.

Imports ``utils`` and ``config``. ``models``, ``sampling``, ``training`` and ``cli`` import it.
"""
