"""Early stopping as a pair of pure functions."""

from regjax.stopping._early_stopping import EarlyStopping, EarlyStoppingState, early_stopping

__all__ = ["EarlyStopping", "EarlyStoppingState", "early_stopping"]
