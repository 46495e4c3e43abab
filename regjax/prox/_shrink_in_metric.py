r"""Shrinking whole groups in a diagonal metric.

The operator of :math:`t \|x\|_2` is 0 where :math:`\|d z\|_2 \le t`. Elsewhere it is
:math:`x_i = d_i z_i \nu / (d_i \nu + t)` with :math:`\nu = \|x\|_2`, the root of

.. math::

  \varphi(\nu) = \sum_i \left( \frac{d_i z_i}{d_i \nu + t} \right)^2 = 1

From a :math:`\nu` one pass goes to :math:`g \nu`. With :math:`c_i = t / (d_i \nu + t)`, which are between 0 and 1, the
equation for g is

.. math::

  \sum_i \frac{w_i}{(c_i + (1 - c_i) g)^2} = 1, \qquad w_i = \left( \frac{d_i z_i}{d_i \nu + t} \right)^2

The pass replaces the weights w on the numbers c by two of them, on 0 and on one other number, that have the same sum,
mean and mean square: on :math:`\sum w_i c_i^2 / \sum w_i c_i` the weight :math:`(\sum w_i c_i)^2 / \sum w_i c_i^2`.
This is the Gauss-Radau quadrature with a node at 0. The equation with two terms is solved by Newton's method with
numbers for each group only. For g > 1 the third derivative of what is summed is positive, so that the quadrature is
never above the sum and a pass from the left of the root stays there; what it misses of :math:`\varphi` is below
:math:`(g - 1)^3`. The start, :math:`\nu = \|z\| (1 - t / \|d z\|)`, is the root itself for a constant metric and
near it where the threshold is small, as in most steps of an optimizer, so that one pass is enough; metrics of condition
1e6 need up to 7. (With one node it is Newton's method for :math:`\varphi^{-1/2}`, which needs up to 12.)
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from regjax._src.blocks import in_blocks
from regjax._src.numerics import norm
from regjax._src.types import Array

_MOST_PASSES = 8
_NEWTON_STEPS = 6


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def shrink_in_metric(z: Array, d: Array, threshold: Array, axes: tuple[int, ...]) -> Array:
    """Returns the operator for groups along `axes`, where `d` has the shape of `z`."""
    return in_blocks(lambda z, d: _shrunk(z, d, threshold, axes), axes, z, d)


@shrink_in_metric.defjvp
def _shrink_in_metric_jvp(axes: tuple[int, ...], primals: Any, tangents: Any) -> tuple[Array, Array]:
    # With q = x / nu: the derivative of d z = (d nu + t) q, and that of |q| = 1.
    (z, d, t), (dz, dd, dt) = primals, tangents
    x = shrink_in_metric(z, d, t, axes)
    nu = norm(x, axes)
    alive = nu > 0
    denominator = jnp.where(alive, d * nu + t, 1)
    q = d * z / denominator
    partial = (d * dz + dd * z - q * (dd * nu + dt)) / denominator
    slope = jnp.sum(q * q * d / denominator, axes, keepdims=True)
    dnu = jnp.sum(q * partial, axes, keepdims=True) / jnp.where(alive, slope, 1)
    dx = (partial - q * (d / denominator) * dnu) * nu + q * dnu
    return x, jnp.where(alive, dx, jnp.where(t > 0, 0, dz))


def _shrunk(z: Array, d: Array, t: Array, axes: tuple[int, ...]) -> Array:
    # The operator does not change when metric and threshold are divided by one number, nor when z, x and threshold are.
    # These two keep squares in range.
    length = norm(z, axes)
    length = jnp.where(length > 0, length, 1)
    first = jax.lax.slice(d, (0,) * d.ndim, tuple(1 if a in axes else n for a, n in enumerate(d.shape)))
    d, t = d / first, t / first / length
    weighted = d * (z / length)
    size = norm(weighted, axes)
    vanishes = size <= t
    safe_size, t_left = jnp.where(vanishes, 1, size), jnp.where(vanishes, 0, t)
    mean = jnp.sum(weighted * weighted * d, axes, keepdims=True) / (safe_size * safe_size)
    # To the left of the root: one node at nu = 0.
    least = jnp.where(vanishes, 1, (safe_size - t_left) / jnp.where(vanishes, 1, mean))

    def one_pass(nu: Array) -> Array:
        inverse = 1 / (d * nu + t_left)
        w, c = jnp.square(weighted * inverse), t_left * inverse
        sums = [jnp.sum(terms, axes, keepdims=True) for terms in (w, w * c, w * c * c)]
        growth = _growth(*sums)
        # From far right of the root float32 cannot tell where it is; from the left it can.
        return jnp.where(vanishes, 1, jnp.where(growth > 0.5, growth, least / nu))

    nu = _repeat(one_pass, jnp.maximum(1 - t_left / safe_size, least))
    x = z * (d * nu / (d * nu + t_left))
    return jnp.where(vanishes, jnp.where(t > 0, 0, z), x)


def _repeat(one_pass: Callable[[Array], Array], start: Array) -> Array:
    """Multiplies nu by what passes return, until that is near 1."""
    # A step of this size leaves four roundings.
    last_step = 2 * jnp.finfo(start.dtype).eps ** (1 / 3)

    def go_on(nu: Array) -> tuple[Array, Array]:
        growth = one_pass(nu)
        return nu * growth, jnp.any(jnp.abs(growth - 1) > last_step)

    def body(_: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        nu, unfinished = carry
        return jax.lax.cond(unfinished, go_on, lambda nu: (nu, unfinished), nu)

    # The bounds are static, so that second derivatives can go backwards through it.
    return jax.lax.fori_loop(0, _MOST_PASSES, body, (start, ~jnp.all(jnp.isnan(start))))[0]


def _growth(total: Array, first: Array, second: Array) -> Array:
    """Returns the root g of the equation with two terms, from the sums of w, w c and w c^2.

    Newton's method for the root of one over phi climbs to it from the left: from where one of the terms alone is 1.
    """
    some = first > 0
    node = jnp.where(some, second / jnp.where(some, first, 1), 1)
    weight = jnp.minimum(first / node, total)
    slope = 1 - node
    alone = jnp.where(slope > 0, (jnp.sqrt(weight) - node) / jnp.where(slope > 0, slope, 1), 0)
    # Where Newton's method starts makes no difference to its root, nor to the derivative of that.
    start = jax.lax.stop_gradient(jnp.maximum(jnp.maximum(jnp.sqrt(total - weight), alone), 0.25))

    def newton_step(_: Array, g: Array) -> Array:
        at_node = node + slope * g
        of_node, of_zero = weight / (at_node * at_node), (total - weight) / (g * g)
        phi = of_node + of_zero
        return g + phi * (jnp.sqrt(phi) - 1) / (of_node * slope / at_node + of_zero / g)

    return jax.lax.fori_loop(0, _NEWTON_STEPS, newton_step, start)
