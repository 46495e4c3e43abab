"""The Jacobian penalty."""

import math
from collections.abc import Callable
from typing import Any, Literal, overload

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.numerics import compute_dtype, norm
from regjax._src.shards import varying_like
from regjax._src.types import Array, ArrayLike, Key, PyTree
from regjax.sensitivity._rows import reverse, row_function

MODES = ("auto", "reverse", "forward")


@overload
def jacobian_penalty(
    fn: Callable[[Array], Array],
    x: ArrayLike,
    *,
    key: Key | None = None,
    num_projections: int | None = None,
    mode: str = "auto",
    chunk_size: int | None = 16,
    has_aux: Literal[False] = False,
) -> Array: ...


@overload
def jacobian_penalty(
    fn: Callable[[Array], tuple[Array, PyTree]],
    x: ArrayLike,
    *,
    key: Key | None = None,
    num_projections: int | None = None,
    mode: str = "auto",
    chunk_size: int | None = 16,
    has_aux: Literal[True],
) -> tuple[Array, PyTree]: ...


def jacobian_penalty(
    fn: Callable[[Array], Any],
    x: ArrayLike,
    *,
    key: Key | None = None,
    num_projections: int | None = None,
    mode: str = "auto",
    chunk_size: int | None = 16,
    has_aux: bool = False,
) -> Array | tuple[Array, PyTree]:
    r"""Averages the squared Frobenius norm of the Jacobian of each example.

    .. math::

      \frac1B \sum_b \|J_b\|_F^2, \qquad J_b = \frac{\partial f(x_b)}{\partial x_b} \in \mathbb{R}^{C \times d}

    With `num_projections` :math:`n` it is estimated without bias from :math:`n` random orthonormal vectors for each
    example,

    .. math::

      \|J_b\|_F^2 \approx \frac Cn \sum_{k=1}^n \|J_b^\top v_{bk}\|_2^2

    which is exact for :math:`n = C` and has :math:`\frac{C - n}{C - 1}` of the variance of :math:`n` independent
    vectors. One is enough for a usual batch. There is no factor 1/2: the penalty of Hoffman et al, and their
    implementation, is half of this.

    In mode "reverse" a pass computes one :math:`J_b^\top v` for all examples, and the exact value takes :math:`C` of
    them. In mode "forward" it is one :math:`J_b w`, the exact value takes :math:`d`, and random vectors are drawn in
    the space of the inputs, with :math:`d` in place of :math:`C` above. "auto" takes the mode in which the exact
    value needs fewer passes, where an estimate varies less, too.

    Examples must not depend on each other, or derivatives across them leak in: batch normalization must use its running
    statistics.

    Args:
      fn: the function :math:`f`, from ``[batch, ...]`` to ``[batch, ...]``, row by row; axes after the first are
        flattened into :math:`C` outputs. It must be pure, with any noise fixed. Mode "forward" can't differentiate
        functions of `jax.custom_vjp`. Mode "reverse" can't differentiate `while_loop`, and neither can a gradient of
        the penalty that JAX takes in reverse, whatever the mode.
      x: floating array ``[batch, ...]``; axes after the first are flattened into :math:`d` inputs.
      key: a PRNG key to draw directions from; not looked at without `num_projections`. Under `shard_map`
        the same key draws the same on every shard, unless ``jax.lax.axis_index`` is folded in.
      num_projections: how many directions to draw, from 1 to :math:`C` (in mode "forward" to :math:`d`); None computes
        the exact value, and so does a number that is not smaller than the passes it needs.
      mode: "auto", "reverse" or "forward".
      chunk_size: how many passes are computed at once; None means all of them. Memory grows with it; where
        there are more passes, they are computed twice when the penalty is differentiated, so that none of them has to
        be kept.
      has_aux: whether `fn` returns a pair of the output and anything else, which is returned too. Training on
        ``fn = lambda x: (logits, logits)`` needs no forward pass of its own and, where the activations are not
        piecewise linear, no backward pass of its own: with one projection, a step takes 2 times the operations of a
        plain one instead of 2.7, and a little more where the first layer is the largest, because a plain step needs no
        derivative by its inputs.

    Returns:
      A scalar in float32, or float64 where the inputs or outputs have it; with `has_aux` a pair of it and what `fn`
      returns beside its output.

    Raises:
      TypeError: if `x` or the output of `fn` is not floating, `key` is missing, a number is no Python integer, or
        `fn` has a function that mode "forward" can't differentiate.
      ValueError: if `x` is empty, the output has another batch size, a number or `mode` is none of these, or `fn` has
        a loop that mode "reverse" can't differentiate.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> kernel = jnp.array([[1.0, 2.0, 0.0], [0.0, 2.0, 4.0]])
      >>> x = jnp.ones((8, 2))
      >>> float(regjax.sensitivity.jacobian_penalty(lambda x: x @ kernel, x))
      25.0

      In training, with the logits that the loss needs anyway:

      >>> def loss_fn(kernel, key):
      ...     def logits_twice(x):
      ...         logits = jnp.tanh(x @ kernel)
      ...         return logits, logits
      ...
      ...     penalty, logits = regjax.sensitivity.jacobian_penalty(
      ...         logits_twice, x, key=key, num_projections=1, has_aux=True
      ...     )
      ...     return jnp.mean(logits**2) + 0.01 / 2 * penalty
      >>> jax.grad(loss_fn)(kernel, jax.random.key(0)).shape
      (2, 3)

    References:
      Hoffman et al, `Robust Learning with Jacobian Regularization <https://arxiv.org/abs/1908.02729>`_, 2019
    """
    x = checks.batch("x", x)
    checks.one_of("mode", mode, MODES)
    checks.flag("has_aux", has_aux)
    chunk_size = None if chunk_size is None else checks.at_least("chunk_size", chunk_size, 1)
    batch = x.shape[0]
    output = jax.eval_shape(row_function(fn, batch, has_aux), x)[0]
    inputs, outputs = (math.prod(shape[1:]) for shape in (x.shape, output.shape))
    if num_projections is not None:
        checks.projections(num_projections, key, inputs if mode == "forward" else outputs)
    if mode == "auto":
        mode = "forward" if inputs < outputs else "reverse"
    size = inputs if mode == "forward" else outputs
    with checks.differentiable(mode, has_mode=True):
        product, dtype, aux = _product(fn, x, mode, has_aux)
        if num_projections is None or num_projections >= size:
            squares = _sum_of_squares(
                lambda k: product(jnp.broadcast_to(jax.nn.one_hot(k, size, dtype=dtype), (batch, size))),
                jnp.arange(size),
                chunk_size,
            )
            penalty = squares / batch
        else:
            directions = _orthonormal(key, (num_projections, batch, size), dtype)
            penalty = _sum_of_squares(product, directions, chunk_size) * (size / (num_projections * batch))
    return (penalty, aux) if has_aux else penalty


def _product(
    fn: Callable[[Array], Any], x: Array, mode: str, has_aux: bool
) -> tuple[Callable[[Array], Array], jnp.dtype, PyTree]:
    """Returns the products of the Jacobians and directions `[batch, size]`, the dtype to compute in, and the rest."""
    if mode == "forward":
        output, push, aux = jax.linearize(row_function(fn, x.shape[0], has_aux), x, has_aux=True)
        like, linear = x, push
    else:
        output, linear, aux = reverse(fn, x, has_aux)
        like = output
    dtype = compute_dtype(x, output)

    def product(v: Array) -> Array:
        return linear(varying_like(v.reshape(like.shape).astype(like.dtype), like)).astype(dtype)

    return product, dtype, aux


def _sum_of_squares(product: Callable[[Array], Array], directions: Array, chunk_size: int | None) -> Array:
    def one(direction: Array) -> Array:
        return jnp.sum(jnp.square(product(direction)))

    count = directions.shape[0]
    if count == 1:
        return one(directions[0])
    if chunk_size is None or chunk_size >= count:
        return jnp.sum(jax.vmap(one)(directions))
    # Without the checkpoint, the gradient would keep what it needs of all passes.
    kept = jax.checkpoint(one, prevent_cse=False)
    return jnp.sum(jax.lax.map(kept, directions, batch_size=chunk_size if chunk_size > 1 else None))


def _orthonormal(key: Any, shape: tuple[int, int, int], dtype: jnp.dtype) -> Array:
    """Draws `[count, batch, size]` directions, orthonormal among the `count` of an example and uniform.

    The signs that a QR decomposition chooses do not matter to a sum of squares, and the space that its vectors span is
    that of the normal ones, thus uniform.
    """
    count, batch, size = shape
    normal = jax.random.normal(key, (batch, size, count), dtype)
    vectors = normal / norm(normal, (1,)) if count == 1 else jnp.linalg.qr(normal).Q
    return jnp.moveaxis(vectors, -1, 0)
