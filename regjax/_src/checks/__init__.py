"""The one place from which errors about arguments are raised.

A check looks only at what is static: kinds, dtypes, shapes, and numbers that live on the host (Python and NumPy
ones). A traced value, or one that lives on a device, is never inspected: reading it would block or fail under `jit`.

Every message is one sentence, "`name` must be <requirement>, got <what>".

One file holds the checks of one topic.
"""

from regjax._src.checks._arrays import (
    axes,
    axis_kind,
    axis_or_auto,
    classes,
    floating,
    hashable_axis,
    leading_axis,
    same_shape,
    stacked_classes,
)
from regjax._src.checks._kinds import (
    flag,
    given,
    instance,
    mapping,
    one_of,
)
from regjax._src.checks._layers import (
    deterministic,
    draws_noise,
    has_stream,
    key,
    rate_on_host,
    rngs_given,
)
from regjax._src.checks._masks import (
    compiles,
    mask_is_first,
    mask_is_no_scalar,
    mask_is_tree_of_bools,
    mask_selects,
    pattern_found,
    patterns,
)
from regjax._src.checks._numbers import (
    at_least,
    bound,
    bounds,
    not_nan,
    not_nans,
    number_or_schedule,
    numbers,
    ordered,
    rate,
    rate_below_one,
    rates,
    scalar,
    strength,
    strengths,
)
from regjax._src.checks._trees import (
    flatten_up_to,
    has_leaves,
    metric_shape,
    real_leaves,
    same_shapes,
    same_structure,
    unique_paths,
)
from regjax._src.checks._values import (
    has_gradient,
    has_init,
    has_prox,
    params_given,
    regularizer,
    update_fits,
)

__all__ = [
    "at_least",
    "axes",
    "axis_kind",
    "axis_or_auto",
    "bound",
    "bounds",
    "classes",
    "compiles",
    "deterministic",
    "draws_noise",
    "flag",
    "flatten_up_to",
    "floating",
    "given",
    "has_gradient",
    "has_init",
    "has_leaves",
    "has_prox",
    "has_stream",
    "hashable_axis",
    "instance",
    "key",
    "leading_axis",
    "mapping",
    "mask_is_first",
    "mask_is_no_scalar",
    "mask_is_tree_of_bools",
    "mask_selects",
    "metric_shape",
    "not_nan",
    "not_nans",
    "number_or_schedule",
    "numbers",
    "one_of",
    "ordered",
    "params_given",
    "pattern_found",
    "patterns",
    "rate",
    "rate_below_one",
    "rate_on_host",
    "rates",
    "real_leaves",
    "regularizer",
    "rngs_given",
    "same_shape",
    "same_shapes",
    "same_structure",
    "scalar",
    "stacked_classes",
    "strength",
    "strengths",
    "unique_paths",
    "update_fits",
]
