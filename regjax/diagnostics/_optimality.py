"""How far parameters are from a minimum."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from regjax import masks, prox
from regjax._src import checks, spectral
from regjax._src.gradients import wide_gradient
from regjax._src.groups import leaf_axes
from regjax._src.matrices import map_matrices
from regjax._src.numerics import compute_dtype, norm, number
from regjax._src.tree import is_floating
from regjax._src.types import Array, Axis, PyTree, Scalar
from regjax.regularizers import Regularizer


def optimality(regularizer: Regularizer, params: PyTree, gradients: PyTree) -> Array:
    r"""Measures how far parameters are from a minimum of loss plus penalty: 0 says that they have arrived.

    .. math::

      \max_i |r_i|, \qquad r = \arg\min_r \|r\|_2 \quad \text{over} \quad r \in \nabla L(w) + \partial \Omega(w)

    It is the largest entry of the distance between :math:`-\nabla L(w)` and the subdifferential of the penalty. Where
    the penalty is smooth that is the sum of the two gradients; a weight or a group at 0 is allowed a gradient of the
    loss up to the slope of the penalty there. Leaves that no mask selects count their plain gradient.

    A minimum has 0 whatever the optimizer, its metric and its learning rate. The unit is that of a gradient: 1e-3 of
    the strength is a good approximation, and in float32 the rounding of the loss's own gradient is the floor. So
    `gradients` should be those of the whole training loss, without the penalty: those of small batches leave their
    noise in it.

    Where the penalty is not convex 0 says that the point is stationary. Under `l0` every zero is, whatever its
    gradient. Singular values that are zero to rounding count as zero for `nuclear`; where several are largest,
    `spectral` counts with the mean of their gradients. For `total_variation` equal neighbours are those equal bit for
    bit, as its operator leaves them.

    Args:
      regularizer: the penalty, its strength and its mask.
      params: a tree of parameters.
      gradients: the gradients of the loss without the penalty, a tree like `params`. A leaf with None in place of a
        gradient does not count, nor does one that is not floating.

    Returns:
      A scalar in float32, or float64 where a leaf has it.

    Raises:
      TypeError: if `regularizer` is not a regularizer.
      ValueError: if `gradients` does not fit `params`, a mask does not fit `params`, or the penalty is `activity` or
        `total_variation` along several axes.

    Examples:
      The loss :math:`\tfrac12 \|w - z\|^2` has its minimum with the lasso where `prox.l1` takes `z`:

      >>> import jax.numpy as jnp, regjax
      >>> l1, z = regjax.regularizers.l1(1.0), jnp.array([3.0, -0.5])
      >>> w = l1.prox(z, 1.0)
      >>> w, float(regjax.diagnostics.optimality(l1, w, w - z)), float(regjax.diagnostics.optimality(l1, z, z - z))
      (Array([2., 0.], dtype=float32), 0.0, 1.0)

    References:
      Beck, `First-Order Methods in Optimization <https://doi.org/10.1137/1.9781611974997>`_, 2017, chapter 3
    """
    checks.regularizer(regularizer, Regularizer)
    for term in regularizer.terms():
        checks.of_parameters(term.name)
    given = checks.gradients_fit(gradients, params)
    leaves, structure = jax.tree.flatten(params)
    slopes = structure.flatten_up_to(wide_gradient(regularizer.penalty_among, params))
    counted = [
        (at, *_widened(leaf, gradient, slope))
        for at, (leaf, gradient, slope) in enumerate(zip(leaves, given, slopes, strict=True))
        if gradient is not None and is_floating(leaf)
    ]
    residuals = {at: gradient + slope for at, _, gradient, slope in counted}
    for term in regularizer.terms():
        chosen = jax.tree.leaves(masks.resolve(term.mask, params))
        for at, w, gradient, slope in counted:
            if chosen[at] and w.size:
                residuals[at] = _nearest(term.name, w, gradient, slope, **term.keywords)
    zero = jnp.zeros((), jnp.float32)
    dtype = compute_dtype(zero, *residuals.values())
    largest = [jnp.max(jnp.abs(r), initial=0).astype(dtype) for r in residuals.values()]
    return functools.reduce(jnp.maximum, largest, zero.astype(dtype))


def _widened(*arrays: Any) -> list[Array]:
    dtype = compute_dtype(*map(jnp.asarray, arrays))
    return [jnp.asarray(array).astype(dtype) for array in arrays]


def _nearest(name: str, w: Array, gradient: Array, slope: Array, **keywords: Any) -> Array:
    """Returns the element of least norm of `gradient` plus the subdifferential of a penalty at `w`.

    Args:
      name: the penalty.
      w: one leaf.
      gradient: that of the loss.
      slope: that of the penalty, with 0 in place of what is undetermined at its kinks.
      **keywords: the numbers and options of the penalty.
    """
    sum_of_both = gradient + slope
    match name:
        case "l1" | "mcp" | "scad":
            return _at_zeros(w, sum_of_both, keywords["strength"])
        case "elastic_net":
            return _at_zeros(w, sum_of_both, keywords["l1"])
        case "log_sum":
            steepest = number(keywords["strength"], w.dtype) / number(keywords["epsilon"], w.dtype)
            return _at_zeros(w, sum_of_both, steepest)
        case "l0":
            return _at_zeros(w, sum_of_both, jnp.where(number(keywords["strength"], w.dtype) > 0, jnp.inf, 0))
        case "group_lasso":
            return _at_zero_groups(w, sum_of_both, **keywords)
        case "sparse_group_lasso":
            entries = _at_zeros(w, sum_of_both, keywords.pop("l1"))
            return _at_zero_groups(w, entries, keywords.pop("group"), **keywords)
        case "nuclear":
            return _at_zero_singular_values(w, sum_of_both, **keywords)
        case "total_variation":
            return _at_equal_neighbours(w, gradient, **keywords)
    return sum_of_both


def _at_zeros(w: Array, total: Array, steepest: Scalar) -> Array:
    return jnp.where(w == 0, prox.l1(total, steepest), total)


def _at_zero_groups(w: Array, total: Array, strength: Scalar, *, axis: Axis, size_scaling: bool) -> Array:
    vanishes = norm(w, leaf_axes(axis, "", w)) == 0
    return jnp.where(vanishes, prox.group_lasso(total, strength, axis=axis, size_scaling=size_scaling), total)


def _at_zero_singular_values(w: Array, total: Array, strength: Scalar, *, stacked_axes: int) -> Array:
    """Shrinks what lies outside of the rows and columns that `w` spans."""

    def outside(pair: Array) -> Array:
        matrices, total = pair
        u, s, vt = spectral.svd(matrices)
        real = s > spectral.rounding(matrices) * s[..., :1]
        rows, columns = jnp.where(real[..., None, :], u, 0), jnp.where(real[..., :, None], vt, 0)
        rest = total - spectral.matmul(rows, spectral.matmul(jnp.swapaxes(rows, -1, -2), total))
        rest = rest - spectral.matmul(spectral.matmul(rest, jnp.swapaxes(columns, -1, -2)), columns)
        return jnp.stack([matrices, rest])

    rest = map_matrices(outside, jnp.stack([w, total]), stacked_axes + 1)[1]
    return total - (rest - prox.nuclear(rest, strength, stacked_axes=stacked_axes))


def _at_equal_neighbours(w: Array, gradient: Array, strength: Scalar, *, axis: Axis) -> Array:
    """Shrinks within the pieces of `w`.

    The operator takes `pieces - gradient` to x = pieces - gradient - s with a subgradient s at x. The jumps of x are
    those of `pieces`, which are too high to vanish and have the signs of those of `w`: so s is a subgradient at w too.
    """
    along = checks.one_axis(leaf_axes(axis, "", w))
    jumps = jnp.sign(jnp.diff(w, axis=along))
    # A residual is at most the largest gradient with two neighbours pulling.
    height = 4 * (jnp.max(jnp.abs(gradient)) + 2 * number(strength, w.dtype))
    start = jnp.zeros_like(jax.lax.slice_in_dim(w, 0, 1, axis=along))
    pieces = height * jnp.concatenate([start, jnp.cumsum(jumps, along)], along)
    return pieces - prox.total_variation(pieces - gradient, strength, axis=axis)
