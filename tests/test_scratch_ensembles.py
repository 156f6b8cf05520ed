"""The ensembles of lecture 03: as good as scikit-learn's on real data."""

import numpy as np
import pytest
from sklearn import ensemble as library
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier as LibraryTree

from utils import data
from utils.scratch import ensembles as scratch
from utils.scratch.trees import DecisionTreeClassifier

CANCER, DIGITS = load_breast_cancer(return_X_y=True), load_digits(return_X_y=True)


def mean_scores(ours, theirs, x, y, splits):
    """Mean test score of both over random halves."""
    scores = []
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(len(y))
        fit, judge = order[: len(y) // 2], order[len(y) // 2 :]
        scores.append([model.fit(x[fit], y[fit]).score(x[judge], y[judge]) for model in (ours(), theirs())])
    return np.mean(scores, axis=0)


def hist(rounds, **options):
    """scikit-learn's histogram boosting, set as ours is by default."""
    return library.HistGradientBoostingClassifier(
        max_iter=rounds, max_depth=5, max_leaf_nodes=32, early_stopping=False, **options
    )


@pytest.mark.parametrize(
    "ours, theirs, table, splits, margin",
    [
        (
            lambda: scratch.BaggingClassifier(DecisionTreeClassifier(), 20),
            lambda: library.BaggingClassifier(LibraryTree(), 20, random_state=0),
            CANCER,
            5,
            0.015,
        ),
        (
            lambda: scratch.RandomForestClassifier(30),
            lambda: library.RandomForestClassifier(30, random_state=0),
            CANCER,
            5,
            0.015,
        ),
        (
            lambda: scratch.RandomForestClassifier(20),
            lambda: library.RandomForestClassifier(20, random_state=0),
            DIGITS,
            2,
            0.015,
        ),
        (
            lambda: scratch.AdaBoostClassifier(None, 30),
            lambda: library.AdaBoostClassifier(n_estimators=30, random_state=0),
            CANCER,
            5,
            0.01,
        ),
        (lambda: scratch.GradientBoostingClassifier(60), lambda: hist(60), CANCER, 4, 0.01),
        (lambda: scratch.GradientBoostingClassifier(30), lambda: hist(30), DIGITS, 2, 0.01),
    ],
    ids=["bagging", "forest", "forest, digits", "AdaBoost", "boosting", "boosting, digits"],
)
def test_accuracy_is_near_sklearns(ours, theirs, table, splits, margin):
    mine, reference = mean_scores(ours, theirs, *table, splits)
    assert abs(mine - reference) <= margin


def test_boosting_on_the_ad_log_is_near_sklearns():
    log = data.load("ads", rows=60_000)
    x = np.column_stack([log.features[name] for name in ("user", "ad", "age", "gender", "category", "hour")])
    past, future = log[:40_000], log[40_000:]
    ours = scratch.GradientBoostingClassifier(30).fit(x[:40_000], past.click).predict_proba(x[40_000:])[:, 1]
    theirs = hist(30).fit(x[:40_000], past.click).predict_proba(x[40_000:])[:, 1]
    assert abs(future.share_of_gap(ours) - future.share_of_gap(theirs)) <= 0.01
    assert abs(roc_auc_score(future.click, ours) - roc_auc_score(future.click, theirs)) <= 0.01


def test_gradient_boosting_regression_is_sklearns():
    x, y = load_diabetes(return_X_y=True)
    ours = scratch.GradientBoostingRegressor(50, max_depth=2, min_samples_leaf=1).fit(x[:300], y[:300])
    theirs = library.GradientBoostingRegressor(n_estimators=50, max_depth=2, random_state=0)
    theirs.fit(x[:300], y[:300])
    assert np.corrcoef(ours.predict(x[300:]), theirs.predict(x[300:]))[0, 1] > 0.99
    assert np.isclose(np.mean((y[:300] - ours.predict(x[:300])) ** 2), theirs.train_score_[-1], rtol=0.03)
    assert (np.diff(ours.train_loss_) < 0).all()


def test_stacking_is_sklearns():
    x, y = CANCER
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    machines = [LibraryTree(random_state=0), LogisticRegression()]
    ours, theirs = mean_scores(
        lambda: scratch.StackingClassifier(machines, LogisticRegression()),
        lambda: library.StackingClassifier(list(zip("ab", machines, strict=True)), LogisticRegression()),
        x,
        y,
        5,
    )
    assert abs(ours - theirs) <= 0.015
    assert not hasattr(machines[1], "coef_"), "the machine that was given is copied, never fitted"


def test_the_stack_learns_from_rows_that_its_machines_have_not_seen():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 5)), rng.integers(0, 2, 300)  # nothing to learn, and one who learns by heart
    stack = scratch.StackingClassifier([KNeighborsClassifier(1)], LogisticRegression()).fit(x, y)
    assert abs(stack.final_estimator_.coef_[0, 0]) < 1


def test_a_bag_takes_other_machines_and_a_share_of_the_columns():
    x, y = DIGITS
    bag = scratch.BaggingClassifier(KNeighborsClassifier(3), 10, max_features=0.3).fit(x[:600], y[:600])
    assert {len(columns) for columns, _ in bag.estimators_} == {19}
    assert bag.score(x[600:1200], y[600:1200]) > 0.9


@pytest.mark.parametrize("model", [scratch.RandomForestClassifier(40), scratch.BaggingClassifier(None, 40)])
def test_out_of_bag_accuracy_foretells_the_test(model):
    x, y = CANCER
    model.fit(x[::2], y[::2])
    assert abs(model.oob_score_ - model.score(x[1::2], y[1::2])) < 0.04


def test_a_sample_that_missed_a_class_still_answers_for_all():
    x = np.arange(20.0)[:, None]
    y = np.array(["rare"] + ["often"] * 10 + ["middle"] * 9)
    shares = scratch.BaggingClassifier(n_estimators=5).fit(x, y).predict_proba(x)
    assert shares.shape == (20, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_adaboost_stops_at_a_perfect_machine_and_refuses_a_useless_one():
    x, y = np.arange(8.0)[:, None], np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert len(scratch.AdaBoostClassifier().fit(x, y).estimators_) == 1
    with pytest.raises(ValueError, match="no better than chance"):
        scratch.AdaBoostClassifier().fit(np.ones((8, 1)), y)


@pytest.mark.parametrize(
    "make",
    [
        lambda: scratch.BaggingClassifier(None, 3),
        lambda: scratch.RandomForestClassifier(3),
    ],
)
def test_the_same_seed_gives_the_same_ensemble(make):
    x, y = CANCER
    np.testing.assert_array_equal(make().fit(x, y).predict_proba(x), make().fit(x, y).predict_proba(x))


MODELS = {
    "bagging": scratch.BaggingClassifier,
    "forest": scratch.RandomForestClassifier,
    "AdaBoost": scratch.AdaBoostClassifier,
    "boosting": scratch.GradientBoostingClassifier,
    "stacking": lambda: scratch.StackingClassifier([DecisionTreeClassifier()], cv=2),
}
X, Y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_errors_say_what_to_do(make):
    with pytest.raises(ValueError, match="not fitted yet; call fit"):
        make().predict(X)
    with pytest.raises(ValueError, match=r"use X\[:, None\]"):
        make().fit(X[:, 0], Y)
    with pytest.raises(ValueError, match="one target for each of the 60 rows"):
        make().fit(X, Y[:2])
    with pytest.raises(ValueError, match="X holds nan or infinity"):
        make().fit(np.where(X > 1, np.nan, X), Y)
    with pytest.raises(ValueError, match="one class only"):
        make().fit(X, np.zeros(60, dtype=int))
    fitted = make().fit(X, Y)
    with pytest.raises(ValueError, match=r"fitted on \(rows, 2\)"):
        fitted.predict(X[:, :1])
    with pytest.raises(ValueError, match="never seen in fit"):
        fitted.score(X, Y + 5)


@pytest.mark.parametrize(
    "model, message",
    [
        (scratch.BaggingClassifier(n_estimators=0), "n_estimators is 0; expected a whole number from 1"),
        (scratch.BaggingClassifier(max_features=2.0), r"expected a share of the columns in \(0, 1\]"),
        (scratch.RandomForestClassifier(max_features=9), "max_features is 9; expected 1 to 2"),
        (scratch.GradientBoostingClassifier(learning_rate=0), "learning_rate is 0"),
        (scratch.StackingClassifier([DecisionTreeClassifier()], cv=99), "cv is 99; expected 2 to 30"),
        (scratch.StackingClassifier([]), "n_estimators is 0|at least one machine"),
    ],
)
def test_bad_options_are_named(model, message):
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y)
