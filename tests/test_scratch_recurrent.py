"""Gate 6: the recurrent nets of lecture 12 equal torch.nn's, and their text tools equal plain loops."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from utils.scratch import recurrent
from utils.scratch.recurrent import CharModel

PAIRS = {"RNN": (recurrent.RNN, nn.RNN), "LSTM": (recurrent.LSTM, nn.LSTM), "GRU": (recurrent.GRU, nn.GRU)}
EVERY = pytest.mark.parametrize("ours, theirs", PAIRS.values(), ids=PAIRS)


def twins(ours, theirs, inputs=3, hidden=5, seed=0):
    """Both nets with the same weights, in double precision."""
    torch.manual_seed(seed)
    library = theirs(inputs, hidden).double()
    mine = ours(inputs, hidden).double()
    mine.load_state_dict(library.state_dict())
    return mine, library


def as_tuple(state):
    return state if isinstance(state, tuple) else (state,)


@EVERY
@settings(max_examples=15, deadline=None)
@given(
    T=st.integers(1, 12),
    B=st.integers(1, 5),
    d=st.integers(1, 4),
    H=st.integers(1, 6),
    scale=st.floats(0, 30),
)
def test_states_and_gradients_are_the_librarys(ours, theirs, T, B, d, H, scale):
    mine, library = twins(ours, theirs, d, H, seed=T)
    x = scale * torch.randn(T, B, d).double()
    start = tuple(torch.randn(B, H).double() for _ in range(mine.states))
    h, state = mine(x, start)
    first = tuple(s[None] for s in start)
    h_library, state_library = library(x, first if len(first) > 1 else first[0])
    torch.testing.assert_close(h, h_library, rtol=1e-10, atol=1e-12)
    for own, other in zip(state, as_tuple(state_library), strict=True):
        torch.testing.assert_close(own, other[0], rtol=1e-10, atol=1e-12)
    weight = torch.randn_like(h)
    (h * weight).sum().backward()
    (h_library * weight).sum().backward()
    for (name, p), (other_name, q) in zip(mine.named_parameters(), library.named_parameters(), strict=True):
        assert name == other_name
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-9, atol=1e-10)


@EVERY
def test_a_state_that_is_carried_over_joins_two_pieces(ours, theirs):
    mine, _ = twins(ours, theirs)
    x = torch.randn(9, 2, 3).double()
    first, state = mine(x[:4])
    second, _ = mine(x[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), mine(x)[0])


@EVERY
def test_weights_go_both_ways(ours, theirs):
    mine, library = twins(ours, theirs)
    library.load_state_dict(mine.state_dict())
    assert mine.weight_hh_l0.shape == library.weight_hh_l0.shape


@EVERY
@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 5), (0, 2, 3)])
def test_a_wrong_shape_is_an_error(ours, theirs, shape):
    with pytest.raises(ValueError, match="expected"):
        ours(3, 5)(torch.zeros(shape))


def test_sizes_below_one_are_an_error():
    with pytest.raises(ValueError, match="at least 1"):
        recurrent.LSTM(0, 3)


@pytest.mark.parametrize("net", [recurrent.LSTM(4, 6), nn.LSTM(4, 6)], ids=["ours", "torch"])
def test_forget_bias_sets_how_long_a_cell_is_kept(net):
    for p in net.parameters():
        nn.init.zeros_(p)
    assert recurrent.forget_bias_(net, 3.0) is net
    one, *start = torch.ones(6), torch.zeros(1, 6), torch.ones(1, 6)
    if isinstance(net, nn.LSTM):
        start = [s[None] for s in start]
    _, (_, c) = net(torch.zeros(20, 1, 4), tuple(start))
    torch.testing.assert_close(c.flatten(), one * torch.sigmoid(torch.tensor(3.0)) ** 20)


# ------------------------------------------------------------------------------------------------ text
def test_streams_go_on_where_they_ended():
    codes = torch.arange(23)
    pieces = recurrent.streams(codes, batch=2, length=3)
    x, y, fresh = next(pieces)
    assert fresh and x.T.tolist() == [[0, 1, 2], [11, 12, 13]] and y.T.tolist() == [[1, 2, 3], [12, 13, 14]]
    x, _, fresh = next(pieces)
    assert not fresh and x.T.tolist() == [[3, 4, 5], [14, 15, 16]]
    assert next(pieces)[1].T.tolist() == [[7, 8, 9], [18, 19, 20]]
    assert next(pieces)[2], "the text begins anew"
    with pytest.raises(ValueError, match="too few"):
        next(recurrent.streams(codes, batch=8, length=3))


def test_ngrams_are_the_plain_loops():
    rng = np.random.default_rng(0)
    text = rng.choice(5, size=900, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    text[5::3] = text[4:-1:3]  # something to learn
    train, test = text[:700], text[700:]
    for order in (1, 2, 4):
        tables = [defaultdict(Counter) for _ in range(order)]
        for k, table in enumerate(tables):
            for i in range(k, len(train)):
                table[tuple(train[i - k : i])][train[i]] += 1
        wanted = []
        for i in range(order - 1, len(test)):
            p = 1 / 6
            for k, table in enumerate(tables):
                followers = table.get(tuple(test[i - k : i]))
                if followers:
                    n, u = followers.total(), len(followers)
                    p = (followers[test[i]] + u * p) / (n + u)
            wanted.append(-math.log2(p))
        np.testing.assert_allclose(recurrent.ngram_bits(train, test, order, symbols=6), wanted, rtol=1e-12)


@pytest.mark.parametrize("order, symbols", [(0, 5), (10, 103)])
def test_an_order_out_of_range_is_an_error(order, symbols):
    with pytest.raises(ValueError, match="order"):
        recurrent.ngram_bits(np.zeros(30, int), np.zeros(30, int), order, symbols)


@pytest.mark.parametrize("net", [recurrent.LSTM, nn.LSTM, recurrent.GRU, nn.RNN])
def test_a_model_learns_a_text_that_repeats(net):
    torch.manual_seed(0)
    codes = torch.arange(3000) % 7
    model = CharModel(net(8, 16), symbols=7)
    lengths = []
    losses = recurrent.fit_text(model, codes, steps=80, batch=8, length=8, lengths=lengths)
    assert len(lengths) == len(losses) == 80 and min(lengths) > 0
    assert len(losses) == 80 and abs(losses[0] - math.log2(7)) < 0.6 and losses[-1] < 0.1
    bits = recurrent.text_bits(model, codes[:400], batch=4)
    assert bits.shape == (4 * 99,) and bits[50:99].mean() < 0.1


def test_text_bits_are_those_of_one_stream_read_alone():
    torch.manual_seed(0)
    model, codes = CharModel(recurrent.LSTM(4, 6), symbols=9), torch.randint(9, (61,))
    alone = [recurrent.text_bits(model, codes[i * 20 : (i + 1) * 20], batch=1) for i in range(3)]
    np.testing.assert_allclose(recurrent.text_bits(model, codes, batch=3), np.concatenate(alone), rtol=1e-5)


def test_a_loss_that_is_not_finite_is_an_error():
    torch.manual_seed(0)
    model = CharModel(recurrent.RNN(4, 6), symbols=5)
    with torch.no_grad():
        model.head.bias[0] = float("nan")
    with pytest.raises(ValueError, match="at step 1"):
        recurrent.fit_text(model, torch.arange(200) % 5, steps=3, batch=4, length=5)


def test_a_cold_model_writes_what_it_finds_likeliest_and_a_hot_one_anything():
    torch.manual_seed(0)
    model = recurrent.CharModel(nn.LSTM(4, 8), 5)
    cold = recurrent.write(model, torch.tensor([1, 2]), 12, temperature=1e-3, batch=3)
    assert cold.shape == (3, 12)
    x, state = torch.tensor([[1], [2]]), None
    for drawn in cold[0]:
        logits, state = model(x, state)
        x = logits[-1:].argmax(-1)
        assert (cold[:, 0] == cold[0, 0]).all() and drawn == x.item()
    hot = recurrent.write(model, torch.tensor([1, 2]), 100, temperature=1e3)
    assert (torch.bincount(hot.flatten(), minlength=5) > 100).all()  # 160 of 800 each, by chance
