"""Causal layers: masks, masked and shifted convolutions, LSTMs, and the incremental protocol.

Question: which input may influence which output, and how is a layer evaluated incrementally?

Imports: ``utils``.
Imported by: ``models``, ``sampling``, ``codec``, ``visualization``, ``serving``, ``testing`` and
``training``.
"""
