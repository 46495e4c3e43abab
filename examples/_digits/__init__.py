"""The parts of `examples/digits.py`; `methods` and `training` are the two to read first."""
