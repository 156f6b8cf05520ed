"""utils.scratch.games: turns against plain gradient steps, the ring against what is known of it."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from utils.scratch import games

MINIMAX = (lambda real, fake: F.softplus(-real) + F.softplus(fake), lambda fake: -F.softplus(fake))


def little_game():
    torch.manual_seed(3)
    G, D = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    points, noise = torch.randn(16, 2) + 1, torch.randn(16, 2)
    return (G, D), lambda _: G(noise), lambda x, _: D(x), lambda: (points, points)


def test_first_turn_is_adams_first_step_by_the_signs_of_the_gradients():
    """Adam's first step is the rate times the gradient's sign: D by its own loss, G against the new D."""
    (G, D), make, score, real = little_game()
    g, d = copy.deepcopy(G), copy.deepcopy(D)
    noise_to = make(None).detach()
    games.play((G, D), make, score, real, MINIMAX, steps=1, lr=0.01)

    x, _ = real()
    cost = MINIMAX[0](d(x), d(noise_to)).mean()
    for weight, slope in zip(d.parameters(), torch.autograd.grad(cost, list(d.parameters())), strict=True):
        weight.data -= 0.01 * slope.sign()
    for ours, theirs in zip(D.parameters(), d.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
    torch.manual_seed(3)
    nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    torch.randn(16, 2)
    noise = torch.randn(16, 2)
    cost = MINIMAX[1](d(g(noise))).mean()
    for weight, slope in zip(g.parameters(), torch.autograd.grad(cost, list(g.parameters())), strict=True):
        weight.data -= 0.01 * slope.sign()
    for ours, theirs in zip(G.parameters(), g.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_discriminator_takes_its_steps_ahead_and_the_extra_cost_is_asked_each_time():
    nets, make, score, real = little_game()
    asked = []

    def extra(score, x, fake, y):
        asked.append(fake.requires_grad)
        return score(x, y).square().mean()

    games.play(nets, make, score, real, MINIMAX, steps=3, ahead=4, extra=extra)
    assert asked == [False] * 12  # the generator stands still


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 2, "ahead": 0}])
def test_no_turns_are_refused(wrong):
    nets, make, score, real = little_game()
    with pytest.raises(ValueError, match="expected 1 or more"):
        games.play(nets, make, score, real, MINIMAX, **wrong)


def test_nets_side_by_side_are_each_its_own_net():
    torch.manual_seed(1)
    nets, x = games.Nets(3, 2, 8, 1), torch.randn(3, 5, 2)
    hidden = F.leaky_relu(x[1] @ nets.W[0][1] + nets.b[0][1], 0.2)
    assert torch.allclose(nets(x)[1], hidden @ nets.W[1][1] + nets.b[1][1], atol=1e-6)


def test_real_points_are_good_as_two_spreads_say_and_all_clusters_are_found():
    torch.manual_seed(0)
    found, good = games.found_and_good(games.ring(4, 5000))
    assert (found == 6).all()
    assert np.allclose(good, 1 - math.exp(-2), atol=0.02)


def test_rivals_that_know_nothing_find_nothing():
    torch.manual_seed(0)
    rivals = games.know_nothing(4, 5000)
    assert rivals["uniform disc"].norm(dim=-1).max() <= 2.5
    assert torch.allclose(rivals["plain circle"].norm(dim=-1), torch.tensor(2.0), atol=1e-5)
    for points in rivals.values():
        assert (games.found_and_good(points)[0] == 0).all()


def test_a_cluster_needs_half_of_its_share():
    points = torch.full((1, 1200, 2), 50.0)
    points[0, :100] = games.middles()[2]
    points[0, 100:199] = games.middles()[4]
    found, good = games.found_and_good(points)
    assert found.tolist() == [1]
    assert good[0] == pytest.approx(199 / 1200)


def test_each_pair_of_losses_has_its_own_nets():
    """Trained beside another loss, five nets meet their own loss only."""
    real, fake = torch.randn(10, 4, 1), torch.randn(10, 4, 1)
    other = (lambda real, fake: real, lambda fake: 2 * fake)
    beat, fool = games.side_by_side([MINIMAX, other])
    assert torch.equal(beat(real, fake)[:5], MINIMAX[0](real[:5], fake[:5]))
    assert torch.equal(beat(real, fake)[5:], real[5:])
    assert torch.equal(fool(fake)[5:], 2 * fake[5:])


def test_ring_is_drawn_by_five_generators_for_each_loss_and_again_the_same():
    a, b = (games.play_ring({"one": MINIMAX, "two": MINIMAX}, steps=2, seed=5) for _ in range(2))
    assert list(a) == ["one", "two"]
    assert a["one"].shape == (5, 1000, 2)
    assert torch.equal(a["two"], b["two"])


def test_js_is_the_games_value_and_saturates_at_log_2():
    shifts = np.array([0.0, 1.0, 12.0])
    found = games.js(shifts)
    assert found[0] == pytest.approx(0, abs=1e-12)
    assert found[2] == pytest.approx(math.log(2), abs=1e-6)
    torch.manual_seed(0)
    x = torch.randn(400_000).double()
    for d, sign in ((1.0, 1), (-1.0, -1)):  # of draws: E_p log 2p/(p + q); the same by symmetry
        logit = d * d / 2 - sign * x
        assert (math.log(2) - F.softplus(-logit)).mean().item() == pytest.approx(found[1], abs=0.002)


def test_draws_of_bells_have_the_density():
    torch.manual_seed(0)
    bells = [(0.3, -2.0, 0.5), (0.7, 1.0, 1.0)]
    x = games.draws(200_000, bells).numpy()
    grid = np.linspace(-4, 4, 33)
    heights, _ = np.histogram(x, grid, density=False)
    expected = games.density((grid[1:] + grid[:-1]) / 2, bells) * (grid[1] - grid[0])
    assert np.allclose(heights / len(x), expected, atol=0.004)
