"""What lecture 20 takes from utils/scratch/after.py."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from utils.scratch import after


def by_loop(codes, pair, new):
    out, i = [], 0
    while i < len(codes):
        if tuple(codes[i : i + 2]) == tuple(pair):
            out.append(new)
            i += 2
        else:
            out.append(codes[i])
            i += 1
    return out


@pytest.mark.parametrize("pair", [(0, 1), (0, 0), (2, 1), (5, 5)])
def test_merge_is_the_loop(pair):
    codes = np.random.default_rng(0).integers(3, size=500)
    assert after.merge(codes, pair, 7).tolist() == by_loop(codes.tolist(), pair, 7)


def test_merge_leaves_its_input_alone():
    codes = np.array([0, 0, 0])
    assert after.merge(codes, (0, 0), 1).tolist() == [1, 0] and codes.tolist() == [0, 0, 0]


def test_windows_are_shifted_by_one():
    x, y = after.windows(torch.arange(50), 8, 5)
    assert x.shape == y.shape == (5, 8)
    assert (y == x + 1).all() and (x.diff(dim=1) == 1).all()


def test_a_model_that_knows_nothing_needs_log2_of_the_symbols():
    class Even(nn.Module):
        def forward(self, x):
            return torch.zeros(*x.shape, 16)

    bits = after.window_bits(Even(), torch.randint(16, (200,)), 8)
    assert bits.shape == (8,) and np.allclose(bits, 4)


def test_entries_can_be_looked_up_where_seen():
    x, values, seen = after.entries(6, 12)
    assert x.shape == (6, 24) and values.shape == seen.shape == (6, 12)
    for row, answer, known in zip(x.tolist(), values.tolist(), seen.tolist(), strict=True):
        book = {}
        for i, (key, value) in enumerate(zip(row[::2], row[1::2], strict=True)):
            assert value == after.KEYS + answer[i]
            assert known[i] == (key in book) and book.get(key, value) == value
            book[key] = value


def test_share_falls_from_one_to_nearly_none():
    share = after.cosine()
    assert len(share) == after.STEPS + 1 and math.isclose(share[0], 1, rel_tol=1e-6) and share[-1] < 1e-3
    assert (share.diff() <= 0).all()


@pytest.mark.parametrize("steps", [1, 5, 9, 40])
def test_descend_takes_each_step(steps):
    torch.manual_seed(0)
    weight = nn.ParameterList([nn.Parameter(torch.tensor(3.0))])
    losses = after.descend(weight, lambda: weight[0].square(), steps, 0.1)
    assert losses.shape == (steps,) and losses[0] == 9 and losses[-1] <= 9


def test_shapes_of_the_nets():
    t = torch.tensor([1, 200])
    assert after.Denoiser(4)(torch.zeros(2, 1, 28, 28), t).shape == (2, 1, 28, 28)
    assert after.Small(3, more=2)(torch.zeros(2, 3), t, torch.zeros(2, 2)).shape == (2, 3)
    assert after.Reader(8)(torch.zeros(2, 6, dtype=torch.long)).shape == (2, 6, after.KEYS)
    assert math.isclose(after.waves(t).square().sum().item(), 8, rel_tol=1e-5)
