"""Dropout in a recurrent network of Linen: one mask for all times, on the inputs and on the hidden state."""

import flax.linen as nn
import jax
import numpy as np
import pytest

from regjax import linen

X = jax.random.normal(jax.random.key(0), (6, 5, 8))


class Cell(nn.LSTMCell):
    """An LSTM that drops, and shows what it saw."""

    train: bool = True
    rate: float = 0.5

    @nn.compact
    def __call__(self, carry, x):
        memory, hidden = carry
        x = linen.Dropout(self.rate, name="of_inputs")(x, deterministic=not self.train)
        hidden = linen.Dropout(self.rate, name="of_state")(hidden, deterministic=not self.train)
        carry, y = super().__call__((memory, hidden), x)
        return carry, (y, x, hidden)


@pytest.mark.usefixtures("scan")  # `flax.linen.RNN` is made of it
def test_one_mask_for_all_times():
    one_mask = {"params": False, "dropout": False}
    network = nn.RNN(Cell(7), split_rngs=one_mask)
    variables = jax.jit(network.init)(jax.random.key(1), X)
    run = jax.jit(lambda key: network.apply(variables, X, rngs={"dropout": key}))
    y, x, hidden = run(jax.random.key(2))

    for seen, given in ((x, X), (hidden[:, 1:], y[:, :-1])):
        kept = np.asarray(seen != 0)
        assert (kept == kept[:, :1]).all()
        assert len({mask.tobytes() for mask in kept[:, 0]}) > 1
        assert 0 < kept.mean() < 1
        np.testing.assert_allclose(seen, np.where(kept, given / 0.5, 0), rtol=1e-6)
    # Inputs and state have masks of their own, and so has the next step of training.
    assert not np.array_equal(np.asarray(x != 0)[..., :7], np.asarray(hidden != 0)[:, [-1] * 5])
    assert not np.array_equal(run(jax.random.key(3))[1] != 0, x != 0)

    y, x, _ = jax.jit(nn.RNN(Cell(7, train=False)).apply)(variables, X)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_allclose(y, jax.jit(nn.RNN(nn.LSTMCell(7)).apply)(variables, X), rtol=1e-6)


@pytest.mark.usefixtures("scan")
def test_a_split_stream_draws_at_every_time():
    network = nn.RNN(Cell(7), split_rngs={"params": False, "dropout": True})
    variables = jax.jit(network.init)(jax.random.key(1), X)
    run = jax.jit(network.apply)
    kept = np.asarray(run(variables, X, rngs={"dropout": jax.random.key(2)})[1] != 0)
    assert len({mask.tobytes() for mask in kept[0]}) == 5
    with pytest.raises(ValueError, match="`rngs` must have a key for the stream 'dropout'"):
        nn.RNN(Cell(7)).apply(variables, X, rngs={"dropout": jax.random.key(2)})
