"""The parts of lecture 19's ad ranker, against plain loops and known cases."""

from copy import copy

import numpy as np
import pytest
import torch
from scipy.special import expit

from utils import data
from utils.scratch import ranking
from utils.scratch.factorization import FactorizationMachine

log = data.load("ads", rows=4000, seed=5)


def test_boosting_numbers_each_cell_of_a_cross_on_its_own():
    cells = ranking.Boosting([("device", "category")]).cells(log)
    assert cells.shape == (len(log), 4)
    assert (cells[:, 3] == 8 * log.features["device"] + log.features["category"]).all()


@pytest.mark.parametrize(
    "model",
    [
        ranking.Logistic(ranking.IDS),
        ranking.Boosting(ranking.PAIRS, trees=5),
        ranking.Network(ranking.Mixture, epochs=3, crosses=ranking.CROSSES),
    ],
    ids=["logistic", "boosting", "mixture"],
)
def test_each_model_gives_probabilities_and_counts_its_numbers(model):
    p = model.fit(log).probability(log)
    assert p.shape == (len(log),) and (p > 0).all() and (p < 1).all()
    assert model.parameters > 0
    assert (model.fit(log).probability(log) == p).all()  # the same each time


def test_the_mixture_adds_the_weighed_tables_to_the_machine():
    torch.manual_seed(1)
    model = ranking.Mixture(ranking.SIZES)
    x = model.ids(log[:20].features)
    row = dict(zip(ranking.SIZES, x[3].tolist(), strict=True))
    gate = (3 * model.gate[24 * row["site"] + row["hour"]]).softmax(0)
    table = 3 * model.experts[8 * (2 * row["age"] + row["gender"]) + row["category"]]
    by_hand = FactorizationMachine.forward(model, x)[3] + gate[0] * table[0] + gate[1] * table[1]
    assert model(x)[3].item() == pytest.approx(by_hand.item(), abs=1e-5)


@pytest.fixture(scope="module")
def newcomers():
    torch.manual_seed(2)
    machine = FactorizationMachine(ranking.SIZES)
    torch.nn.init.normal_(machine.weights.weight, std=0.3)
    R, A, world = 30, 50, data.ad_world()
    visits = {name: np.repeat(column[:R], A) for name, column in log.features.items()}
    visits["ad"] = np.tile(np.arange(A), R)
    visits["category"] = world.category[visits["ad"]]
    truth = world.probability(visits).reshape(R, A)
    return ranking.Newcomers(machine, visits, truth, np.ones((R, A)))


def test_the_logit_is_rest_and_nine_numbers(newcomers):
    ad = 7
    others = newcomers.rest[:, ad] + newcomers.known[ad, 0] + newcomers.z[:, ad, 1:] @ newcomers.known[ad, 1:]
    assert others == pytest.approx(newcomers.whole[:, ad], abs=1e-5)


def test_newcomers_that_are_as_the_average_known_ad_cost_nothing(newcomers):
    new, like = np.array([3, 7]), copy(newcomers)
    like.known = newcomers.known.copy()
    like.known[new] = np.delete(newcomers.known, new, axis=0).mean(0)
    like.whole = like.rest + (like.z * like.known).sum(2)
    assert (like.serve(new, np.random.default_rng(0), batches=1, size=40) == 0).all()  # nothing learned yet
    half = np.arange(1, 50, 2)
    assert (newcomers.serve(half, np.random.default_rng(0), batches=1, size=40) != 0).any()


def test_all_policies_meet_the_same_visitors(newcomers):
    new = np.array([3, 7])
    a, b = (newcomers.serve(new, np.random.default_rng(4), batches=2, size=40) for _ in range(2))
    assert (a == b).all()
    tiny = newcomers.serve(new, np.random.default_rng(4), batches=2, size=40, draws=1e-12)
    assert a == pytest.approx(tiny)  # a draw of no width is the mean, on the same visits


def test_a_newcomer_comes_by_lot_as_often_as_asked(newcomers):
    seen, plain, new = [], newcomers.posterior, np.array([3, 7])
    spy = copy(newcomers)
    spy.posterior = lambda *args: (seen.append(args[4]), plain(*args))[1]
    spy.serve(new, np.random.default_rng(4), batches=2, size=1000, chance=1.0)
    assert np.isin(seen, new).all() and 0.45 < (np.array(seen) == 3).mean() < 0.55


def test_the_posterior_is_the_top_of_prior_times_likelihood(newcomers):
    rng, new = np.random.default_rng(0), np.array([3, 7])
    i, ad = rng.integers(30, size=60), rng.choice(new, 60)
    click = rng.random(60) < 0.3
    mean, precision = np.zeros((2, 9)), np.tile(np.eye(9), (2, 1, 1))
    m, H = newcomers.posterior(mean, precision, new, i, ad, click, steps=20)
    rows = ad == 7
    x = newcomers.z[i[rows], 7]
    q = expit(newcomers.rest[i[rows], 7] + x @ m[1])
    assert x.T @ (click[rows] - q) - m[1] == pytest.approx(np.zeros(9), abs=1e-8)  # the slope is 0
    assert H[1] == pytest.approx(np.eye(9) + (x.T * q * (1 - q)) @ x)


def test_a_trial_counts_every_visit_once_and_keeps_users_in_their_arm():
    rng = np.random.default_rng(0)
    user, truth = np.array([0, 1, 2, 2]), np.zeros((4, 2))
    truth[:, 1] = 1.0  # ad 1 is always clicked, ad 0 never
    arm, sums = ranking.trial(
        np.zeros(4, int),
        np.ones(4, int),
        user,
        truth,
        np.tile([5.0, 2.0], (4, 1)),
        tests=6,
        days=3,
        visits=50,
        rng=rng,
    )
    assert arm.shape == (6, 3) and sums.shape == (3, 3, 6, 3)
    assert (sums[:, 0].sum(2) == 50 * np.arange(1, 4)[:, None]).all()
    assert (sums[-1, 1] == 2 * sums[-1, 0] * arm).all()
    assert (sums[-1, 2] == 4 * sums[-1, 0] * arm).all()


def test_monitors_are_quiet_when_nothing_changes_and_see_a_stuck_column():
    live = data.load("ads", rows=20_000, seed=6)
    late = live.features["day"] >= 7

    class Truth:
        def probability(self, log):
            return log.truth

    quiet = ranking.monitors(Truth(), live, log, {}, live.click)
    assert quiet.shape == (4, 28)
    assert quiet[:, :14].mean(1) == pytest.approx(np.zeros(4), abs=1e-9)
    stuck = {"device": np.where(late, 0, live.features["device"])}
    assert ranking.monitors(Truth(), live, log, stuck, live.click)[3, 14] > 20


def test_z_by_hand():
    # two users an arm, two visits each: incomes 4 and 0, and 6 and 2
    arm = np.array([[False, False, True, True]])
    sums = np.array([[[[2.0, 2, 2, 2]], [[4.0, 0, 6, 2]], [[0.0, 0, 0, 0]]]])

    def by_user(n, income, squares):
        m = income.sum(1) / n.sum(1)
        return m, ((income - m[:, None] * n) ** 2).sum(1) / n.sum(1) ** 2

    assert ranking.z_scores(arm, sums, by_user)[0, 0] == pytest.approx((2 - 1) / np.sqrt(8 / 16 + 8 / 16))
