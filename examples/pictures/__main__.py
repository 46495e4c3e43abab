"""Draws the pictures of the gallery anew: `python examples/pictures`, or with the names of some scripts after it."""

import importlib
import pathlib
import sys
import tempfile

from PIL import Image

HERE = pathlib.Path(__file__).parent
# Scripts with a command line, and which of their pictures is shown.
WITH_OPTIONS = {
    "digits": "learning_curves",
    "early_stopping": "early_stopping",
    "robustness": "robustness",
    "smaller_network": "smaller_network",
    "sparse_path": "lasso",
}
SHORT = (
    "l1_zeros",
    "max_norm_convnet",
    "mc_dropout_batchnorm",
    "restore_best",
    "stochastic_depth_transformer",
    "sweep_vmap",
    "weight_decay_mask",
)
WIDTH = 1100


def draw(name: str) -> None:
    """Runs a script and keeps its picture, small enough to be part of the repository."""
    script = importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        if name in WITH_OPTIONS:
            script.main(["--out", folder])
        else:
            script.main(folder=pathlib.Path(folder))
        shrink(pathlib.Path(folder, f"{WITH_OPTIONS.get(name, name)}.png"), HERE / f"{name}.png")


def shrink(source: pathlib.Path, target: pathlib.Path) -> None:
    """Writes a picture with 256 colors, and no wider than a page shows."""
    with Image.open(source) as picture:
        small = picture.convert("RGB")
        if small.width > WIDTH:
            small = small.resize((WIDTH, round(small.height * WIDTH / small.width)), Image.Resampling.LANCZOS)
        # Without the refinement by means, lines of similar colors become one color.
        small.quantize(256, kmeans=2, dither=Image.Dither.NONE).save(target, optimize=True)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    for chosen in sys.argv[1:] or [*SHORT, *WITH_OPTIONS]:
        draw(chosen)
