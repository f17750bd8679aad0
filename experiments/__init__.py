"""Studies and result tables that the docs cite."""
