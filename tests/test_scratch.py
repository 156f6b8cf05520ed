"""Gate 6: what the lectures build equals the library it imitates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import special
from scipy.sparse import csr_array
from sklearn import linear_model
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from utils.scratch import regression as scratch

finite = st.floats(-1e300, 1e300)


@given(arrays(float, array_shapes(max_dims=3), elements=finite))
@settings(deadline=None)
def test_sigmoid_is_scipys(z):
    with np.errstate(over="raise", invalid="raise"):
        ours = scratch.sigmoid(z)
    np.testing.assert_allclose(ours, special.expit(z), rtol=1e-14, atol=1e-320)


@given(arrays(float, array_shapes(min_dims=1, max_dims=3), elements=finite))
@settings(deadline=None)
def test_softmax_is_scipys(z):
    ours = scratch.softmax(z)
    np.testing.assert_allclose(ours, special.softmax(z, axis=-1), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(ours.sum(axis=-1), 1)


def test_linear_regression_is_sklearns():
    x, y = load_diabetes(return_X_y=True)
    ours, theirs = scratch.LinearRegression().fit(x, y), linear_model.LinearRegression().fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-8)


@pytest.mark.parametrize("wrap", [np.asarray, csr_array], ids=["dense", "sparse"])
def test_logistic_regression_is_sklearns(wrap):
    x, y = load_breast_cancer(return_X_y=True)
    x = wrap((x - x.mean(axis=0)) / x.std(axis=0))
    theirs = linear_model.LogisticRegression(C=1 / (1e-3 * len(y)), tol=1e-10, max_iter=5000).fit(x, y)
    ours = scratch.LogisticRegression(penalty=1e-3).fit(x, y)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-4)
    assert (ours.predict(x) == theirs.predict(x)).mean() > 0.999


def test_softmax_regression_is_sklearns():
    x, y = load_digits(return_X_y=True)
    x, y = x[:500] / 16, np.array(list("abcdefghij"))[y[:500]]  # labels need not be numbers
    theirs = linear_model.LogisticRegression(C=1 / (1e-3 * len(y)), tol=1e-10, max_iter=5000).fit(x, y)
    ours = scratch.SoftmaxRegression(penalty=1e-3).fit(x, y)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-4)
    assert (ours.predict(x) == theirs.predict(x)).all()


def test_two_classes_of_softmax_are_logistic():
    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    # Two score vectors share the price of one: each carries half of the weight.
    both = scratch.SoftmaxRegression(penalty=2e-3).fit(x, y).predict_proba(x)
    one = scratch.LogisticRegression(penalty=1e-3).fit(x, y).predict_proba(x)
    np.testing.assert_allclose(both, one, atol=1e-4)


MODELS = [scratch.LinearRegression, scratch.SoftmaxRegression, scratch.LogisticRegression]


@pytest.mark.parametrize("model", MODELS)
def test_errors_say_what_to_do(model):
    x, y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 1])
    with pytest.raises(ValueError, match="not fitted yet; call fit"):
        model().predict(x)
    with pytest.raises(ValueError, match=r"use X\[:, None\]"):
        model().fit(x[:, 0], y)
    with pytest.raises(ValueError, match="one target for each of the 3 rows"):
        model().fit(x, y[:2])
    with pytest.raises(ValueError, match="nan or infinity"):
        model().fit(np.where(x == 3, np.nan, x), y)
    with pytest.raises(ValueError, match=r"fitted on \(rows, 2\)"):
        model().fit(x, y).predict(x[:, :1])


@pytest.mark.parametrize("model", MODELS[1:])
def test_one_class_is_an_error(model):
    with pytest.raises(ValueError, match="class"):
        model().fit(np.ones((3, 2)), np.zeros(3))


def test_three_classes_are_too_many_for_logistic():
    with pytest.raises(ValueError, match="3 classes"):
        scratch.LogisticRegression().fit(np.ones((3, 2)), np.arange(3))
