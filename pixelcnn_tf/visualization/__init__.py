"""How are images, masks and receptive fields shown?

Imports ``sampling``, ``layers`` and ``utils``; imported by ``training`` and ``cli``.
"""
