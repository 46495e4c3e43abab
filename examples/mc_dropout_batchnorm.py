"""How sure is my trained network, which has dropout and batch normalization?

`regjax.linen.mc_apply` runs the trained network in evaluation mode with its dropout on, and `mc_classify` sums many
such passes up. The batch statistics stay what they were, bit for bit. The mutual information is 0.530 nats on the test
digits that the network gets wrong and 0.145 on the others; 1.173 on squares cut from photographs, which it tells from
digits with an area under ROC of 0.997, where the entropy of one pass without dropout has 0.724. It is no cure-all: of
digits turned by 90 degrees it is only somewhat less sure (0.312 nats, 0.642), but one pass is surer of them than of
digits (0.045).
"""

import functools
import pathlib
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _digits import style
from sklearn.datasets import load_digits, load_sample_images
from sklearn.metrics import roc_auc_score

import regjax
import regjax.linen


class Network(nn.Module):
    """An ordinary network of Flax's own layers: nothing in it knows about Monte Carlo."""

    @nn.compact
    def __call__(self, x, train):
        """Maps images `[batch, 64]` to logits `[batch, 10]`."""
        for _ in range(2):
            x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(nn.Dense(64)(x)))
            x = nn.Dropout(0.5, deterministic=not train)(x)
        return nn.Dense(10)(x)


def photographs() -> np.ndarray:
    """Returns squares of two photographs, gray, of 8 x 8 pixels each, from 0 to 1: `[96, 64]`."""
    gray = np.concatenate([image[:384, :512].mean(axis=2) for image in load_sample_images().images])
    squares = gray.reshape(12, 8, 8, 8, 8, 8).mean(axis=(2, 5)).transpose(0, 2, 1, 3).reshape(-1, 64)
    darkest, brightest = squares.min(axis=1, keepdims=True), squares.max(axis=1, keepdims=True)
    return (squares - darkest) / (brightest - darkest)


def main(
    *, num_steps: int = 500, num_samples: int = 100, folder: pathlib.Path = pathlib.Path("results/mc_dropout_batchnorm")
) -> dict[str, Any]:
    """Trains, asks the network about digits and other images, and draws how sure it is."""
    pixels, classes = load_digits(return_X_y=True)
    pixels = pixels / 16
    x, y = jnp.asarray(pixels[:1000], jnp.float32), jnp.asarray(classes[:1000])
    model, optimizer = Network(), optax.adam(3e-3)

    @jax.jit
    def train_step(variables, state, key):
        def loss(params):
            logits, moved = model.apply(
                {**variables, "params": params}, x, train=True, rngs={"dropout": key}, mutable="batch_stats"
            )
            return regjax.losses.softmax_cross_entropy(logits, y).mean(), moved

        gradients, moved = jax.grad(loss, has_aux=True)(variables["params"])
        updates, state = optimizer.update(gradients, state)
        return {"params": optax.apply_updates(variables["params"], updates), **moved}, state

    variables: Any = model.init(jax.random.key(0), x[:1], train=False)
    state = optimizer.init(variables["params"])
    for step in range(num_steps):
        variables, state = train_step(variables, state, jax.random.fold_in(jax.random.key(1), step))
    before = jax.tree.map(np.array, variables)

    @jax.jit
    def predict(key, images):
        one_pass = functools.partial(regjax.linen.mc_apply, model, variables, train=False)
        return regjax.uncertainty.mc_classify(one_pass, key, images, num_samples=num_samples)

    @jax.jit
    def plain_entropy(images):
        logits = jnp.asarray(model.apply(variables, images, train=False))
        return regjax.uncertainty.predictive_entropy(jax.nn.softmax(logits)[None])  # one sample: without dropout

    digits = pixels[1000:]
    images = {
        "digits": digits,
        "digits with noise": (digits + np.random.default_rng(0).normal(0, 0.3, digits.shape)).clip(0, 1),
        "digits turned by 90°": np.rot90(digits.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64),
        "photographs": photographs(),
    }
    information, entropy = {}, {}
    for name, pixels in images.items():
        array = jnp.asarray(pixels, jnp.float32)
        information[name] = np.asarray(predict(jax.random.key(2), array).mutual_information)
        entropy[name] = np.asarray(plain_entropy(array))

    def told_apart(measure, name):
        both = np.concatenate([measure["digits"], measure[name]])
        return roc_auc_score(np.arange(len(both)) >= len(digits), both)

    print(f"{'':20s}  mutual       told from digits (area under ROC)\n{'':20s}  information  MC dropout  one pass")
    print(f"{'digits':20s}  {information['digits'].mean():11.3f}")
    for name in list(images)[1:]:
        mean, mc, plain = information[name].mean(), told_apart(information, name), told_apart(entropy, name)
        print(f"{name:20s}  {mean:11.3f}  {mc:10.3f}  {plain:8.3f}")
    logits = np.asarray(model.apply(variables, jnp.asarray(digits, jnp.float32), train=False))
    right = logits.argmax(-1) == classes[1000:]
    sure, unsure = information["digits"][right].mean(), information["digits"][~right].mean()
    print(f"\nThe {right.sum()} digits it gets right have {sure:.3f} nats, the {(~right).sum()} others {unsure:.3f}.")
    unmoved = jax.tree.map(lambda a, b: a.tobytes() == np.asarray(b).tobytes(), before, variables)
    print(f"Parameters and batch statistics are what they were, bit for bit: {all(jax.tree.leaves(unmoved))}")

    with style.picture(folder / "mc_dropout_batchnorm.png", 8, 3.2) as figure:
        halves: Any = figure.subfigures(1, 2, width_ratios=(1.2, 1))
        left, beside = halves
        axes = left.subplots()
        colors = (style.BLUE, style.ORANGE, style.GREEN, style.VERMILION)
        for (name, values), color in zip(information.items(), colors, strict=True):
            axes.ecdf(values, color=color, label=name)
        axes.set(xlabel="mutual information (nats)", ylabel="share of the images below", xlim=(0, None))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        order = np.argsort(information["digits"])
        beside.suptitle("The surest digits, and the least sure", fontsize=9, fontweight="normal")
        for panel, index in zip(beside.subplots(2, 4).flat, [*order[:4], *order[-4:]], strict=True):
            panel.imshow(digits[index].reshape(8, 8), cmap="gray_r")
            panel.set_title(f"{classes[1000:][index]}: {information['digits'][index]:.2f}")
            panel.set_axis_off()
    return {"before": before, "after": variables, "information": information}


if __name__ == "__main__":
    main()
