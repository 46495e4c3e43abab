"""What a regularizer is."""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import jax
import jax.numpy as jnp

from regjax import masks, penalties, prox
from regjax._src import checks
from regjax._src.numerics import add
from regjax._src.tree import align, merge
from regjax._src.types import Array, PyTree, Scalar
from regjax._src.value import Value, same_shape


class Regularizer(abc.ABC):
    """A penalty with its proximal operator, its strength and its mask, as one immutable value.

    It is a pytree whose leaves are its strengths (and its anchor, where it has one): it goes through `jit` as an
    argument, is mapped over by `vmap`, and can be differentiated with respect to its strengths. It is not callable, so
    Optax does not take it for a schedule.

    Make one with :func:`regjax.regularizers.l1` and its siblings, or several for different leaves with
    :func:`regjax.regularizers.by_path`.
    """

    if not TYPE_CHECKING:  # type checkers would believe in every attribute

        def __getattr__(self, name: str) -> NoReturn:
            """Says what is missing where Optax takes the regularizer for a transformation."""
            checks.no_transformation(
                self,
                name,
                "regularizer",
                "`regjax.transforms.proximal_step(regularizer, learning_rate)` behind the optimizer, or"
                " `regjax.transforms.add_penalty_gradients(regularizer)` before it",
            )

    @abc.abstractmethod
    def terms(self) -> tuple["SingleRegularizer", ...]:
        """Returns the single rules that it is made of; no leaf belongs to two of them."""

    def penalty(self, params: PyTree) -> Array:
        """Returns the penalty of the leaves that the mask selects.

        Args:
          params: a tree of parameters.

        Returns:
          A scalar in float32, or float64 where a leaf has it.

        Raises:
          ValueError: if a mask does not fit `params`, or an axis is out of range for a leaf.
        """
        return self.penalty_among(params, [True] * len(jax.tree.leaves(params)))

    def penalty_among(self, params: PyTree, among: Sequence[bool]) -> Array:
        """Returns the penalty of the leaves that the mask selects and that `among` has, in their order."""
        total = jnp.zeros((), jnp.float32)
        for term in self.terms():
            total = add(total, term.own_penalty(params, among))
        return total

    def prox(self, params: PyTree, step_size: Scalar, *, metric: PyTree | None = None) -> PyTree:
        """Returns the parameters after the proximal operator; leaves that no mask selects stay as they are.

        Args:
          params: a tree of parameters.
          step_size: the step >= 0, the learning rate in proximal gradient descent.
          metric: positive weights, a tree like `params`, of which the leaves that no mask selects may be missing; None
            means all ones.

        Returns:
          A tree like `params`, in structure, shapes and dtypes.

        Raises:
          TypeError: if the regularizer has no proximal operator.
          ValueError: if a mask does not fit `params`, or an axis is out of range for a leaf.
        """
        for term in self.terms():
            params = term.own_prox(params, step_size, metric)
        return params


@jax.tree_util.register_pytree_with_keys_class
@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class SingleRegularizer(Value, Regularizer):
    """One penalty on the leaves of one mask. Its name is the name of its functions in every room."""

    def terms(self) -> tuple["SingleRegularizer", ...]:
        """Returns itself."""
        return (self,)

    def own_penalty(self, params: PyTree, among: Sequence[bool]) -> Array:
        """Returns the penalty of the selected leaves that `among` has."""
        chosen, structure = jax.tree.flatten(masks.resolve(self.mask, params))
        keep = structure.unflatten([yes and in_it for yes, in_it in zip(chosen, among, strict=True)])
        return getattr(penalties, self.name)(_selected(keep, params), **self._arguments(keep, params))

    def own_prox(self, params: PyTree, step_size: Scalar, metric: PyTree | None) -> PyTree:
        """Returns the parameters with the operator applied to the leaves of the mask."""
        self.require_prox()
        return self.prox_of_selected(masks.resolve(self.mask, params), params, step_size, metric)

    def prox_of_selected(self, keep: PyTree, params: PyTree, step_size: Scalar, metric: PyTree | None) -> PyTree:
        """Returns the parameters with the operator applied to the leaves where `keep` is True."""
        if metric is not None:
            metric = _companion("metric", metric, keep, params)
        operator = getattr(prox, self.name)
        moved = operator(_selected(keep, params), **self._arguments(keep, params), step_size=step_size, metric=metric)
        return merge(moved, params)

    def prox_of_groups(self, z: Array, axes: tuple[int, ...], step_size: Scalar, metric: Array | None = None) -> Array:
        """Returns an array of groups along `axes` after the operator, wherever those lay in the leaf."""
        keywords = self.keywords | {"axis": axes[0] if len(axes) == 1 else axes}
        return getattr(prox, self.name)(z, **keywords, step_size=step_size, metric=metric)

    def prox_of_leaf(self, path: str, z: Array, step_size: Scalar, anchor: Any = None, *, metric: Any = None) -> Array:
        """Returns one leaf after the operator, with its own part of the anchor and of the metric."""
        keywords = self.keywords | ({} if anchor is None else {"anchor": {path: anchor}})
        weights = None if metric is None else {path: metric}
        return getattr(prox, self.name)({path: z}, **keywords, step_size=step_size, metric=weights)[path]

    def require_prox(self, *, metric: bool = False) -> None:
        """Raises an error if the penalty has no proximal operator, or none with these options or in a metric."""
        checks.has_prox(self.name, hasattr(prox, self.name))
        if self.name == "total_variation":
            checks.axis_is_one(self.keywords["axis"])
        if metric:
            checks.in_a_metric(self.name)

    def _arguments(self, keep: PyTree, params: PyTree) -> dict[str, Any]:
        keywords = self.keywords
        if "anchor" in keywords:
            keywords["anchor"] = _companion("anchor", keywords["anchor"], keep, params)
        return keywords


def make(
    name: str, strengths: Mapping[str, Any], mask: Any, /, *, anchor: PyTree = None, **options: Any
) -> Regularizer:
    """Returns the regularizer of that name; `strengths` may be arrays that are to be mapped over."""
    for argument, value in strengths.items():
        checks.strengths(argument, value)
    numbers = same_shape(strengths) + ((("anchor", anchor),) if anchor is not None else ())
    return SingleRegularizer(name, numbers, tuple(options.items()), masks.as_mask(mask))


def _companion(name: str, companion: PyTree, keep: PyTree, params: PyTree) -> PyTree:
    """Returns the leaves of a companion of `params` that are selected; it may lack the others."""
    if jax.tree.structure(companion) == jax.tree.structure(params):
        return _selected(keep, companion)
    return align(name, companion, "params", _selected(keep, params))


def _selected(keep: PyTree, tree: PyTree) -> PyTree:
    return jax.tree.map(lambda chosen, leaf: leaf if chosen else None, keep, tree)
