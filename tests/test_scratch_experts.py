"""Gate 6: what lecture 17 compares its mixtures with."""

import numpy as np
import torch

from utils import data
from utils.scratch import experts, many
from utils.scratch.factorization import FactorizationMachine


def test_the_clouds_have_their_sizes_and_places():
    X, group = experts.clouds(np.random.default_rng(0))
    assert X.shape == (700, 2) and np.bincount(group).tolist() == [200, 200, 200, 100]
    assert np.abs(X[group == 2].mean(0) - [3, 2]).max() < 0.1
    assert np.corrcoef(X[group == 0].T)[0, 1] > 0.9  # long and aslant


def test_judges_find_three_far_groups():
    rng = np.random.default_rng(0)
    X = np.concatenate([at + rng.normal(size=(60, 2)) for at in (0, 20, 40)])
    bic, silhouette = experts.judges(X, most=5, seed=0)
    assert len(bic) == 5 and 1 + bic.argmin() == 3
    assert len(silhouette) == 4 and 2 + silhouette.argmax() == 3


def test_a_race_keeps_the_rate_that_got_further():
    first, target = torch.zeros(4, 3), torch.tensor([1.0, -2.0, 3.0])
    theta, losses = experts.race(
        lambda theta: (theta - target).square().sum(1), first, rates=(1e-6, 0.1), steps=200
    )
    assert theta.shape == (4, 3) and losses.shape == (4,) and losses.max() < 1e-2


def test_additions_look_up_what_they_say():
    taste, cell = torch.tensor([0, 95, 8]), torch.tensor([3, 119, 0])
    table = torch.arange(96.0)[None]
    assert experts.one_table(table, taste, cell).tolist() == [[0, 95, 8]]
    wide = torch.cat([0 * table, torch.arange(960.0)[None]], 1)
    assert experts.crosses(wide, taste, cell).tolist() == [[24, 959, 0]]  # 8 · cell + category
    assert experts.one_network(many.random_start(2, 140, 16, 1), taste, cell).shape == (2, 3)
    gate = experts.network_gate(many.random_start(2, 29, 16, 2))
    assert gate.shape == (2, 120, 2) and torch.allclose(gate.sum(2), torch.ones(2, 120))


def test_an_added_table_finds_the_tastes_that_the_frozen_logits_miss():
    log = data.load("ads", rows=20_000, seed=0)
    machine = FactorizationMachine({"position": log.sizes["position"]})
    parts = [(part, experts.impressions(machine, part)) for part in (log[:14_000], log[14_000:17_000])]
    parts.append(parts[1])
    theta, shares = experts.fit_added(
        experts.one_table, torch.zeros(2, 96), parts, rates=(0.001, 0.05), strengths=(0.0,), steps=60
    )
    before = 100 * parts[1][0].share_of_gap(torch.sigmoid(parts[1][1][0].double()).numpy())
    assert theta.shape == (2, 96) and shares.min() > before + 2
