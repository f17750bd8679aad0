"""Scripts that write the parts of the documentation that come from the code.

``python -m docs.generate.NAME`` rewrites the pages and figures in place; tests/docs asserts that
they are up to date.
"""
