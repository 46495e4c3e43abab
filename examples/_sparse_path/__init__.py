"""The parts of `examples/sparse_path.py`; `lasso` and `network` are the two to read first."""
