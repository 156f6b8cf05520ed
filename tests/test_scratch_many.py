"""Many networks in one table train as each would alone with PyTorch's own layers and Adam."""

import numpy as np
import pytest
import torch
from torch import nn

from utils.scratch import many


def alone(theta, x, y, lr, steps):
    """The same network as `nn.Sequential`, from the same weights, with torch.optim.Adam: its logits."""
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    for layer, (W, b) in zip((net[0], net[2]), many.layers(theta[None], 2, 3, 1), strict=True):
        layer.load_state_dict({"weight": W[0].T, "bias": b[0, 0]})
    adam = torch.optim.Adam(net.parameters(), lr)
    for t in range(1, steps + 1):
        adam.param_groups[0]["lr"] = lr * (1 - 0.98 * t / steps)
        adam.zero_grad()
        ((net(x)[:, 0] - y) ** 2).mean().backward()
        adam.step()
    return net(x)[:, 0].detach()


def network(theta, x):
    (W, b), (v, u) = many.layers(theta, 2, 3, 1)
    return (torch.tanh(x @ W + b) @ v + u)[..., 0]


def test_each_row_trains_as_it_would_alone_at_its_own_rate():
    torch.manual_seed(0)
    x, y, rates = torch.randn(20, 2).double(), torch.randn(20).double(), [0.01, 0.1, 0.3]
    theta = many.random_start(3, 2, 3, 1).double()
    trained = many.train(
        theta,
        lambda t: ((network(t, x) - y) ** 2).mean(1),
        torch.tensor(rates, dtype=torch.float64)[:, None],
        50,
    )
    wanted = torch.stack([alone(row, x, y, lr, 50) for row, lr in zip(theta, rates, strict=True)])
    torch.testing.assert_close(network(trained, x), wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("classes", [2, 3])
def test_fit_learns_and_judges_each_draw_at_each_rate(classes):
    rng = np.random.default_rng(0)
    y = rng.integers(classes, size=(2, 90))
    x = np.stack([y, -y], axis=-1) + 0.1 * rng.normal(size=(2, 90, 2))
    parts = many.split(list(zip(x, y, strict=True)), 50, 70)
    assert [part[0].shape for part in parts] == [(2, 50, 2), (2, 20, 2), (2, 20, 2)]
    outs = 1 if classes == 2 else 3

    def linear(theta, x):
        W, b = many.layers(theta, 2, outs)[0]
        return (x @ W + b)[..., 0] if classes == 2 else x @ W + b

    theta, valid, test = many.fit(parts, (2, outs), linear, rates=[1e-9, 0.3], steps=200)
    assert theta.shape == (4, 3 * outs) and valid.shape == test.shape == (2, 2)
    assert test[1].min() > 0.9 and many.chosen(valid, test).tolist() == test[1].tolist()
