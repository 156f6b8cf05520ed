"""Gate 6: the cliff's chances add up, and learners side by side are the plain loops of lecture 16."""

import numpy as np
import pytest

from utils.scratch import cliff

WORLD = cliff.World(slip=0.2)
UNIFORM = np.full((cliff.S, 4), 0.25)


@pytest.mark.parametrize("slip", [0.0, 0.2, 1.0])
def test_chances_add_up_to_one_until_the_end(slip):
    total = cliff.World(slip).P.sum(2)
    assert np.allclose(total[~cliff.END], 1)
    assert (total[cliff.END] == 0).all()


def test_a_step_goes_where_it_says_on_firm_ground():
    P, R = cliff.World().P, cliff.World().R
    assert P[cliff.START, cliff.UP, cliff.START - cliff.COLUMNS] == 1
    assert P[cliff.START, cliff.LEFT, cliff.START] == 1
    assert P[cliff.START, cliff.RIGHT, cliff.PITS[0]] == 1
    assert R[cliff.START, cliff.RIGHT] == -1 - cliff.FALL
    assert cliff.World(slip=1.0).P[cliff.START, cliff.UP, cliff.PITS[0]] == 0.5


def test_worth_is_the_mean_of_many_walks():
    values = WORLD.worth(UNIFORM)
    rng, starts, totals = np.random.default_rng(0), np.zeros(0, int), np.zeros(20_000)
    for t, (walk, _, s, _, r, _) in enumerate(cliff.walks(WORLD, UNIFORM[None], 20_000, rng, longest=400)):
        starts = s if t == 0 else starts
        totals[walk] += cliff.GAMMA**t * r
    assert abs(totals.mean() - values[starts].mean()) < 4 * totals.std() / 20_000**0.5


def test_the_best_policy_beats_others_everywhere():
    Q = WORLD.best()
    V = WORLD.worth(cliff.greedy(Q))
    assert np.allclose(V, Q.max(1))
    rng = np.random.default_rng(0)
    for policy in (cliff.softmax(rng.normal(size=(cliff.S, 4))) for _ in range(20)):
        assert (WORLD.worth(policy) <= V + 1e-9).all()


def test_many_policies_at_once_are_worth_what_each_is_alone():
    policies = cliff.softmax(np.random.default_rng(0).normal(size=(3, cliff.S, 4)))
    assert np.allclose(WORLD.worth(policies), [WORLD.worth(policy) for policy in policies])


def test_gradients_of_walks_point_where_the_value_rises():
    """The mean of many gradients is the slope of the mean value of a random start, found by nudging."""
    rng, logits = np.random.default_rng(0), np.zeros((cliff.S, 4))
    policy = cliff.softmax(logits)
    grads = cliff.gradients(WORLD, policy, WORLD.worth(policy), 40_000, rng)
    mean, error = grads.mean(0), grads.std(0) / len(grads) ** 0.5
    for s, a in [(0, 1), (15, 0), (20, 2)]:
        values = []
        for nudge in (1e-4, -1e-4):
            moved = logits.copy()
            moved[s, a] += nudge
            values.append(WORLD.worth(cliff.softmax(moved))[~cliff.END].mean())
        slope = (values[0] - values[1]) / 2e-4
        assert abs(mean[s, a] - slope) < 5 * error[s, a] + 0.01 * abs(slope)


def test_without_steps_nothing_is_learned_and_with_many_the_truth():
    rng = np.random.default_rng(0)
    assert (cliff.by_steps([WORLD], [False], learners=2, steps=0, rng=rng) == 0).all()
    Q = cliff.by_steps([cliff.World()], [False], learners=4, steps=8000, rng=rng)[0]
    assert np.allclose(Q[:, cliff.START].max(1), cliff.World().best()[cliff.START].max(), atol=0.3)


def test_climbing_gets_better_with_a_critic():
    start = WORLD.worth(UNIFORM)[cliff.START]
    end = cliff.climb(WORLD, ["exact", "critic"], [0.5], runs=2, updates=30, rng=np.random.default_rng(0))
    assert end.shape == (2, 1, 2)
    assert (end > start + 10).all()
