"""Losses on labels and outputs, as pure functions.

Each returns one number for each example, so that a caller chooses the mean, and all logarithms are natural.
"""

from regjax.losses._confidence_penalty import confidence_penalty
from regjax.losses._jensen_shannon import jensen_shannon
from regjax.losses._label_noise import label_noise
from regjax.losses._sigmoid_cross_entropy import sigmoid_cross_entropy
from regjax.losses._smooth_labels import smooth_labels
from regjax.losses._softmax_cross_entropy import softmax_cross_entropy
from regjax.losses._symmetric_kl import symmetric_kl

__all__ = [
    "confidence_penalty",
    "jensen_shannon",
    "label_noise",
    "sigmoid_cross_entropy",
    "smooth_labels",
    "softmax_cross_entropy",
    "symmetric_kl",
]
