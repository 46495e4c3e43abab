import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from regjax import masks, penalties, regularizers, transforms
from tests.cases import tree

SCHEDULE = optax.cosine_decay_schedule(0.3, 100)


def loss(params):
    return sum(jnp.sum((leaf - 0.5) ** 2 * (1 + jnp.arange(leaf.size).reshape(leaf.shape))) for leaf in params.values())


def train(tx, objective=loss, count=100, params=None):
    @jax.jit
    def run(params):
        def step(carry, _):
            params, state = carry
            updates, state = tx.update(jax.grad(objective)(params), state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, tx.init(params)), length=count)[0][0]

    return run(tree() if params is None else params)


@pytest.mark.parametrize("learning_rate", [0.01, SCHEDULE], ids=["number", "schedule"])
def test_times_the_learning_rate_it_is_adamw(learning_rate):
    ours = optax.chain(optax.adam(learning_rate), transforms.decoupled_weight_decay(0.1, learning_rate, mask="kernel"))
    mask = masks.resolve("kernel", tree())
    theirs = optax.adamw(learning_rate, weight_decay=0.1, mask=mask)
    chex.assert_trees_all_close(train(ours), train(theirs), rtol=3e-6, atol=3e-7)


def test_l2_in_the_loss_is_weight_decay_under_sgd_and_not_under_adam():
    def penalized(params):
        return loss(params) + penalties.l2(params, 0.1)

    def decayed(optimizer):
        return train(optax.chain(optimizer, transforms.decoupled_weight_decay(0.1, 0.01)))

    def coupled(optimizer):
        return train(optax.chain(transforms.add_penalty_gradients(regularizers.l2(0.1)), optimizer))

    chex.assert_trees_all_close(train(optax.sgd(0.01), penalized), decayed(optax.sgd(0.01)), rtol=1e-5)
    chex.assert_trees_all_close(train(optax.adam(0.01), penalized), coupled(optax.adam(0.01)), rtol=1e-5, atol=1e-6)
    gap = jax.tree.map(
        lambda a, b: float(jnp.max(jnp.abs(a - b))), coupled(optax.adam(0.01)), decayed(optax.adam(0.01))
    )
    assert max(jax.tree.leaves(gap)) > 1e-3


@pytest.mark.parametrize("peak", [1e-4, 1.0])
def test_the_independent_form_shrinks_by_its_own_schedule_whatever_the_learning_rate(peak):
    decay = optax.linear_schedule(0.02, 0.0, 100)
    tx = optax.chain(optax.adam(peak), transforms.decoupled_weight_decay(decay))
    shrunk = train(tx, lambda params: 0.0 * loss(params), count=50)
    factor = np.prod([1 - 0.02 * (1 - t / 100) for t in range(50)])
    chex.assert_trees_all_close(shrunk, jax.tree.map(lambda leaf: factor * leaf, tree()), rtol=2e-6)


def test_cautious_decay_follows_the_paper():
    # x <- x - eta (u + lambda 1[u x >= 0] x), where the update of Optax after the learning rate is -eta u.
    x = jnp.array([1.0, 1.0, -1.0, -1.0, 2.0, 0.0])
    u = jnp.array([3.0, -3.0, 3.0, -3.0, 0.0, 1.0])
    eta, strength = 0.1, 0.5
    expected = x - eta * (u + strength * (u * x >= 0) * x)
    tx = optax.chain(optax.sgd(eta), transforms.decoupled_weight_decay(strength, eta, cautious=True))
    updates, _ = tx.update(u, tx.init(x), x)
    np.testing.assert_allclose(optax.apply_updates(x, updates), expected, rtol=1e-6)


def test_the_anchor_is_what_weights_decay_to():
    start = tree()
    other = jax.tree.map(lambda leaf: leaf + 1.0, start)

    def no_gradient(params):
        return 0.0 * loss(params)

    still = train(transforms.decoupled_weight_decay(0.1, anchor="initial"), no_gradient, count=5)
    chex.assert_trees_all_close(still, start, rtol=1e-6)
    moved = train(transforms.decoupled_weight_decay(0.1, anchor=other), no_gradient, count=5)
    chex.assert_trees_all_close(moved, jax.tree.map(lambda a: a + 1 - 0.9**5, start), rtol=1e-5)


def test_the_anchor_is_kept_in_the_state_for_the_leaves_that_decay():
    tx = transforms.decoupled_weight_decay(0.1, anchor="initial", mask="kernel")
    state = tx.init(tree())
    assert state.anchor["bias"] == optax.MaskedNode()
    np.testing.assert_array_equal(state.anchor["kernel"], tree()["kernel"])
    # Donating the parameters must not take the anchor with it.
    params = tree()
    update = jax.jit(
        lambda p, s: optax.apply_updates(p, tx.update(jax.tree.map(jnp.zeros_like, p), s, p)[0]), donate_argnums=0
    )
    state = tx.init(params)
    update(params, state)
    assert not state.anchor["kernel"].is_deleted()


def test_bad_arguments_are_refused():
    make = transforms.decoupled_weight_decay
    with pytest.raises(ValueError, match="`weight_decay` must be finite and >= 0, got -0.1"):
        make(-0.1)
    with pytest.raises(ValueError, match="`learning_rate` must be finite and >= 0, got -1"):
        make(0.1, -1)
    with pytest.raises(TypeError, match="`weight_decay` must be a number"):
        make("0.1")
    with pytest.raises(TypeError, match="`cautious` must be True or False, got 1"):
        make(0.1, cautious=1)
    with pytest.raises(ValueError, match="`anchor` must be one of 'initial', got 'start'"):
        make(0.1, anchor="start")
    with pytest.raises(ValueError, match="`anchor` must have the leaves of `params`, got none at 'bias'"):
        make(0.1, anchor={"kernel": jnp.ones((4, 3))}).init(tree())
    with pytest.raises(ValueError, match="`anchor` must have the shapes of `params`"):
        make(0.1, anchor=tree() | {"bias": jnp.ones(2)}).init(tree())
