"""Weight decay that does not pass through the optimizer."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regjax import masks
from regjax._src import checks, recorder
from regjax._src.numerics import product
from regjax._src.paths import leaf_paths
from regjax._src.shown import plain
from regjax._src.tree import align
from regjax._src.types import Array, PyTree, ScalarOrSchedule
from regjax.transforms._updates import map_updates, value_at


class DecoupledWeightDecayState(NamedTuple):
    """The state of :func:`regjax.transforms.decoupled_weight_decay`.

    Attributes:
      step: the number of updates so far, int32 with shape ().
      anchor: what the weights decay to, a tree like the parameters with `optax.MaskedNode` in place of the leaves that
        do not decay; None if they decay to zero.
    """

    step: Array
    anchor: PyTree


def decoupled_weight_decay(
    weight_decay: ScalarOrSchedule,
    learning_rate: ScalarOrSchedule | None = None,
    *,
    mask: Any = None,
    cautious: bool = False,
    anchor: PyTree = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Decays the weights beside the optimizer instead of through it.

    .. math::

      u \leftarrow u - \eta_t \lambda_t \theta \quad \text{with a learning rate}, \qquad
      u \leftarrow u - \lambda_t \theta \quad \text{without}

    With the learning rate of the optimizer this is the decay of `optax.adamw` and `torch.optim.AdamW`, for any
    optimizer. Without one the decay does not depend on the learning rate, as in the paper: with zero gradients the
    weights shrink by :math:`\prod_t (1 - \lambda_t)`; let `weight_decay` be a schedule that falls together with the
    learning rate.

    It goes after the learning rate in a chain (after `optax.adam(...)`, say) and subtracts the decay itself, unlike
    `optax.add_decayed_weights`, which would make weights grow there. A transformation that freezes parameters goes
    after it. In bfloat16 a step of less than 1/512 of a weight is rounded away, decay included: keep float32 parameters
    and cast them for the model, or apply updates in float32 by
    :func:`regjax.transforms.apply_updates_stochastic_rounding`.

    Args:
      weight_decay: the strength :math:`\lambda_t \ge 0`, a number or a schedule.
      learning_rate: the learning rate :math:`\eta_t` of the optimizer, the same number or schedule; None for a decay
        that is independent of it.
      mask: which leaves; anything that :func:`regjax.masks.as_mask` takes. Biases and scales of normalization layers
        are usually left out: `"**/kernel"`, or :func:`regjax.masks.no_bias_or_norm`.
      cautious: whether to decay only entries that the optimizer does not move away from the target of the decay, that
        is where update times parameter is <= 0 (an update of zero included).
      anchor: what the weights decay to: None for zero, "initial" for the parameters that `init` is given (L2-SP), or a
        tree like the parameters. It is kept in the state, so restore that too, and costs the memory of the leaves that
        decay.

    Returns:
      A gradient transformation. `update` needs `params`. Updates keep their dtype, or get that of the parameter where
      that is wider.

    Raises:
      TypeError: if a number is of another kind, or `mask` is of a wrong kind.
      ValueError: if a number is negative; in `init` and `update`, if `mask` or `anchor` does not fit the parameters.

    Examples:
      >>> import jax.numpy as jnp, optax, regjax
      >>> decay = regjax.transforms.decoupled_weight_decay(0.1, 0.5, mask="**/kernel")
      >>> tx = optax.chain(optax.adam(0.5), decay)
      >>> params = {"kernel": jnp.array([2.0]), "bias": jnp.array([2.0])}
      >>> zeros = {"kernel": jnp.zeros(1), "bias": jnp.zeros(1)}
      >>> updates, state = tx.update(zeros, tx.init(params), params)
      >>> optax.apply_updates(params, updates)
      {'bias': Array([2.], dtype=float32), 'kernel': Array([1.9], dtype=float32)}

    References:
      Loshchilov and Hutter, `Decoupled Weight Decay Regularization <https://arxiv.org/abs/1711.05101>`_, 2019; for
      `cautious`, Chen et al, `Cautious Weight Decay <https://arxiv.org/abs/2510.12402>`_, 2025; for `anchor`, Li et al,
      `Explicit Inductive Bias for Transfer Learning with Convolutional Networks <https://arxiv.org/abs/1802.01483>`_,
      2018
    """
    checks.number_or_schedule("weight_decay", weight_decay)
    if learning_rate is not None:
        checks.number_or_schedule("learning_rate", learning_rate)
    checks.flag("cautious", cautious)
    if isinstance(anchor, str):
        checks.one_of("anchor", anchor, ["initial"])
    which = masks.as_mask(mask)
    settings: dict[str, Any] = {"weight_decay": weight_decay, "learning_rate": learning_rate}
    settings |= ({"cautious": True} if cautious else {}) | ({} if anchor is None else {"anchor": plain(anchor)})

    def init_fn(params: PyTree) -> DecoupledWeightDecayState:
        keep = masks.resolve(which, params)
        leaves = {path: () for path, kept in zip(leaf_paths(params), jax.tree.leaves(keep), strict=True) if kept}
        recorder.tell("decoupled_weight_decay", leaves, **settings)
        return DecoupledWeightDecayState(jnp.zeros((), jnp.int32), initial_anchor(keep, params))

    def initial_anchor(keep: PyTree, params: PyTree) -> PyTree:
        if anchor is None:
            return None
        target = params if isinstance(anchor, str) else align("anchor", anchor, "params", params)
        checks.same_shapes("anchor", target, "params", params)
        # Copied, so that donating the parameters does not take the anchor with them.
        return jax.tree.map(lambda kept, a: jnp.array(a) if kept else optax.MaskedNode(), keep, target)

    def update_fn(updates: PyTree, state: Any, params: PyTree = None, **extra_args: Any) -> tuple[PyTree, Any]:
        del extra_args
        checks.params_given(params)
        rate = value_at(weight_decay, state.step)
        scale = 1.0 if learning_rate is None else value_at(learning_rate, state.step)

        def on_leaf(u: Array, p: Array, *target: Array) -> Array:
            distance = p - target[0].astype(p.dtype) if target else p
            decayed = u - product(u.dtype, scale, rate) * distance
            return jnp.where(u * distance <= 0, decayed, u) if cautious else decayed

        keep = masks.resolve(which, params)
        anchors = [] if anchor is None else [state.anchor]
        updates = map_updates(on_leaf, updates, params, *anchors, keep=keep)
        return updates, DecoupledWeightDecayState(jnp.asarray(optax.safe_increment(state.step)), state.anchor)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)
