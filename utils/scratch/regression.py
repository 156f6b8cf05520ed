"""Linear, logistic and softmax regression, as built in lecture 01.

The estimators follow scikit-learn: `fit` returns the estimator, what is learned ends in `_`, X may be sparse.
Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, chapters 3 and 4.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import issparse


def sigmoid(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z)), of any shape. The exponent is never positive, so nothing overflows."""
    e = np.exp(-np.abs(z))
    return np.where(np.asarray(z) >= 0, 1, e) / (1 + e)


def softmax(z: np.ndarray) -> np.ndarray:
    """Shares along the last axis: exp(z) / sum(exp(z)). The largest score is taken off first: no overflow."""
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class LinearRegression:
    """Least squares in closed form. Learned: `coef_` (d,), `intercept_` a number."""

    def fit(self, X, y):
        """X: (n, d) dense, y: (n,)."""
        X, y = _checked(X, y)
        weights = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y, rcond=None)[0]
        self.coef_, self.intercept_ = weights[:-1], weights[-1]
        return self

    def predict(self, X) -> np.ndarray:
        """X: (n, d) -> (n,)."""
        return _seen(X, self, "coef_") @ self.coef_ + self.intercept_


class SoftmaxRegression:
    """One score per class, softmax, cross-entropy; with two classes this is logistic regression.

    `penalty` is half the price of a unit of squared weight, beside the *mean* loss; the bias goes free.
    scikit-learn's `C` is 1 / (n * penalty).
    Learned: `classes_` (k,), `coef_` (d, k), `intercept_` (k,).
    """

    def __init__(self, penalty: float = 1e-4):
        self.penalty = penalty

    def fit(self, X, y):
        """X: (n, d) dense or sparse, y: (n,) class labels. Raises ValueError for one class only, or nan."""
        X, y = _checked(X, y)
        self.classes_, index = np.unique(y, return_inverse=True)
        (n, d), k = X.shape, len(self.classes_)
        if k < 2:
            raise ValueError(f"y holds one class only, {self.classes_[0]!r}; a classifier needs at least two")
        answers = np.eye(k)[index]  # (n, k) one-hot

        def loss_and_gradient(flat):
            weights = flat.reshape(d + 1, k)
            scores = X @ weights[:-1] + weights[-1]  # (n, d) @ (d, k) + (k,)
            top = scores.max(axis=1, keepdims=True)
            log_total = top[:, 0] + np.log(np.exp(scores - top).sum(axis=1))
            loss = np.mean(log_total - scores[np.arange(n), index])
            loss += self.penalty / 2 * np.sum(weights[:-1] ** 2)
            error = (softmax(scores) - answers) / n  # inputs times error, once more
            gradient = np.vstack([X.T @ error + self.penalty * weights[:-1], error.sum(axis=0)])
            return loss, gradient.ravel()

        weights = _descend(loss_and_gradient, (d + 1) * k).reshape(d + 1, k)
        self.coef_, self.intercept_ = weights[:-1], weights[-1]
        return self

    def predict_proba(self, X) -> np.ndarray:
        """X: (n, d) -> (n, k) shares, in the order of `classes_`."""
        return softmax(_seen(X, self, "coef_") @ self.coef_ + self.intercept_)

    def predict(self, X) -> np.ndarray:
        """X: (n, d) -> (n,) the likeliest class of each row."""
        shares = self.predict_proba(X)
        return self.classes_[shares.argmax(axis=1)]


class LogisticRegression(SoftmaxRegression):
    """Softmax regression for exactly two classes: the sigmoid of the difference of two scores.

    Learned: `classes_` (2,), `coef_` (d,), `intercept_` a number, for the second class.
    """

    def fit(self, X, y):
        """X: (n, d) dense or sparse, y: (n,) of two labels. Raises ValueError for any other number."""
        X, y = _checked(X, y)
        self.classes_ = np.unique(y)
        if len(self.classes_) != 2:
            raise ValueError(f"y holds {len(self.classes_)} classes; logistic regression needs exactly two")
        n, d = X.shape
        yes = (y == self.classes_[1]).astype(float)

        def loss_and_gradient(weights):
            z = X @ weights[:-1] + weights[-1]
            loss = np.mean(np.logaddexp(0, z) - yes * z) + self.penalty / 2 * weights[:-1] @ weights[:-1]
            error = (sigmoid(z) - yes) / n
            return loss, np.append(X.T @ error + self.penalty * weights[:-1], error.sum())

        weights = _descend(loss_and_gradient, d + 1)
        self.coef_, self.intercept_ = weights[:-1], weights[-1]
        return self

    def predict_proba(self, X) -> np.ndarray:
        """X: (n, d) -> (n, 2)."""
        p = sigmoid(_seen(X, self, "coef_") @ self.coef_ + self.intercept_)
        return np.column_stack([1 - p, p])


def _descend(loss_and_gradient, size):
    """The weights with the smallest loss, (size,), from zero: SciPy's L-BFGS."""
    options = {"maxiter": 2000, "gtol": 1e-8, "ftol": 1e-14}
    return minimize(loss_and_gradient, np.zeros(size), jac=True, method="L-BFGS-B", options=options).x


def _checked(X, y):
    """The two as arrays that go together. Raises ValueError that says what is wrong."""
    X = X if issparse(X) else np.asarray(X, dtype=float)
    y = np.asarray(y)
    if X.ndim != 2:
        raise ValueError(f"X has shape {X.shape}; expected (rows, inputs): use X[:, None] for one input")
    if y.shape != (X.shape[0],):
        raise ValueError(f"y has shape {y.shape}; expected one target for each of the {X.shape[0]} rows of X")
    values = X.data if issparse(X) else X
    if not np.isfinite(values).all() or (y.dtype.kind == "f" and not np.isfinite(y).all()):
        raise ValueError("X or y holds nan or infinity; fill or drop these rows first")
    return X, y


def _seen(X, model, learned):
    """X for a fitted model. Raises ValueError before `fit`, or if the number of inputs is another one."""
    if not hasattr(model, learned):
        raise ValueError(f"this {type(model).__name__} is not fitted yet; call fit(X, y) first")
    X = X if issparse(X) else np.asarray(X, dtype=float)
    if X.ndim != 2 or X.shape[1] != len(model.coef_):
        raise ValueError(f"X has shape {X.shape}; this model was fitted on (rows, {len(model.coef_)})")
    return X
