"""Training: the loop, its checkpoints, and the folder that a run leaves behind.

Question: how does a config become a trained model, even if the run is interrupted?

Imports: every package except ``cli``, ``scoring`` and ``testing``.
Imported by: ``cli``.
"""
