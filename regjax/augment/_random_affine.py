"""Random rotations, shifts, changes of scale and shears."""

import functools

import jax
import jax.numpy as jnp

from regjax._src import checks
from regjax._src.explicit import automatic
from regjax._src.numerics import compute_dtype, number
from regjax._src.types import Array, ArrayLike, Key, PyTree, Scalar
from regjax.augment._mixed import arrays, shapes
from regjax.augment._random_crop import MODES
from regjax.augment._resample import INTERPOLATIONS, matrices, resample, turn
from regjax.augment._space import on_each


def random_affine(
    key: Key,
    x: PyTree,
    *,
    rotation: Scalar | tuple[Scalar, Scalar] = 0.0,
    shift: Scalar | tuple[Scalar, Scalar] = 0.0,
    scale: tuple[Scalar, Scalar] = (1.0, 1.0),
    shear: Scalar | tuple[Scalar, Scalar] = 0.0,
    interpolation: str | PyTree = "linear",
    mode: str = "constant",
    fill: ArrayLike | PyTree = 0,
) -> PyTree:
    r"""Rotates, shifts, scales and shears each image by amounts of its own.

    With positions in pixels (down, right) from the centre :math:`((h - 1) / 2, (w - 1) / 2)`, what was at :math:`p`
    comes to

    .. math::

      q = t + s \begin{pmatrix} \cos\theta & -\sin\theta \\ \sin\theta & \cos\theta \end{pmatrix}
      \begin{pmatrix} 1 & 0 \\ \tan\varphi & 1 \end{pmatrix} p

    for an angle :math:`\theta`, counterclockwise as it is seen, an angle of shear :math:`\varphi`, a shift :math:`t`
    and a scale :math:`s`. The angles and shifts are uniform in their ranges; so is :math:`\log s`, as twice the size
    is as far from 1 as half of it. Amounts that move pixels onto pixels, such as none, whole pixels and multiples of
    90 degrees, move them exactly. In the mode "constant" the plane around the image has the value `fill`, and pixels
    at the edge blend into it. The same key gives the same amounts to arrays of the same size.

    Args:
      key: a PRNG key.
      x: an array ``[batch, height, width, channels]``; or a tree of them with the same batch, height and width, which
        are moved together. Floating, or of any dtype where `interpolation` is "nearest".
      rotation: the largest angle in degrees, or a pair (lowest, highest); may be traced, as all of these numbers.
      shift: the largest shift as a fraction of height and width, or a pair of fractions (vertical, horizontal).
      scale: the lowest and highest scale, above 0; images grow with scales above 1.
      shear: the largest angle of shear in degrees, or a pair (lowest, highest).
      interpolation: "linear" between four pixels, or "nearest", which invents no values and so is right for masks of
        classes; for a tree, one word for all its arrays or a tree of words.
      mode: what lies beyond the edge: "constant" `fill`, "edge" the nearest pixel, "reflect" the mirror image about
        the outermost pixel, "symmetric" that about the edge, "wrap" the other side. To `scipy.ndimage` these are
        "grid-constant", "nearest", "mirror", "reflect" and "grid-wrap".
      fill: the value of the mode "constant", one for all channels or an array of one for each; for a tree, one value
        for all its arrays or a tree of values.

    Returns:
      A tree like `x`, in structure, shapes and dtypes. Positions and blends are computed in float32, or float64 where
      an array of `x` has it.

    Raises:
      TypeError: if `x` is not floating with linear interpolation, or an argument is of a wrong kind.
      ValueError: if a range is not finite or runs downwards, `shift` is outside [0, 1], `scale` not above 0, a word
        unknown, `fill` no value of the dtype, or the arrays of a tree differ in batch, height or width.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import regjax
      >>> images = jnp.arange(4.0).reshape(1, 2, 2, 1)
      >>> turn = jax.jit(lambda key, x: regjax.augment.random_affine(key, x, rotation=(90, 90)))
      >>> turn(jax.random.key(0), images)[0, ..., 0]
      Array([[1., 3.],
             [0., 2.]], dtype=float32)

    References:
      Simard et al, `Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis
      <https://doi.org/10.1109/ICDAR.2003.1227801>`_, 2003
    """
    checks.key(key)
    checks.one_of("mode", mode, MODES)
    angles = checks.symmetric_interval("rotation", rotation)
    slants = checks.symmetric_interval("shear", shear)
    fractions = checks.share_for_each("shift", shift, 2)
    checks.interval("scale", scale, 0, float("inf"))
    x = arrays("x", x, checks.any_array)
    checks.planes(shapes("x", x))
    batch = checks.batch_size(shapes("x", x), {})
    space = checks.spatial_shape(shapes("x", x))
    dtype = compute_dtype(*jax.tree.leaves(x))
    drawn = jax.random.uniform(key, (5, batch), dtype)

    def between(low: Scalar, high: Scalar, at: Array) -> Array:
        return number(low, dtype) + (number(high, dtype) - number(low, dtype)) * at

    sine, cosine = turn(between(*angles, drawn[0]))
    slope = jnp.tan(jnp.deg2rad(between(*slants, drawn[1])))
    smallest, largest = (number(end, dtype) for end in scale)
    size = smallest * (largest / smallest) ** drawn[2]
    moves = [between(-1, 1, at) * number(s, dtype) * n for s, n, at in zip(fractions, space, drawn[3:], strict=True)]
    inverse = matrices(((cosine, sine), (-sine - slope * cosine, cosine - slope * sine))) / size[:, None, None]

    def on_array(array: Array, interpolation: str, fill: ArrayLike) -> Array:
        checks.one_of("interpolation", interpolation, INTERPOLATIONS)
        checks.interpolates(interpolation, array)
        move = functools.partial(resample, interpolation=interpolation, mode=mode)
        return automatic(
            lambda array, inverse, shift, fill: move(array, inverse, shift, fill=fill),
            array,
            inverse,
            jnp.stack(moves, -1),
            checks.fill(fill, array),
        )

    return on_each(on_array, x, interpolation=interpolation, fill=fill)
