"""How a model is trained, and what a run leaves behind.

Imports all other packages but ``cli``, which imports it.
"""
