"""The short example of the README: a regularized network on real data, in one page."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_digits

import regjax
import regjax.linen

images, labels = load_digits(return_X_y=True)
x, y = jnp.asarray(images / 16, jnp.float32), jnp.asarray(labels)


class Network(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = nn.relu(nn.Dense(64)(x))
        x = regjax.linen.Dropout(0.5)(x, deterministic=not train)
        return nn.Dense(10)(x)


model = Network()
params = model.init(jax.random.key(0), x[:1], train=False)

schedule = optax.cosine_decay_schedule(1.0, 500)
pixels = regjax.regularizers.group_lasso(1e-3, axis=1, mask="**/Dense_0/kernel")  # a group: the weights of one pixel
optimizer = optax.chain(
    optax.sgd(schedule),
    regjax.transforms.decoupled_weight_decay(1e-3, schedule, mask="**/Dense_1/kernel"),
    regjax.transforms.proximal_step(pixels, schedule),  # exact zeros: whole pixels are dropped
    regjax.transforms.project(regjax.constraints.max_norm(3.0, mask="**/kernel")),
)
state = optimizer.init(params)
print(regjax.diagnostics.describe(optimizer, params))  # which leaf gets what


@jax.jit
def train_step(params, state, key):
    def loss(params):
        logits = model.apply(params, x[:1000], train=True, rngs={"dropout": key})
        return optax.softmax_cross_entropy_with_integer_labels(logits, y[:1000]).mean()

    updates, state = optimizer.update(jax.grad(loss)(params), state, params)
    return optax.apply_updates(params, updates), state


for step in range(500):
    params, state = train_step(params, state, jax.random.fold_in(jax.random.key(1), step))

accuracy = jnp.mean(model.apply(params, x[1000:], train=False).argmax(-1) == y[1000:])
kept = 64 - regjax.diagnostics.group_sparsity(params["params"]["Dense_0"]["kernel"], axis=1).total["zeros"]
print(f"test accuracy {accuracy:.1%} with {kept} of 64 pixels")


def one_pass(key, x):
    return model.apply(params, x, train=True, rngs={"dropout": key})


uncertain = regjax.uncertainty.mc_classify(one_pass, jax.random.key(2), x[1000:], num_samples=50)
print(f"most uncertain test digit: number {1000 + uncertain.mutual_information.argmax()}")
