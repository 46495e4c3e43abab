"""Removing units and input features that are exactly zero."""

from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src import checks
from regjax._src.paths import leaf_paths
from regjax._src.types import PyTree
from regjax.pruning._constants import Activation, fold_constants
from regjax.pruning._pruned import Pruned
from regjax.pruning._stack import Layer, read_stack

Padding = Literal["SAME", "VALID"]


def remove_zero_units(
    params: PyTree,
    layers: Sequence[str | tuple[str, ...]],
    *,
    activation: Activation | Sequence[Activation],
    padding: Padding | Sequence[Padding] = "SAME",
    epsilon: float = 1e-5,
    remove_inputs: bool = True,
) -> Pruned:
    r"""Removes the units and the input features that are exactly zero; the smaller network has equal outputs.

    The layers are linear with kernels `[..., in, out]`, as Flax has them, and nothing between them mixes units:
    activations, batch normalization with running statistics, dropout that is off, flattening, and maximum or mean
    pooling (without padding that counts) may stand there, but not layer normalization. What a layer puts out goes to
    the next one only, which shapes do not always tell; a residual branch is a stack of its own, with
    `remove_inputs=False`. With :math:`K` the kernel, :math:`b` the bias and :math:`\varphi` the activation of a layer,
    and :math:`K'`, :math:`b'` those of the next one, a unit :math:`j` is removed

    - if its outgoing weights :math:`K'_{\dots j:}` are all zero; so is an input feature of the first layer;
    - if its incoming weights :math:`K_{\dots :j}`, or the scale of its batch normalization, are all zero. Then it puts
      out a constant, which moves into the next bias:

    .. math::

      c_j = \varphi(b_j), \qquad b' \leftarrow b' + \sum_j c_j \sum_{\text{positions}} K'_{\dots j:}

    and so on, until no such unit is left. A constant other than 0 stays where the next layer has no bias, or pads with
    zeros, which a constant is not equal to. If all units of a layer go, the first stays, with outgoing weights of zero.

    The outputs are equal to rounding: sums have fewer terms, and constants are added in float64 but a bias has its own
    dtype. Zeros must be exact, as a proximal operator makes them (:func:`regjax.prox.group_lasso`; along `axis=-1` a
    group is what leaves a unit or an input, along all the other axes it is what enters a unit).

    A group lasso weighs groups by their size, which is smaller now: to train on with the same objective, make its
    regularizer with `size_scaling=False`.

    Args:
      params: a tree with the arrays of the network, on the host or on a device, but not traced.
      layers: the paths of all layers in the order of the network, the last one included, whose units all stay: such as
        `["Dense_0", "Dense_1"]`, where `"Dense_0/kernel"` and maybe `"Dense_0/bias"` are leaves of `params`. A tuple
        names behind the layer what a batch normalization has, between the layer and its activation:
        `("params/Conv_0", "params/BatchNorm_0", "batch_stats/BatchNorm_0")`. Leaves below other paths are not touched.
        What can't be cut: layers that are used twice or stacked by `vmap` or `scan`, grouped convolutions, and kernels
        with several axes of inputs or units, as `DenseGeneral` has them.
      activation: what stands behind each layer but the last, from an array `[batch, units]` to such an array, each unit
        by itself. One for all, or a sequence. A maximum or mean over positions does not change a constant, so pooling
        has no say in it.
      padding: `"SAME"` where a convolution puts zeros around or between its inputs, however many (transposed ones do),
        `"VALID"` where it does not. One for all layers, or a sequence with one for each. It does not matter for
        kernels `[in, out]`.
      epsilon: what batch normalization adds to the variance.
      remove_inputs: whether input features are removed as well.

    Returns:
      The smaller tree, the indices of the inputs and the units that are kept, and a method that cuts other trees, such
      as the state of an optimizer, in the same way.

    Raises:
      TypeError: if an argument is of a wrong kind, or an array is traced or not floating.
      ValueError: if there is no such layer, if shapes do not fit together, or if `activation` mixes units.

    Examples:
      >>> import jax, jax.numpy as jnp, regjax
      >>> params = {
      ...     "first": {"kernel": jnp.array([[1.0, 0.0, 3.0], [0.0, 0.0, 0.0]]), "bias": jnp.array([0.5, 2.0, 0.0])},
      ...     "last": {"kernel": jnp.array([[1.0], [4.0], [0.0]]), "bias": jnp.array([0.0])},
      ... }
      >>> smaller = regjax.pruning.remove_zero_units(params, ["first", "last"], activation=jax.nn.relu)
      >>> smaller.params["first"]["kernel"], smaller.params["last"]["bias"]
      (Array([[1.]], dtype=float32), Array([8.], dtype=float32))
      >>> smaller.inputs, smaller.units["first"]
      (array([0]), array([0]))

      The smaller network has `features=len(smaller.units[layer])` and is given `x[..., smaller.inputs]`. To go on with
      training, cut the state of the optimizer too, or make a new one with `tx.init(smaller.params)`:

      >>> import optax
      >>> tx = optax.adam(1e-3)
      >>> state = smaller.cut(tx.init(params))
      >>> state[0].mu["first"]["kernel"].shape
      (1, 1)

    References:
      Wen et al., `Learning Structured Sparsity in Deep Neural Networks <https://arxiv.org/abs/1608.03665>`_, 2016;
      by the scale of batch normalization, Liu et al., `Learning Efficient Convolutional Networks through Network
      Slimming <https://arxiv.org/abs/1708.06519>`_, 2017; constants moved into biases, Bragagnolo and Barbano,
      `Simplify: A Python library for optimizing pruned neural networks
      <https://doi.org/10.1016/j.softx.2021.100907>`_, 2022
    """
    stack = read_stack(params, layers)
    activations = checks.activations(activation, len(stack) - 1)
    uniform = [
        layer.kernel.ndim == 2 or word == "VALID"
        for layer, word in zip(stack, checks.padded_with(padding, len(stack)), strict=True)
    ]
    checks.above("epsilon", epsilon, 0)
    checks.flag("remove_inputs", remove_inputs)
    links = [layer.links() for layer in stack]
    biases, kept = fold_constants(stack, links, activations, uniform, epsilon)
    changed = {layer.leaf("bias"): bias for layer, bias in zip(stack, biases, strict=True) if bias is not None}
    _drop_unused(links, kept, first=0 if remove_inputs else 1)
    for layer, sources in zip(stack, kept, strict=False):
        if sources.size and not sources.any():
            sources[0] = True
            changed[layer.leaf("kernel")] = layer.without(0)
    return _cut(params, stack, kept, changed)


def _drop_unused(links: list[np.ndarray], kept: list[np.ndarray], *, first: int) -> None:
    """Drops what no unit that is left takes in, from the last layer to the first.

    What is dropped has no weight to a unit that is left, so that it can make no other unit constant.
    """
    for i in reversed(range(first, len(links))):
        kept[i] &= links[i][:, kept[i + 1]].any(axis=1)


def _cut(params: PyTree, stack: list[Layer], kept: list[np.ndarray], changed: dict[str, np.ndarray]) -> Pruned:
    paths = leaf_paths(params)
    flags: dict[str, tuple[np.ndarray | None, ...]] = dict.fromkeys(paths, ())
    for layer, sources, units in zip(stack, kept[:-1], kept[1:], strict=True):
        flags |= dict.fromkeys(layer.paths_of_units, (units,))
        spatial = (None,) * (layer.kernel.ndim - 2)
        flags[layer.leaf("kernel")] = (*spatial, np.tile(sources, layer.positions), units)
    units = {layer.path: np.flatnonzero(flags) for layer, flags in zip(stack, kept[1:], strict=True)}
    pruned = Pruned(params, np.flatnonzero(kept[0]), units, flags)
    leaves, structure = jax.tree.flatten(params)
    new = [_like(leaf, changed[path]) if path in changed else leaf for path, leaf in zip(paths, leaves, strict=True)]
    return pruned._replace(params=pruned.cut(structure.unflatten(new)))


def _like(leaf: Any, array: np.ndarray) -> Any:
    return array if isinstance(leaf, np.ndarray) else jnp.asarray(array)
