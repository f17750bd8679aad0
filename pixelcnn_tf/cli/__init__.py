"""The command line: one file per sub-command of ``pixelcnn-tf``.

Question: what does the user request, and is it valid?

Imports: every other package; TensorFlow only after flags and configs have been checked.
Imported by: ``main.py``, the files of ``scripts/`` and ``python -m pixelcnn_tf``.
"""
