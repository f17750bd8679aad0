"""Which input may reach which output: masks, causal convolutions, LSTMs, and the protocol
by which a layer is evaluated incrementally.

Imports ``utils``. ``likelihoods``, ``models`` and ``sampling`` import it.
"""
