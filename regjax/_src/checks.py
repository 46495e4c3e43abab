"""The one place from which errors about arguments are raised.

A check looks only at what is static: kinds, dtypes, shapes, and numbers that live on the host (Python and NumPy
ones). A traced value, or one that lives on a device, is never inspected: reading it would block or fail under `jit`.

Every message is one sentence, "`name` must be <requirement>, got <what>".
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regjax._src.types import Array, ArrayLike, Axis


def _host_numbers(name: str, value: Any) -> np.ndarray | None:
    """Returns the numbers of `value` where they can be looked at, and refuses what is no number."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number | np.ndarray | jax.Array):
        raise TypeError(f"`{name}` must be a number or a scalar array, got {value!r}")
    if isinstance(value, jax.Array):
        if not (jnp.issubdtype(value.dtype, jnp.floating) or jnp.issubdtype(value.dtype, jnp.integer)):
            raise TypeError(f"`{name}` must be a real number, got an array of dtype {value.dtype}")
        return None
    numbers = np.asarray(value)
    if numbers.dtype.kind not in "iuf":
        # Low-precision floats (bfloat16, float8) are kind "V" to NumPy and become float64 here.
        if not jnp.issubdtype(numbers.dtype, jnp.floating):
            raise TypeError(f"`{name}` must be a real number, got {value!r}")
        numbers = numbers.astype(np.float64)
    return numbers


def numbers(name: str, value: Any, accept: Callable[[np.ndarray], Any], requirement: str) -> None:
    """Checks numbers of any shape that live on the host; `accept` must be false for NaN."""
    host = _host_numbers(name, value)
    if host is not None and not np.all(accept(host)):
        raise ValueError(f"`{name}` must be {requirement}, got {value}")


def strengths(name: str, value: Any) -> None:
    """Checks a strength, or an array of them that is to be mapped over."""
    numbers(name, value, lambda x: (x >= 0) & np.isfinite(x), "finite and >= 0")


def bounds(name: str, value: Any) -> None:
    """Checks the size of a constraint set, or an array of them; infinity means no constraint."""
    numbers(name, value, lambda x: x >= 0, ">= 0")


def scalar(name: str, value: Any) -> None:
    """Checks that `value` has shape ()."""
    if np.shape(value) != ():
        raise ValueError(f"`{name}` must be a scalar, got shape {np.shape(value)}")


def strength(name: str, value: Any) -> None:
    """Checks one finite number >= 0."""
    strengths(name, value)
    scalar(name, value)


def bound(name: str, value: Any) -> None:
    """Checks one number >= 0."""
    bounds(name, value)
    scalar(name, value)


def not_nans(name: str, value: Any) -> None:
    """Checks an end of an interval, or an array of them."""
    numbers(name, value, lambda x: ~np.isnan(x), "a number")


def not_nan(name: str, value: Any) -> None:
    """Checks an end of an interval."""
    not_nans(name, value)
    scalar(name, value)


def rates(name: str, value: Any) -> None:
    """Checks a share or a probability of dropping, or an array of them."""
    numbers(name, value, lambda x: (x >= 0) & (x <= 1), "in [0, 1]")


def rate(name: str, value: Any) -> None:
    """Checks one share or one probability of dropping."""
    rates(name, value)
    scalar(name, value)


def rate_below_one(name: str, value: Any) -> None:
    """Checks a probability of dropping that must leave something."""
    numbers(name, value, lambda x: (x >= 0) & (x < 1), "in [0, 1)")
    scalar(name, value)


def ordered(low_name: str, low: Any, high_name: str, high: Any) -> None:
    """Checks low <= high where both live on the host."""
    low_host, high_host = _host_numbers(low_name, low), _host_numbers(high_name, high)
    if low_host is not None and high_host is not None and np.any(low_host > high_host):
        raise ValueError(f"`{low_name}` must be <= `{high_name}`, got {low} and {high}")


def at_least(name: str, value: Any, minimum: int) -> int:
    """Checks a Python integer that shapes depend on."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be a Python integer, got {value!r}")
    if value < minimum:
        raise ValueError(f"`{name}` must be >= {minimum}, got {value}")
    return int(value)


def one_of(name: str, value: Any, choices: Iterable[object]) -> None:
    """Checks a word, or a number that stands for a choice."""
    words = tuple(choices)
    if value not in words:
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, words))}, got {value!r}")


def key(value: Any) -> None:
    """Checks one PRNG key, new-style or old-style."""
    if not isinstance(value, jax.Array | np.ndarray):
        raise TypeError(f"`key` must be a PRNG key such as `jax.random.key(0)`, got {value!r}")
    new_style = jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
    if not new_style and value.dtype != np.uint32:
        raise TypeError(f"`key` must be a PRNG key such as `jax.random.key(0)`, got an array of dtype {value.dtype}")
    if value.ndim != (0 if new_style else 1):
        raise ValueError(f"`key` must be a single PRNG key, got an array of keys of shape {value.shape}")


def rate_on_host(mode: str, value: Any) -> None:
    """Refuses a traced rate where shapes depend on the rate."""
    if isinstance(value, jax.Array):
        raise TypeError(
            f"`rate` must be a Python number in mode '{mode}', where it sets the number of rows, got {value!r}"
            " (the modes 'row', 'batch' and 'skip' take traced rates)"
        )


def deterministic(value: Any) -> None:
    """Checks the switch of a layer once the layer and the call have been asked."""
    if value is None:
        raise ValueError(
            "`deterministic` must be set where the rate is not 0: in the constructor, in the call or, in NNX, by"
            " `train()` or `eval()`, got None"
        )
    if isinstance(value, jax.Array) and (value.dtype != np.bool_ or value.ndim != 0):
        raise TypeError(f"`deterministic` must be a bool or a boolean scalar, got {value.dtype} of shape {value.shape}")
    instance("deterministic", value, bool | np.bool_ | jax.Array, "be a bool or a boolean scalar")


def rngs_given(value: Any) -> None:
    """Checks that a stochastic layer of NNX has somewhere to draw from."""
    if value is None:
        raise ValueError("`rngs` must be given to the constructor or to the call of a stochastic layer, got None")


def has_stream(name: str, found: bool, streams: Iterable[str]) -> None:
    """Checks that the stream a layer draws from exists."""
    if not found:
        raise ValueError(
            f"`rngs` must have a key for the stream '{name}', got {sorted(streams)}: pass `rngs={{'{name}': key}}`"
        )


def floating(name: str, value: ArrayLike) -> Array:
    """Converts to a floating array."""
    array = jnp.asarray(value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(f"`{name}` must be a floating array, got dtype {array.dtype}")
    return array


def axis_kind(axis: Any, *, name: str = "axis") -> None:
    """Checks what axes are said by, whatever array they are of."""
    named = axis if isinstance(axis, tuple | list) else () if axis is None else (axis,)
    if not all(isinstance(a, int | np.integer) and not isinstance(a, bool) for a in named):
        raise TypeError(f"`{name}` must be an integer, a tuple of integers or None, got {axis!r}")


def axes(axis: Axis, shape: tuple[int, ...], where: str, *, name: str = "axis") -> tuple[int, ...]:
    """Returns the axes that `axis` names in `shape`, sorted and non-negative; None names all."""
    axis_kind(axis, name=name)
    if axis is None:
        return tuple(range(len(shape)))
    named = axis if isinstance(axis, tuple | list) else (axis,)
    if not all(-len(shape) <= a < len(shape) for a in named):
        raise ValueError(f"`{name}` must be in range for {where} of shape {shape}, got {axis}")
    result = sorted(int(a) % len(shape) for a in named)
    if len(set(result)) != len(result):
        raise ValueError(f"`{name}` must not name an axis twice, got {axis} for {where} of shape {shape}")
    return tuple(result)


def leading_axis(name: str, shape: tuple[int, ...]) -> None:
    """Checks that there is an axis of examples."""
    if not shape:
        raise ValueError(f"`{name}` must have a leading axis, got shape ()")


def same_shape(name: str, shape: tuple[int, ...], of: str, expected: tuple[int, ...]) -> None:
    """Checks that two arrays agree in shape."""
    if shape != expected:
        raise ValueError(f"`{name}` must have the shape {expected} of `{of}`, got {shape}")


def same_structure(name: str, got: Any, of: str, expected: Any) -> None:
    """Checks that two trees agree in structure."""
    structure, wanted = jax.tree.structure(got), jax.tree.structure(expected)
    if structure != wanted:
        raise ValueError(f"`{name}` must have the structure of `{of}`, got {structure} instead of {wanted}")


def params_given(params: Any) -> None:
    """Checks that an update got the parameters."""
    if params is None:
        raise ValueError(
            "`params` must be given to `update`: call `optimizer.update(updates, state, params)`, got None"
        )


def flatten_up_to(name: str, structure: Any, tree: Any) -> list[Any]:
    """Returns the subtrees of `tree` at the leaves of `structure`, which must be a prefix of it."""
    try:
        return structure.flatten_up_to(tree)
    except (TypeError, ValueError) as error:
        got = jax.tree.structure(tree)
        raise ValueError(f"`{name}` must fit the structure of the tree, got {structure} for {got}") from error


def patterns(values: tuple[Any, ...]) -> None:
    """Checks what a mask is said by."""
    if not values:
        raise ValueError("`patterns` must name at least one glob or compiled regular expression, got none")
    for value in values:
        if not isinstance(value, str | re.Pattern):
            raise TypeError(f"`patterns` must be globs or compiled regular expressions, got {value!r}")


def pattern_found(pattern: Any, found: bool, paths: list[str]) -> None:
    """Checks that a pattern matched one of the paths, unless there are none.

    Optax initializes with trees without leaves to learn the structure of a state.
    """
    if paths and not found:
        raise ValueError(f"`mask` must match a floating leaf, got {_text(pattern)} for the paths {_some(paths)}")


def mask_selects(mask: Any, any_selected: bool, paths: list[str]) -> None:
    """Checks that a mask selected one of the floating leaves, unless there are none."""
    if paths and not any_selected:
        raise ValueError(f"`mask` must select a floating leaf, got {mask} for the paths {_some(paths)}")


def mask_is_first(mask: Any, any_selected: bool, paths: list[str]) -> None:
    """Refuses a rule that earlier ones leave no leaf to."""
    if paths and not any_selected:
        raise ValueError(
            f"`mask` must be the first to match some leaf, got {mask}, behind patterns that take all its leaves"
        )


def mask_is_no_scalar(mask: Any) -> None:
    """Refuses what `optax.inject_hyperparams` makes of a function."""
    if isinstance(mask, bool | int | float) or (
        isinstance(mask, np.ndarray | np.generic | jax.Array) and mask.ndim == 0
    ):
        raise TypeError(
            "`mask` must be None, a glob, a tree of bools or a function, got the scalar"
            f" {mask!r}, which is what `optax.inject_hyperparams` makes of a function (use a glob there)"
        )


def mask_is_tree_of_bools(mask: Any, only_bools: bool) -> None:
    """Checks what is left once a mask is nothing else."""
    if not only_bools:
        raise TypeError(f"`mask` must be None, a glob, a tree of Python bools or a function, got {mask!r}")


def _text(pattern: Any) -> str:
    return repr(pattern if isinstance(pattern, str) else pattern.pattern)


def _some(paths: list[str]) -> str:
    shown = ", ".join(map(repr, paths[:8]))
    return shown if len(paths) <= 8 else f"{shown} and {len(paths) - 8} more"


def same_shapes(name: str, got: Any, of: str, expected: Any) -> None:
    """Checks that two trees agree in structure and in the shapes of their leaves."""
    same_structure(name, got, of, expected)
    for leaf, wanted in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        if np.shape(leaf) != np.shape(wanted):
            raise ValueError(f"`{name}` must have the shapes of `{of}`, got {np.shape(leaf)} for {np.shape(wanted)}")


def given(name: str, value: Any) -> None:
    """Checks an argument that has no default."""
    if value is None:
        raise TypeError(f"`{name}` must be a tree of arrays, got None")


def unique_paths(name: str, paths: list[str]) -> None:
    """Refuses a tree in which leaves can't be told apart by their paths."""
    twice = sorted({path for path in paths if paths.count(path) > 1}) if len(set(paths)) < len(paths) else []
    if twice:
        raise ValueError(f"`{name}` must have leaves with different paths, got two at {_some(twice)}")


def compiles(pattern: str, regex: str) -> re.Pattern[str]:
    """Compiles what a glob was translated to."""
    try:
        return re.compile(regex)
    except re.error as error:
        raise ValueError(f"`mask` must be a well-formed glob, got {pattern!r}: {error}") from error


def metric_shape(path: str, weights: Any, leaf: Array) -> None:
    """Checks the metric of one leaf."""
    if isinstance(weights, np.ndarray | float | int):
        numbers("metric", weights, lambda x: x > 0, "> 0")
    if np.shape(weights) not in {(), leaf.shape}:
        where = f" at '{path}'" if path else ""
        raise ValueError(f"`metric` must have shape () or {leaf.shape}{where}, got {np.shape(weights)}")


def axis_or_auto(axis: Any) -> None:
    """Checks the one word that may stand for axes."""
    if isinstance(axis, str):
        one_of("axis", axis, ["auto"])


def hashable_axis(axis: Any, *, auto: bool = False) -> Any:
    """Returns axes as static data that a pytree can carry; `auto` says whether the word "auto" may stand for them."""
    if auto and isinstance(axis, str):
        axis_or_auto(axis)
    else:
        axis_kind(axis)
    return tuple(axis) if isinstance(axis, list) else axis


def mapping(name: str, value: Any) -> None:
    """Checks a dictionary of rules."""
    if not isinstance(value, Mapping):
        raise TypeError(f"`{name}` must be a mapping from patterns to rules, got {value!r}")
    if not value:
        raise ValueError(f"`{name}` must have at least one pattern, got none")


def instance(name: str, value: Any, kind: Any, requirement: str) -> None:
    """Checks the kind of a value."""
    if not isinstance(value, kind):
        raise TypeError(f"`{name}` must {requirement}, got {value!r}")


def has_prox(name: str, there_is_one: bool) -> None:
    """Checks that a regularizer can take a proximal step."""
    if not there_is_one:
        raise TypeError(f"`regularizer` must have a proximal operator, got {name}, which is a penalty only")


def has_gradient(name: str) -> None:
    """Refuses the one penalty whose gradient is zero everywhere."""
    if name == "l0":
        raise ValueError("`regularizer` must have a gradient, got l0: use `proximal_step` for it")


def has_leaves(name: str, of: str, missing: list[str]) -> None:
    """Checks that a companion tree has every leaf that is asked of it."""
    if missing:
        raise ValueError(f"`{name}` must have the leaves of `{of}`, got none at {_some(missing)}")


def number_or_schedule(name: str, value: Any) -> None:
    """Checks an argument of a transformation that a schedule may stand for."""
    if not callable(value):
        strength(name, value)


def flag(name: str, value: Any) -> None:
    """Checks a switch."""
    instance(name, value, bool, "be True or False")


def regularizer(value: Any, kind: Any) -> None:
    """Checks the argument of a transformation made of a regularizer."""
    instance("regularizer", value, kind, "be a regularizer such as `regjax.regularizers.l1(1e-3)`")


def update_fits(update: Any, param: Any) -> None:
    """Checks an update against its parameter; None is an update that is not there."""
    if update is not None and (len(jax.tree.leaves(param)) != 1 or np.shape(update) != np.shape(param)):
        got = np.shape(param) if len(jax.tree.leaves(param)) == 1 else jax.tree.structure(param)
        raise ValueError(f"`updates` must have the structure and shapes of `params`, got {np.shape(update)} for {got}")


def real_leaves(complex_paths: list[str]) -> None:
    """Refuses complex leaves."""
    if complex_paths:
        raise TypeError(f"`tree` must have real leaves, got complex ones at {_some(complex_paths)}")


def has_init(value: Any) -> None:
    """Checks that something can be described."""
    if not callable(getattr(value, "init", None)):
        raise TypeError(
            f"`rule_or_transform` must be a regularizer, a constraint, a mask or an optimizer, got {value!r}"
        )


def classes(name: str, value: Any) -> Array:
    """Checks what a classifier returns: one floating array with the classes in its last axis."""
    instance(name, value, jax.Array | np.ndarray, "return one array")
    array = floating(name, value)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"`{name}` must have the classes in its last axis, got shape {array.shape}")
    return array


def stacked_classes(name: str, value: ArrayLike) -> Array:
    """Checks the class probabilities of at least one sample."""
    array = floating(name, value)
    if array.ndim < 2 or 0 in {array.shape[0], array.shape[-1]}:
        raise ValueError(f"`{name}` must have shape [num_samples, ..., classes], got {array.shape}")
    return array


def draws_noise(name: str, drawn: bool) -> None:
    """Checks that a pass that is to be repeated can give another result."""
    if not drawn:
        raise ValueError(
            f"`{name}` must have a noise layer that acts, such as a Dropout with 0 < rate < 1,"
            " got a pass that drew no random numbers"
        )
