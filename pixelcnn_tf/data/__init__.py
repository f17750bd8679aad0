"""Where images come from, and in which order training sees them.

Imports ``config`` and ``utils``. ``training`` and ``cli`` import it.
"""
