"""Gate 6: the mixture of coins against loops, and EM's promise that the likelihood never falls."""

import itertools

import pytest
import torch

from utils.scratch import coins


def pictures(n=40, pixels=6, seed=0):
    return (torch.rand(n, 1, 1, pixels, generator=torch.Generator().manual_seed(seed)) < 0.4).float()


def test_it_is_a_distribution_over_all_pictures():
    torch.manual_seed(0)
    model = coins.fit(pictures(), parts=3)
    every = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6)))
    assert model(every).exp().sum() == pytest.approx(1, abs=1e-4)


def test_one_part_is_a_coin_for_each_pixel():
    x = pictures()
    chances = x.flatten(1).mean(0).double().clamp(0.001, 0.999)
    ink = x.flatten(1).double()
    alone = (ink * chances.log() + (1 - ink) * (1 - chances).log()).sum(1)
    assert torch.allclose(coins.fit(x, parts=1)(x).double(), alone, atol=1e-4)


def test_a_joint_is_share_times_coins():
    x = pictures(3)
    shares, chances = torch.tensor([0.3, 0.7]), torch.tensor([[0.2, 0.5, 0.9, 0.4, 0.6, 0.1]] * 2)
    joint = coins._joint(x.flatten(1), shares, chances)
    for i, k in itertools.product(range(3), range(2)):
        product = shares[k].item()
        for ink, chance in zip(x[i].flatten().tolist(), chances[k].tolist(), strict=True):
            product *= chance if ink else 1 - chance
        assert joint[i, k].exp().item() == pytest.approx(product, rel=1e-5)


def test_more_rounds_never_hurt_on_the_training_pictures(monkeypatch):
    monkeypatch.setattr(coins, "DOUBT", 1e-3)  # with no doubt to speak of, EM climbs the likelihood itself
    x, fits = pictures(80), []
    for rounds in (1, 2, 4, 8):
        torch.manual_seed(1)
        fits.append(coins.fit(x, parts=4, rounds=rounds)(x).mean().item())
    assert all(later >= earlier - 1e-4 for earlier, later in itertools.pairwise(fits))


@pytest.mark.parametrize(("x", "parts"), [(pictures(5), 6), (pictures(5), 0), (pictures(5) / 2, 2)])
def test_what_cannot_be_fitted_is_refused(x, parts):
    with pytest.raises(ValueError, match=r"parts is|neither 0 nor 1"):
        coins.fit(x, parts)
