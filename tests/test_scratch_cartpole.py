"""Gate 6: our CartPole is gymnasium's, and nets side by side learn as one alone does."""

import gymnasium as gym
import numpy as np
import torch

from utils.scratch import cartpole, many


def test_a_step_is_gymnasiums():
    env, rng = gym.make("CartPole-v1").unwrapped, np.random.default_rng(0)
    for seed in range(50):
        env.reset(seed=seed)
        state, fallen = np.array(env.state, dtype=float)[None], False
        while not fallen:
            a = int(rng.integers(2))
            _, _, fallen, _, _ = env.step(a)
            state, ours = cartpole.move(state, np.array([a]))
            assert np.abs(state[0] - env.state).max() < 1e-12
            assert ours[0] == fallen


def test_carts_start_anew_after_a_fall_and_after_the_last_step():
    poles = cartpole.Poles(3, np.random.default_rng(0))
    poles.s[0, 2] = 0.3  # about to fall
    poles.age[1] = cartpole.LIMIT - 1
    after, fallen, over = poles.step(np.zeros(3, int))
    assert fallen.tolist() == [True, False, False]
    assert over.tolist() == [True, True, False]
    assert np.abs(poles.s[:2]).max() <= 0.05
    assert (poles.s[2] == after[2]).all()
    assert poles.age.tolist() == [0, 0, 1]


def test_a_row_of_weights_is_a_net_of_torchs():
    torch.manual_seed(0)
    nets = cartpole.Nets(3, (4, 8, 8, 2))
    x = torch.randn(3, 5, 4)
    for k in range(3):
        layers = many.layers(nets.theta[k : k + 1], 4, 8, 8, 2)
        h = x[k] / nets.scale
        for i, (W, b) in enumerate(layers):
            h = (h.relu() if i else h) @ W[0] + b[0]
        assert torch.allclose(nets(x)[k], h, atol=1e-5)


def test_adam_is_torchs_with_a_rate_for_each_net():
    torch.manual_seed(0)
    nets, x = cartpole.Nets(2, (4, 6, 1)), torch.randn(2, 9, 4)
    start = nets.theta.detach().clone()
    ours = cartpole.Adam(nets, [0.1, 0.01])
    for _ in range(5):
        ours.step((nets(x) ** 2).sum())
    for k, rate in enumerate((0.1, 0.01)):
        alone = cartpole.Nets(1, (4, 6, 1))
        alone.theta.data = start[k : k + 1].clone()
        adam = torch.optim.Adam(alone.parameters(), lr=rate)
        for _ in range(5):
            adam.zero_grad()
            (alone(x[k : k + 1]) ** 2).sum().backward()
            adam.step()
        assert torch.allclose(nets.theta[k], alone.theta[0], atol=1e-5)


def test_points_are_the_length_of_gymnasiums_episodes():
    torch.manual_seed(0)
    nets = cartpole.Nets(2, (4, 8, 2))
    env = gym.make("CartPole-v1").unwrapped
    starts = np.random.default_rng(1000).uniform(-0.05, 0.05, (3, 4))
    lengths = np.zeros((2, 3))
    for k in range(2):
        for i, start in enumerate(starts):
            env.reset()
            env.state, s = tuple(start), start
            for _ in range(cartpole.LIMIT):
                a = nets.best(np.tile(s, (2, 1)))[k]
                _, _, fallen, _, _ = env.step(int(a))
                s = np.array(env.state)
                lengths[k, i] += 1
                if fallen:
                    break
    assert np.allclose(cartpole.points(nets, carts=3), lengths.mean(1))
