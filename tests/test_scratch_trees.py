"""The trees of lecture 03: as good as scikit-learn's on real data, and the same where both must agree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn import tree as library
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.metrics import roc_auc_score

from utils import data
from utils.scratch import trees
from utils.scratch.trees import DecisionTreeClassifier, DecisionTreeRegressor

small = st.integers(-3, 3).map(float)


def halves(n, seed):
    order = np.random.default_rng(seed).permutation(n)
    return order[: n // 2], order[n // 2 :]


def mean_scores(ours, theirs, x, y, splits):
    """Mean test score of both over random halves: a single tree's score wanders by two points a split."""
    scores = []
    for seed in range(splits):
        fit, judge = halves(len(y), seed)
        for model in (ours(seed), theirs(seed)):
            scores.append(model.fit(x[fit], y[fit]).score(x[judge], y[judge]))
    return np.mean(scores[::2]), np.mean(scores[1::2])


@pytest.mark.parametrize("load, splits", [(load_breast_cancer, 20), (load_digits, 6)])
def test_accuracy_is_within_a_point_of_sklearns(load, splits):
    x, y = load(return_X_y=True)
    ours, theirs = mean_scores(
        lambda seed: DecisionTreeClassifier(),
        lambda seed: library.DecisionTreeClassifier(random_state=seed),
        x,
        y,
        splits,
    )
    assert abs(ours - theirs) <= 0.01


def test_auc_on_the_ad_log_is_within_a_point_of_sklearns():
    log = data.load("ads", rows=60_000)
    x = np.column_stack(list(log.features.values()))
    fit, judge = slice(0, 40_000), slice(40_000, None)
    auc = []
    for model in (DecisionTreeClassifier, library.DecisionTreeClassifier):
        fitted = model(max_depth=6, min_samples_leaf=100).fit(x[fit], log.click[fit])
        auc.append(roc_auc_score(log.click[judge], fitted.predict_proba(x[judge])[:, 1]))
    assert abs(auc[0] - auc[1]) <= 0.01


@pytest.mark.parametrize("depth", [1, 3, None])
def test_a_regression_tree_without_ties_is_sklearns(depth):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 3)), rng.normal(size=200)
    ours = DecisionTreeRegressor(max_depth=depth, min_samples_leaf=4).fit(x, y)
    theirs = library.DecisionTreeRegressor(max_depth=depth, min_samples_leaf=4).fit(x, y)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), atol=1e-9)


def test_diabetes_is_explained_as_by_sklearn():
    x, y = load_diabetes(return_X_y=True)
    ours, theirs = mean_scores(
        lambda seed: DecisionTreeRegressor(max_depth=3),
        lambda seed: library.DecisionTreeRegressor(max_depth=3, random_state=seed),
        x,
        y,
        20,
    )
    assert abs(ours - theirs) <= 0.01


def test_weights_are_repetitions():
    x, y = load_breast_cancer(return_X_y=True)
    times = np.random.default_rng(1).integers(0, 4, len(y))
    some = times > 0  # a row of weight 0 still counts as a row, so leave it out
    weighted = DecisionTreeClassifier(max_depth=4).fit(x[some], y[some], sample_weight=times[some])
    repeated = DecisionTreeClassifier(max_depth=4).fit(x.repeat(times, axis=0), y.repeat(times))
    if [len(e) for e in weighted.edges_] == [len(e) for e in repeated.edges_]:
        np.testing.assert_allclose(weighted.predict_proba(x), repeated.predict_proba(x))
    theirs = library.DecisionTreeClassifier(max_depth=4, random_state=0)
    theirs.fit(x[some], y[some], sample_weight=times[some])
    assert (weighted.predict(x) == theirs.predict(x)).mean() > 0.97


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 3), st.integers(1, 8))
@settings(deadline=None, max_examples=40)
def test_a_leaf_answers_with_the_mean_of_its_rows(seed, n, d, least):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 5, (n, d)).astype(float), rng.normal(size=n)
    model = DecisionTreeRegressor(min_samples_leaf=least).fit(x, y)
    leaf = model.tree_.apply(trees.to_bins(x, model.edges_))
    for each in np.unique(leaf):
        rows = leaf == each
        assert rows.sum() >= min(least, n)
        np.testing.assert_allclose(model.predict(x)[rows], y[rows].mean(), atol=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
@settings(deadline=None, max_examples=40)
def test_a_stump_is_the_best_of_all_cuts(seed, n):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6, (n, 2)).astype(float), rng.normal(size=n)
    errors = [n * y.var()]
    for column in x.T:
        for cut in np.unique(column)[:-1]:
            sides = y[column <= cut], y[column > cut]
            errors.append(sum(len(side) * side.var() for side in sides))
    residual = y - DecisionTreeRegressor(max_depth=1).fit(x, y).predict(x)
    assert residual @ residual <= min(errors) + 1e-9


def test_few_histograms_at_a_time_give_the_same_tree(monkeypatch):
    x, y = load_digits(return_X_y=True)
    at_once = DecisionTreeClassifier().fit(x, y).tree_
    monkeypatch.setattr(trees, "ROOM", 2**16)
    monkeypatch.setattr(trees, "BLOCK", 100)
    in_parts = DecisionTreeClassifier().fit(x, y).tree_
    np.testing.assert_array_equal(at_once.feature, in_parts.feature)
    np.testing.assert_allclose(at_once.value, in_parts.value)


def test_growth_says_where_each_row_ended():
    x, y = load_breast_cancer(return_X_y=True)
    bins = trees.to_bins(x, trees.bin_edges(x))
    tree, leaf = trees.grow(bins, y[:, None] - 0.5, np.ones(len(y)), max_depth=4)
    np.testing.assert_array_equal(leaf, tree.apply(bins))
    assert tree.depth == 4


def test_bins_keep_the_order_and_the_distinct_values():
    x = np.array([[3.0, 1e9], [1.0, -1e9], [3.0, 0.0], [2.0, 0.5]])
    np.testing.assert_array_equal(trees.to_bins(x, trees.bin_edges(x)), [[2, 3], [0, 0], [2, 1], [1, 2]])
    many = np.random.default_rng(0).normal(size=(5000, 1))
    bins = trees.to_bins(many, trees.bin_edges(many))[:, 0]
    assert bins.max() == 254 and np.bincount(bins).min() > 10
    assert (np.diff(bins[many[:, 0].argsort()].astype(int)) >= 0).all()


@pytest.mark.parametrize("y", [[0, 0, 0], [1, 2, 1]])
def test_constant_columns_make_one_leaf(y):
    model = DecisionTreeClassifier().fit(np.ones((3, 2)), y)
    assert model.tree_.depth == 0 and (model.predict(np.zeros((2, 2))) == y[0]).all()


MODELS = [DecisionTreeClassifier, DecisionTreeRegressor]
X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 1, 0])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "x, y, message",
    [
        (X[:, 0], Y, r"use X\[:, None\]"),
        (X, Y[:2], "one target for each of the 6 rows"),
        (np.where(X == 3, np.nan, X), Y, "X holds nan or infinity; fill or drop"),
        (X, np.where(Y == 1, np.inf, 0), "y holds nan or infinity; drop"),
        (X[:0], Y[:0], "at least one row"),
        (csr_array(X), Y, "sparse; a tree needs a dense array"),
    ],
)
def test_bad_data_is_named(model, x, y, message):
    with pytest.raises(ValueError, match=message):
        model().fit(x, y)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "options, message",
    [
        ({"max_depth": 0}, "max_depth is 0; expected a whole number from 1"),
        ({"min_samples_leaf": 1.5}, "min_samples_leaf is 1.5"),
        ({"max_features": 3}, "max_features is 3, but X has 2 columns"),
        ({"max_bins": 300}, "max_bins is 300; expected 2 to 256"),
    ],
)
def test_bad_options_are_named(model, options, message):
    with pytest.raises(ValueError, match=message):
        model(**options).fit(X, Y)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_says_what_it_was_fitted_on(model):
    with pytest.raises(ValueError, match=f"this {model.__name__} is not fitted yet; call fit"):
        model().predict(X)
    with pytest.raises(ValueError, match=r"fitted on \(rows, 2\)"):
        model().fit(X, Y).predict(X[:, :1])
    with pytest.raises(ValueError, match="sample_weight should be 6 numbers"):
        model().fit(X, Y, sample_weight=-np.ones(6))


def test_a_label_that_was_never_seen_is_named():
    with pytest.raises(ValueError, match="y holds 7, which was never seen in fit"):
        DecisionTreeClassifier().fit(X, Y).score(X, np.where(Y == 1, 7, 0))
