"""Long tests, which `make soak` runs: their files are called ``soak_*.py``, so nothing else collects them."""
