"""The digits: 1,797 real images of 8 x 8 pixels that come with scikit-learn."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

NUM_TRAIN = 300
NUM_VALIDATION = 500
NUM_PIXELS = 64
NUM_CLASSES = 10


class Data(NamedTuple):
    """Images with pixels in [0, 1] and their labels.

    The test images are the same for all runs and are not looked at before the end. Each run draws its own training and
    validation images from the rest, so that a standard error over runs tells how much would change with 300 other
    images.

    Attributes:
      train_images: float32 `[runs, 300, 64]`.
      train_labels: int32 `[runs, 300]`.
      validation_images: float32 `[runs, 500, 64]`.
      validation_labels: int32 `[runs, 500]`.
      test_images: float32 `[997, 64]`.
      test_labels: int32 `[997]`.
    """

    train_images: jax.Array
    train_labels: jax.Array
    validation_images: jax.Array
    validation_labels: jax.Array
    test_images: jax.Array
    test_labels: jax.Array


def load(seeds: list[int]) -> Data:
    """Loads the images and splits them once for each seed; equal seeds give equal splits."""
    pixels, classes = load_digits(return_X_y=True)
    images = jnp.asarray(pixels / 16, jnp.float32)
    labels = jnp.asarray(classes, jnp.int32)
    # The file is in the order of the writers, hence the permutation.
    order = np.random.default_rng(0).permutation(len(images))
    ours, test = np.split(order, [NUM_TRAIN + NUM_VALIDATION])
    splits = np.stack([np.random.default_rng([1, seed]).permutation(ours) for seed in seeds])
    train, validation = np.split(splits, [NUM_TRAIN], axis=1)
    return Data(images[train], labels[train], images[validation], labels[validation], images[test], labels[test])
