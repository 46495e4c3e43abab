"""The rows of the table: what each method is, said with values of regjax."""

import dataclasses
from collections.abc import Callable

import jax
import numpy as np
import optax

from _digits.models import MLP, ResidualMLP
from regjax import constraints, regularizers, transforms
from regjax.constraints import Constraint
from regjax.regularizers import Regularizer

KERNELS = "**/kernel"
FIRST_KERNEL = "first/kernel"


def averaged_descent(learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    """Descends along a running average of the gradients.

    One optimizer for (almost) all rows, so that they differ in nothing but the regularization. It is momentum, written
    so that at rest a step is learning rate times gradient. Only then does `proximal_step` with the same learning rate
    solve the stated problem: `optax.sgd(..., momentum=0.9)` sums gradients up to steps ten times as long, which would
    divide the strength by ten, and Adam would divide it by the scale of each gradient. The average matters for the
    zeros: a weight rests at zero where no step is longer than the threshold, and single gradients are noisy.
    """
    return optax.chain(optax.ema(0.9), optax.sgd(learning_rate))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Method:
    """One row of the table.

    It is a pytree, like the regularizers and the constraint in it, and its leaves are their numbers: `vmap` over a
    method trains with many strengths at once.

    Attributes:
      name: how it is called on the command line.
      title: what it is, in a few words.
      model: the network.
      penalty: what is added to the loss.
      weight_decay: strength of the decoupled weight decay of all kernels.
      proximal: the penalty whose proximal operator follows the step of the optimizer.
      constraint: the set onto which the parameters are projected after the step.
      optimizer: makes the optimizer from a learning rate.
      peak: the learning rate at the start; it falls to zero along a cosine.
      baseline: name of the same network and optimizer without regularization.
    """

    name: str = dataclasses.field(metadata={"static": True})
    title: str = dataclasses.field(metadata={"static": True})
    model: MLP | ResidualMLP = dataclasses.field(default=MLP(), metadata={"static": True})
    penalty: Regularizer | None = None
    weight_decay: float | None = None
    proximal: Regularizer | None = None
    constraint: Constraint | None = None
    optimizer: Callable[..., optax.GradientTransformation] = dataclasses.field(
        default=averaged_descent, metadata={"static": True}
    )
    peak: float = dataclasses.field(default=0.5, metadata={"static": True})
    baseline: str = dataclasses.field(default="none", metadata={"static": True})

    def describe(self) -> str:
        """Returns the title and what makes the method."""
        parts = {
            "noise": self.model.noise,
            "penalty": self.penalty,
            "weight decay": self.weight_decay,
            "proximal": self.proximal,
            "constraint": self.constraint,
        }
        return "; ".join([self.title, *(f"{name}: {part}" for name, part in parts.items() if part)])

    def strengths(self) -> np.ndarray:
        """Returns the strengths of the proximal operator, one for each run where they are an array."""
        return np.asarray(jax.tree.leaves(self.proximal)[0])

    def transform(self, num_steps: int) -> optax.GradientTransformation:
        """Returns the optimizer with everything that follows its step, in the order in which it has to stand."""
        learning_rate = optax.cosine_decay_schedule(self.peak, num_steps)
        chain = [self.optimizer(learning_rate)]
        if self.weight_decay is not None:
            chain.append(transforms.decoupled_weight_decay(self.weight_decay, learning_rate, mask=KERNELS))
        if self.proximal is not None:
            chain.append(transforms.proximal_step(self.proximal, learning_rate))
        if self.constraint is not None:
            chain.append(transforms.project(self.constraint))
        return optax.chain(*chain)


# How the strengths were chosen: of a grid in steps of 1.5 to 2, the strongest that loses at most half a percentage
# point of validation accuracy to the best of its grid; and the best of the rates. The test images had no say.
LASSO = regularizers.l1(3e-4, mask=KERNELS)
PIXEL_LASSO = regularizers.group_lasso(4e-4, axis=1, mask=FIRST_KERNEL)
MAX_NORM = constraints.max_norm(1.5, mask=KERNELS)
DROPOUT = MLP(pixel_rate=0.1, unit_rate=0.3)
STOCHASTIC_DEPTH = ResidualMLP(max_rate=0.3)

METHODS = {
    method.name: method
    for method in (
        Method("none", "no regularization"),
        Method("l2", "L2 in the loss", penalty=regularizers.l2(4e-3, mask=KERNELS)),
        # The same value in two places: in the loss it makes weights small, by its proximal operator exactly zero.
        Method("l1_loss", "L1 in the loss", penalty=LASSO),
        Method("l1", "L1 proximal", proximal=LASSO),
        Method("elastic_net", "elastic net proximal", proximal=regularizers.elastic_net(2e-4, 1e-3, mask=KERNELS)),
        # A group is a row of the first kernel, all weights of one pixel: `axis=1` is what its norm sums over.
        Method("group_lasso", "group lasso on pixels", proximal=PIXEL_LASSO),
        Method("dropout", "dropout", DROPOUT),
        Method("dropout_max_norm", "dropout + max-norm", DROPOUT, constraint=MAX_NORM),
        Method(
            "combination",
            "combination",
            DROPOUT,
            # The first pattern that matches a leaf decides.
            proximal=regularizers.by_path({FIRST_KERNEL: PIXEL_LASSO, KERNELS: regularizers.l1(5e-5)}),
            constraint=MAX_NORM,
        ),
        Method("residual", "residual network", ResidualMLP(), peak=0.2, baseline="residual"),
        Method("stochastic_depth", "stochastic depth", STOCHASTIC_DEPTH, peak=0.2, baseline="residual"),
        # After plain descent decoupled decay and L2 in the loss are the same step; Adam tells them apart.
        Method("adam", "Adam", optimizer=optax.adam, peak=0.003, baseline="adam"),
        Method(
            "weight_decay", "Adam + weight decay", weight_decay=0.3, optimizer=optax.adam, peak=0.003, baseline="adam"
        ),
    )
}

# The group lasso with many strengths at once: where a strength is an array, each run has its own.
PATH = dataclasses.replace(
    METHODS["group_lasso"],
    proximal=regularizers.group_lasso(np.geomspace(2e-4, 1.5e-2, 10), axis=1, mask=FIRST_KERNEL),
)
