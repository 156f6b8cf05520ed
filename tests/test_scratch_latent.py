"""Gate 6: what lecture 13's experiments stand on."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from utils.scratch import latent
from utils.scratch.generators import letters


def test_one_part_is_the_gaussian_with_the_codes_mean_and_covariances():
    torch.manual_seed(0)
    codes = torch.randn(500, 3) @ torch.randn(3, 3) + 5
    found = latent.describe(codes, 1)
    shape = np.cov(codes.numpy(), rowvar=False, bias=True) + 1e-3 * np.eye(3)
    exact = multivariate_normal(codes.numpy().mean(0), shape).logpdf(codes.numpy())
    assert np.allclose(found.log_density(codes).numpy(), exact, atol=1e-3)
    assert found.draw(2000).mean(0) == pytest.approx(codes.numpy().mean(0), abs=0.3)


def test_draws_come_from_all_parts_in_random_order():
    torch.manual_seed(0)
    codes = torch.cat([torch.randn(200, 2) - 10, torch.randn(200, 2) + 10])
    right = latent.describe(codes, 2).draw(200)[:, 0] > 0
    assert 60 < right.sum() < 140 and 0 < right[:20].sum() < 20


def test_the_judge_reads_letters_and_not_noise():
    torch.manual_seed(0)
    (x, y), (test, answer) = letters("train", "ABCDEFGHIJ"), letters("test", "ABCDE")
    judge = latent.Judge(x, y, test, steps=150)
    assert (judge.net(test).argmax(1) == answer).float().mean() > 0.9
    legible, covered = judge.rate(test)
    assert legible > 85 and covered == 100
    assert judge.rate(torch.rand(100, 1, 28, 28))[1] < 20
    assert judge.rate(x[y >= 5][:200])[0] < 60  # letters that were not asked for


def test_detectors_by_hand():
    past = torch.tensor([[1.0, 0, 1, 0], [1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0]])  # two columns, two values
    found = latent.detectors(past, axes=1)
    rows = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, 1]])
    assert found["rarity"](rows) == pytest.approx([-2 * np.log(0.75), -2 * np.log(0.25)], abs=1e-6)
    assert found["table of pairs"](rows).tolist() == [0, 1]
    assert found["PCA error"](rows)[1] > found["PCA error"](rows)[0]


def test_pictures_are_drawn():
    torch.manual_seed(0)
    normal, z = torch.distributions.Normal, torch.linspace(-3, 3, 50)
    latent.draw_densities(z, z.abs(), torch.tanh, z, z.abs(), noise=0.5, draws=(-1.0, 1.0))
    latent.draw_gap(normal(1.0, 0.5), lambda m, v: (-((m - 1) ** 2) - 2, v), 0.2, 0.8, -2.0)
    lines = {1: 1.0, 4: 2.0}
    latent.draw_spreads({("apart", "score"): lines, ("coupled", "reparameterized"): lines}, {"score": lines})
    codes = torch.randn(100, 4)
    latent.draw_codes(codes, codes, codes[:20], torch.arange(100) % 3, "ABC")
    latent.draw_surprise({name: np.full(50, 20.0) for name in ("real", "broken join", "dull bot")})
    assert len(plt.get_fignums()) == 5
    plt.close("all")
