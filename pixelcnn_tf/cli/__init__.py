"""The commands: one file for each.

Imports all other packages. ``main.py`` and the files of ``scripts/`` import it.
"""
