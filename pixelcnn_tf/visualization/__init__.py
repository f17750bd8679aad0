"""What people look at: image grids, masks, receptive fields.

Imports ``sampling``, ``layers`` and ``utils``. ``training`` and ``cli`` import it.
"""
