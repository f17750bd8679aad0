"""The zoo: trained models that are installed with the package.

Question: which trained models are there, and what do the commands take for the run of one?

Imports: ``data``, ``config`` and ``utils``.
Imported by: ``training`` and ``cli``.
"""
