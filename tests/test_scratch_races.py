"""What lecture 02 races on: the nets learn, see only what is before a word, and the auctions count right."""

import numpy as np
import pytest
import torch

from utils.scratch import races


def test_the_transformer_does_not_see_what_comes_after():
    torch.manual_seed(0)
    net, tokens = races.Transformer(), torch.randint(races.WORDS, (3, races.WINDOW))
    changed = tokens.clone()
    changed[:, 5:] = 7
    assert torch.allclose(net(tokens)[..., :5], net(changed)[..., :5], atol=1e-6)
    assert not torch.allclose(net(tokens)[..., 5:], net(changed)[..., 5:], atol=1e-3)


@pytest.mark.parametrize("name", ["convolutional net", "Transformer"])
def test_a_race_learns_and_is_the_same_twice(name):
    problem = races.problem(name, seed=0)
    price, right = races.race(*problem, torch.optim.Adam, 0.02, steps=40, seed=0)
    again, _ = races.race(*problem, torch.optim.Adam, 0.02, steps=40, seed=0)
    untrained, _ = races.race(*problem, torch.optim.Adam, 1e-9, steps=1, seed=0)
    assert price.shape == right.shape == problem[2][1].shape
    assert price.mean() < untrained.mean() - 0.3
    assert np.array_equal(price, again)


def test_auctions_against_a_plain_loop():
    rng = np.random.default_rng(0)
    value, usual = np.exp(rng.normal(0, 0.5, (2, 5)))
    day, bids = races.Auctions(value, usual, rng, views=300), 2 * value
    gain, paid, budget = 0.0, 0.0, 0.1 * day.rival.sum()
    for site, rival in zip(day.site, day.rival, strict=True):
        if bids[site] > rival:
            paid += rival
            gain += value[site] - rival if paid <= budget else 0
    assert paid > budget  # so that the budget matters
    assert day.gain(bids) == pytest.approx(gain / 300)
    assert day.gain(np.zeros(5)) == 0
    assert day.gain(bids) == day.gain(bids * (1 + 1e-9))  # flat
