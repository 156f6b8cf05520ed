"""KL-UCB followed by Newton's method: the root that a root finder finds, and the policy of the definition."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import rel_entr

from utils.scratch import bandits


def by_root(clicks, shown, t):
    """One ad's index, with a root finder."""
    p = clicks / shown

    def excess(q):
        return shown * (rel_entr(p, q) + rel_entr(1 - p, 1 - q)) - np.log(t)

    return brentq(excess, max(p, 1e-15), 1 - 1e-15, xtol=1e-14)


@pytest.mark.parametrize("t", [2, 100, 60_000])
def test_the_index_is_the_root(t):
    rng = np.random.default_rng(0)
    shown = rng.integers(1, 3000, 100).astype(float)
    clicks = np.floor(shown * rng.uniform(0, 0.3, 100))  # some have none
    expected = [by_root(*ad, t) for ad in zip(clicks, shown, strict=True)]
    assert np.allclose(bandits.index(clicks, shown, t), expected, atol=1e-7)


def test_edges_give_no_warning():
    clicks, shown = np.array([0.0, 3.0, 0.0]), np.array([0.0, 3.0, 40.0])
    with np.errstate(all="raise"):
        index = bandits.index(clicks, shown, 1000)
    assert index[0] == 1  # never shown
    assert index[1] == pytest.approx(1)  # nothing but clicks
    assert index[2] == pytest.approx(1 - 1000 ** (-1 / 40), abs=1e-6)  # by hand, where no click was seen


def test_the_policy_follows_the_index_from_round_to_round():
    rng, policy = np.random.default_rng(1), bandits.kl_ucb()
    rate, counts = np.array([0.02, 0.08, 0.05]), np.zeros((3, 4, 3))
    each = np.arange(4)
    for t in range(1500):
        ad = policy(t, counts, rng)
        if t < 3:
            assert (counts[0, each, ad] == 0).all()  # each ad is shown once first
        elif t > 200:
            index = bandits.index(counts[1], counts[0], t + 1)
            assert (index[each, ad] >= index.max(1) - 1e-3).all()
        counts[0, each, ad] += 1
        counts[1, each, ad] += rng.random(4) < rate[ad]
    assert counts[0].sum() == 4 * 1500
