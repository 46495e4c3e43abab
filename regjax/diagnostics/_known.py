"""What is known of parts of a chain by their names, and where they meet."""

from collections.abc import Callable, Iterable, Sequence

from regjax.diagnostics._inside import Part

# Optax's transformations that divide by a diagonal or take the sign, each with names of its own making.
ADAPTIVE = {
    "dadapt_adamw",
    "momo_adam",
    "prodigy",
    "scale_by_acprop",
    "scale_by_adadelta",
    "scale_by_adam",
    "scale_by_adamax",
    "scale_by_adan",
    "scale_by_ademamix",
    "scale_by_adopt",
    "scale_by_amsgrad",
    "scale_by_belief",
    "scale_by_factored_rms",
    "scale_by_lion",
    "scale_by_novograd",
    "scale_by_radam",
    "scale_by_rms",
    "scale_by_rprop",
    "scale_by_rss",
    "scale_by_sign",
    "scale_by_simplified_ademamix",
    "scale_by_sm3",
    "scale_by_sophia",
    "scale_by_stddev",
    "scale_by_yogi",
}
# Those that add to updates, or go on moving when gradients stop.
ADDS = {"add_decayed_weights", "add_noise", "apply_every", "ema", "trace"}
CLIPS = {"adaptive_grad_clip", "centralize", "clip", "clip_by_block_rms", "clip_by_global_norm", "reduce_on_plateau"}


def name_of(part: Part) -> str:
    """Returns the name of a transformation of regjax, and "" for others."""
    return part.told.transform if part.library == "regjax" else ""


def is_optax(part: Part, names: set[str]) -> bool:
    """Tells whether a part is a transformation of Optax with one of these names."""
    return part.library.startswith("optax") and part.told.transform in names


def touching(part: Part, others: Sequence[Part], chosen: Callable[[Part], bool] = lambda _: True) -> list[Part]:
    """Returns those of other transformations that are chosen, in a known order and touch a leaf that `part` touches."""
    leaves = part.told.leaves.keys()
    ordered = [other for other in others if part.hidden_in is None or other.hidden_in is not part.hidden_in]
    return [other for other in ordered if chosen(other) and not leaves.isdisjoint(other.told.leaves)]


def on_leaves(paths: Sequence[str]) -> str:
    """Returns what a sentence says last: on which leaves."""
    return f" (on {paths[0]!r}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''})"


def listed(names: Iterable[str]) -> str:
    """Returns names, each once, as a sentence has them."""
    names = list(dict.fromkeys(f"`{name}`" for name in names))
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
