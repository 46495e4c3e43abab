"""Dropout in a recurrent network of NNX: one mask for all times, on the inputs and on the hidden state."""

import jax
import numpy as np
from flax import nnx

from regjax import nnx as layers

X = jax.random.normal(jax.random.key(0), (6, 5, 8))


class Cell(nnx.LSTMCell):
    """An LSTM that drops, and shows what it saw."""

    def __init__(self, *args, rngs):
        super().__init__(*args, rngs=rngs)
        self.of_inputs = layers.Dropout(0.5, rngs=rngs)
        self.of_state = layers.Dropout(0.5, rngs=rngs)

    def __call__(self, carry, x):
        memory, hidden = carry
        x, hidden = self.of_inputs(x), self.of_state(hidden)
        carry, y = super().__call__((memory, hidden), x)
        return carry, (y, x, hidden)


def test_one_mask_for_all_times():
    network = nnx.RNN(Cell(8, 7, rngs=nnx.Rngs(0)), broadcast_rngs=nnx.RngState)
    run = nnx.jit(lambda network: network(X))
    y, x, hidden = run(network)

    for seen, given in ((x, X), (hidden[:, 1:], y[:, :-1])):
        kept = np.asarray(seen != 0)
        assert (kept == kept[:, :1]).all()
        assert len({mask.tobytes() for mask in kept[:, 0]}) > 1
        assert 0 < kept.mean() < 1
        np.testing.assert_allclose(seen, np.where(kept, given / 0.5, 0), rtol=1e-6)
    # Inputs and state have masks of their own, and so has the next call.
    assert not np.array_equal(np.asarray(x != 0)[..., :7], np.asarray(hidden != 0)[:, [-1] * 5])
    assert not np.array_equal(run(network)[1] != 0, x != 0)

    network.eval()
    np.testing.assert_array_equal(run(network)[1], X)


def test_streams_that_are_carried_draw_at_every_time():
    network = nnx.RNN(Cell(8, 7, rngs=nnx.Rngs(0)))
    kept = np.asarray(nnx.jit(lambda network: network(X))(network)[1] != 0)
    assert len({mask.tobytes() for mask in kept[0]}) == 5
