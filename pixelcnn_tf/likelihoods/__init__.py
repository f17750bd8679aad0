"""Which probability does a model give to every value of a sub-pixel?

One module for each distribution, and the interface that they share. Imports ``utils`` and
``config``; imported by ``models``, ``sampling``, ``scoring``, ``training`` and ``cli``.
"""
