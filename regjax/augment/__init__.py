"""Data augmentation: functions of a key and a batch.

Under `shard_map` the same key draws the same on every shard: fold its place in first, by
``jax.random.fold_in(key, jax.lax.axis_index("data"))``. On a mesh with explicit axes, functions that map over single
images need `jax.sharding.auto_axes` around them.
"""

from regjax.augment._compose import compose
from regjax.augment._cutmix import cutmix
from regjax.augment._cutout import cutout
from regjax.augment._gaussian_noise import gaussian_noise
from regjax.augment._mixed import Mixed
from regjax.augment._mixup import mixup
from regjax.augment._per_example import per_example
from regjax.augment._rand_augment import rand_augment
from regjax.augment._random_affine import random_affine
from regjax.augment._random_apply import random_apply
from regjax.augment._random_choice import random_choice
from regjax.augment._random_crop import random_crop
from regjax.augment._random_erasing import random_erasing
from regjax.augment._random_flip import random_flip
from regjax.augment._spec_augment import spec_augment
from regjax.augment._token_dropout import token_dropout

__all__ = [
    "Mixed",
    "compose",
    "cutmix",
    "cutout",
    "gaussian_noise",
    "mixup",
    "per_example",
    "rand_augment",
    "random_affine",
    "random_apply",
    "random_choice",
    "random_crop",
    "random_erasing",
    "random_flip",
    "spec_augment",
    "token_dropout",
]
