"""Fine-tuning learns, and what is frozen stays as it was."""

import numpy as np
import pytest
import torch
from torch import nn

from utils.scratch import many, pretraining


def test_waves_stand_at_right_angles():
    waves = pretraining.waves()
    assert waves.shape == (8, 64)
    products = waves @ waves.T
    assert torch.allclose(products, products.diag().diag(), atol=1e-4)


def test_the_first_of_each_class_keep_their_order():
    y = torch.tensor([0, 1, 0, 1, 0, 1])
    rows = torch.tensor([[5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5]])
    assert pretraining.first_of_each(rows, y, 2).tolist() == [[4, 2, 5, 3], [0, 2, 1, 3]]


def test_fine_tuning_separates_what_can_be_separated():
    torch.manual_seed(0)
    y = torch.arange(200) % 2
    x = torch.randn(200, 4) + 3 * y[:, None]
    starts = [[[(gain * torch.randn(4, 8), torch.zeros(8))] for _ in range(3)] for gain in (0.1, 1)]
    parts = [
        torch.arange(200).reshape(1, -1).repeat(3, 1)[:, part]
        for part in (slice(60), slice(60, 120), slice(120, 200))
    ]
    accuracies = pretraining.fine_tune(starts, x, y, parts, steps=200, seed=0)
    assert [a.shape for a in accuracies] == [(2, 3), (2, 3)]
    assert np.min(accuracies) > 95
    assert np.min(pretraining.regression(x, y, parts)) > 95


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_layers_leave_a_dead_body_dead(frozen):
    """From hidden layers of zeros only the biases of the scores can learn, unless the layers may move."""
    torch.manual_seed(0)
    y = torch.arange(100) % 2
    x = torch.randn(100, 4) + 3 * y[:, None]
    theta = many.random_start(2, 4, 8, 2)
    if frozen:
        theta[:, :40] = 0
    few = torch.arange(50).repeat(2, 1)
    halves = [(0.0, 1.0)] * 2 if frozen else [(1.0, 1.0)] * 2
    (right,) = pretraining.adapt(theta, halves, few, [(x, y), (x, y)], (4, 8, 2), [0.01], steps=100, seed=0)
    assert right.shape == (1, 2)
    assert (right == 50).all() if frozen else (right > 95).all()


def test_scores_are_those_of_torch():
    net = nn.Sequential(nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, 2))
    row = torch.cat([part.flatten() for i in (0, 2) for part in (net[i].bias, net[i].weight.T)])
    x = torch.randn(5, 4)
    assert torch.allclose(pretraining.scores(row[None], x, (4, 3, 2), torch.sigmoid)[0], net(x), atol=1e-6)
