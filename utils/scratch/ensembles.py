"""Ensembles as built in lecture 03: bagging, random forest, AdaBoost, gradient boosting, stacking.

The estimators follow scikit-learn: `fit` returns the estimator, what is learned ends in `_`. Bagging,
AdaBoost and stacking take any classifier with `fit` and `predict_proba`, this course's or scikit-learn's;
they copy it and never fit the one they were given.
"""

from copy import deepcopy
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from utils.scratch.regression import LogisticRegression, SoftmaxRegression, sigmoid, softmax
from utils.scratch.trees import (
    DecisionTreeClassifier,
    accuracy,
    bin_edges,
    checked,
    checked_weight,
    grow,
    seen,
    to_bins,
)


class _Classifier:
    """What all of them share: the likeliest class, and the share of right answers."""

    def predict(self, X) -> np.ndarray:
        """X: (n, d) -> (n,) the likeliest class of each row."""
        shares = self.predict_proba(X)
        return self.classes_[shares.argmax(axis=1)]

    def score(self, X, y) -> float:
        """The share of rows predicted right. Raises ValueError for a label that was never seen."""
        return accuracy(self, X, y)

    def _start(self, X, y):
        """Checked X, y as class numbers (n,), and the generator of this fit."""
        X, y = checked(X, y)
        _at_least_one(self.n_estimators, "n_estimators")
        self.classes_, index = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class only, {y[0]!r}; a classifier needs at least two")
        return X, index, np.random.default_rng(self.random_state)


@dataclass(eq=False)
class BaggingClassifier(_Classifier):
    """The mean of machines that were each fitted on a bootstrap sample. Breiman (1996), Bagging Predictors.

    `max_features`, a share from 0 to 1, gives each machine its own random columns: Ho (1998), The Random
    Subspace Method. Learned: `classes_` (k,), `estimators_` pairs of (columns, machine), `oob_score_`.
    """

    estimator: Any = None
    n_estimators: int = 50
    _: KW_ONLY
    max_features: float = 1.0
    random_state: int = 0

    def fit(self, X, y):
        """X: (n, d), y: (n,) class labels. Raises ValueError on bad input."""
        X, index, rng = self._start(X, y)
        n, d = X.shape
        if not 0 < self.max_features <= 1:
            raise ValueError(
                f"max_features is {self.max_features!r}; expected a share of the columns in (0, 1]"
            )
        self.estimators_ = []
        votes = np.zeros((n, len(self.classes_)))
        for _ in range(self.n_estimators):
            rows = rng.integers(n, size=n)
            columns = np.sort(rng.choice(d, max(1, round(self.max_features * d)), replace=False))
            machine = deepcopy(self.estimator or DecisionTreeClassifier())
            machine.fit(X[np.ix_(rows, columns)], index[rows])
            self.estimators_.append((columns, machine))
            out = np.setdiff1d(np.arange(n), rows)
            if len(out):
                votes[out] += _shares(machine, X[np.ix_(out, columns)], len(self.classes_))
        self.oob_score_ = _out_of_bag(votes, index)
        self.n_features_in_ = X.shape[1]
        return self

    def predict_proba(self, X) -> np.ndarray:
        """X: (n, d) -> (n, k), the mean of the machines' probabilities."""
        X = seen(X, self)
        return np.mean(
            [_shares(m, X[:, columns], len(self.classes_)) for columns, m in self.estimators_], axis=0
        )


@dataclass(eq=False)
class RandomForestClassifier(_Classifier):
    """Bagged trees in which a few random columns compete for each split. Breiman (2001), Random Forests.

    `max_features` is that number, the square root of all columns by default.
    Learned: `classes_` (k,), `edges_`, `trees_`, `oob_score_` the accuracy on rows that a tree has not seen.
    """

    n_estimators: int = 100
    _: KW_ONLY
    max_depth: int | None = None
    min_samples_leaf: int = 1
    max_features: int | None = None
    max_bins: int = 255
    random_state: int = 0

    def fit(self, X, y):
        """X: (n, d), y: (n,) class labels. Raises ValueError on bad input."""
        X, index, rng = self._start(X, y)
        n, d = X.shape
        k = len(self.classes_)
        if self.max_features is not None and not 1 <= self.max_features <= d:
            raise ValueError(f"max_features is {self.max_features!r}; expected 1 to {d}, the columns of X")
        self.edges_ = bin_edges(X, self.max_bins)
        bins = to_bins(X, self.edges_)
        self.trees_ = []
        votes = np.zeros((n, k))
        for _ in range(self.n_estimators):
            rows = rng.integers(n, size=n)
            tree, _ = grow(
                bins[rows],
                np.eye(k)[index[rows]],
                np.ones(n),
                max_depth=self.max_depth,
                min_samples_leaf=self.min_samples_leaf,
                max_features=self.max_features or max(1, int(d**0.5)),
                rng=rng,
            )
            self.trees_.append(tree)
            out = np.setdiff1d(np.arange(n), rows)
            votes[out] += tree.predict(bins[out])
        self.oob_score_ = _out_of_bag(votes, index)
        self.n_features_in_ = X.shape[1]
        return self

    def predict_proba(self, X) -> np.ndarray:
        """X: (n, d) -> (n, k), the mean of the trees' shares."""
        X = seen(X, self)
        bins = to_bins(X, self.edges_)
        return sum(tree.predict(bins) for tree in self.trees_) / len(self.trees_)


@dataclass(eq=False)
class AdaBoostClassifier(_Classifier):
    """Machines in a row, each fitted on weights that grow where the last one was wrong.

    SAMME: Zhu, Zou, Rosset & Hastie (2009), Multi-class AdaBoost; with two classes it is Freund & Schapire
    (1997). The machine must take `sample_weight`; a decision stump by default.
    Learned: `classes_` (k,), `estimators_`, `estimator_weights_` and `estimator_errors_`, one a machine.
    """

    estimator: Any = None
    n_estimators: int = 50
    _: KW_ONLY
    learning_rate: float = 1.0
    random_state: int = 0

    def fit(self, X, y, sample_weight=None):
        """X: (n, d), y: (n,) class labels. Stops early at a perfect machine, or at one no better than chance.

        Raises ValueError on bad input, and if already the first machine is no better than chance.
        """
        X, index, _ = self._start(X, y)
        k = len(self.classes_)
        weight = checked_weight(sample_weight, len(X))
        weight = weight / weight.sum()
        self.estimators_, weights, errors = [], [], []
        for _ in range(self.n_estimators):
            machine = deepcopy(self.estimator or DecisionTreeClassifier(max_depth=1))
            machine.fit(X, index, sample_weight=weight)
            wrong = machine.predict(X) != index
            error = weight @ wrong
            if error >= 1 - 1 / k:
                if self.estimators_:
                    break
                raise ValueError("the first machine is no better than chance, so there is nothing to boost")
            self.estimators_.append(machine)
            errors.append(error)
            weights.append(1.0 if error <= 0 else self.learning_rate * np.log((1 - error) / error * (k - 1)))
            if error <= 0:
                break
            weight = weight * np.exp(weights[-1] * wrong)
            weight /= weight.sum()
        self.estimator_weights_, self.estimator_errors_ = np.array(weights), np.array(errors)
        self.n_features_in_ = X.shape[1]
        return self

    def predict_proba(self, X) -> np.ndarray:
        """X: (n, d) -> (n, k) shares of the vote. They rank the classes; they are not calibrated."""
        X = seen(X, self)
        votes = np.zeros((len(X), len(self.classes_)))
        for machine, weight in zip(self.estimators_, self.estimator_weights_, strict=True):
            votes[np.arange(len(X)), machine.predict(X)] += weight
        return votes / self.estimator_weights_.sum()


@dataclass(eq=False)
class _Boosting:
    """Gradient boosting: each tree takes a Newton step on the loss, in function space.

    Friedman (2001), Greedy Function Approximation; Chen & Guestrin (2016), XGBoost, for the second
    derivative and `penalty`, the L2 price on a leaf's answer.
    Learned: `edges_`, `start_` (k,), `trees_` a list of k trees a round, `train_loss_` (rounds,).
    """

    n_estimators: int = 100
    _: KW_ONLY
    learning_rate: float = 0.1
    max_depth: int | None = 5
    min_samples_leaf: int = 20
    penalty: float = 0.0
    max_bins: int = 255
    random_state: int = 0

    def _boost(self, X, start, gradients):
        """`gradients(scores)` -> the loss, and pull and weight, each (n, k), of the scores (n, k)."""
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"learning_rate is {self.learning_rate!r}; expected a number in (0, 1]")
        self.edges_, self.start_ = bin_edges(X, self.max_bins), start
        bins = to_bins(X, self.edges_)
        scores = np.tile(start, (len(X), 1))
        self.trees_, self.train_loss_ = [], []
        for _ in range(self.n_estimators):
            loss, pull, weight = gradients(scores)
            trees = []
            for j in range(len(start)):
                tree, leaf = grow(
                    bins,
                    pull[:, j : j + 1],
                    weight[:, j],
                    max_depth=self.max_depth,
                    min_samples_leaf=self.min_samples_leaf,
                    penalty=self.penalty,
                )
                tree.value[:] *= self.learning_rate
                scores[:, j] += tree.value[leaf, 0]
                trees.append(tree)
            self.trees_.append(trees)
            self.train_loss_.append(float(loss))
        self.n_features_in_ = X.shape[1]
        return self

    def _scores(self, X):
        bins = to_bins(seen(X, self), self.edges_)
        scores = np.tile(self.start_, (len(bins), 1))
        for trees in self.trees_:
            for j, tree in enumerate(trees):
                scores[:, j] += tree.predict(bins)[:, 0]
        return scores


class GradientBoostingClassifier(_Boosting, _Classifier):
    """Gradient boosting on the cross-entropy: one score for two classes, else one score a class.

    The options and what is learned are those of `_Boosting`, and `classes_` (k,).
    """

    def fit(self, X, y):
        """X: (n, d), y: (n,) class labels. Raises ValueError on bad input."""
        X, index, _ = self._start(X, y)
        share = np.bincount(index) / len(index)
        rows = np.arange(len(index))
        if len(share) == 2:

            def gradients(scores):
                p = sigmoid(scores)
                loss = np.mean(np.logaddexp(0, scores[:, 0]) - index * scores[:, 0])
                return loss, index[:, None] - p, p * (1 - p)

            return self._boost(X, np.log(share[1:] / share[:1]), gradients)

        answers = np.eye(len(share))[index]

        def gradients(scores):
            p = softmax(scores)
            return -np.log(np.maximum(p[rows, index], 1e-300)).mean(), answers - p, p * (1 - p)

        return self._boost(X, np.log(share), gradients)

    def predict_proba(self, X) -> np.ndarray:
        """X: (n, d) -> (n, k)."""
        scores = self._scores(X)
        if scores.shape[1] > 1:
            return softmax(scores)
        p = sigmoid(scores[:, 0])
        return np.column_stack([1 - p, p])


class GradientBoostingRegressor(_Boosting):
    """Gradient boosting on the squared error: each tree is fitted to what is left, the residuals.

    The options and what is learned are those of `_Boosting`.
    """

    def fit(self, X, y):
        """X: (n, d), y: (n,). Raises ValueError on bad input."""
        X, y = checked(X, y)
        _at_least_one(self.n_estimators, "n_estimators")
        one = np.ones((len(y), 1))

        def gradients(scores):
            residual = y[:, None] - scores
            return np.mean(residual**2), residual, one

        return self._boost(X, np.array([y.mean()]), gradients)

    def predict(self, X) -> np.ndarray:
        """X: (n, d) -> (n,)."""
        return self._scores(X)[:, 0]


@dataclass(eq=False)
class StackingClassifier(_Classifier):
    """A regression on what other machines say. Wolpert (1992), Stacked Generalization.

    The machines' answers that the regression learns from are out of fold: each row's come from machines
    that have not seen the row. After that every machine is fitted once more, on all rows.
    Learned: `classes_` (k,), `estimators_`, `final_estimator_`.
    """

    estimators: list
    final_estimator: Any = None
    _: KW_ONLY
    cv: int = 5
    random_state: int = 0

    def fit(self, X, y):
        """X: (n, d), y: (n,) class labels. Raises ValueError on bad input or a class rarer than `cv`."""
        self.n_estimators = len(self.estimators)
        X, index, rng = self._start(X, y)
        rarest = np.bincount(index).min()
        if not 2 <= self.cv <= rarest:
            raise ValueError(
                f"cv is {self.cv}; expected 2 to {rarest}, the number of rows of the rarest class"
            )
        # Deal the rows of each class round, so that every fold holds every class.
        order = np.lexsort((rng.random(len(index)), index))
        fold = np.empty(len(index), dtype=np.intp)
        fold[order] = np.arange(len(index)) % self.cv
        said = np.empty((len(index), len(self.estimators), len(self.classes_)))
        for f in range(self.cv):
            kept = fold != f
            for j, machine in enumerate(self.estimators):
                fitted = deepcopy(machine).fit(X[kept], index[kept])
                said[~kept, j] = _shares(fitted, X[~kept], len(self.classes_))
        default = LogisticRegression() if len(self.classes_) == 2 else SoftmaxRegression()
        self.final_estimator_ = deepcopy(self.final_estimator or default).fit(self._columns(said), index)
        self.estimators_ = [deepcopy(machine).fit(X, index) for machine in self.estimators]
        self.n_features_in_ = X.shape[1]
        return self

    def predict_proba(self, X) -> np.ndarray:
        """X: (n, d) -> (n, k), the last machine's probabilities."""
        X = seen(X, self)
        said = np.stack([_shares(machine, X, len(self.classes_)) for machine in self.estimators_], axis=1)
        return self.final_estimator_.predict_proba(self._columns(said))

    def _columns(self, said):
        """(n, machines, k) -> (n, machines × (k - 1)): the first class follows from the others."""
        return said[:, :, 1:].reshape(len(said), -1)


def _shares(machine, X, k):
    """A machine's probabilities for all k classes: a bootstrap sample may have missed some. (n, k)."""
    shares = np.zeros((len(X), k))
    shares[:, machine.classes_] = machine.predict_proba(X)
    return shares


def _out_of_bag(votes, index):
    """Accuracy over the rows that at least one machine has not seen; nan if there is none."""
    judged = votes.sum(axis=1) > 0
    return float(np.mean(votes[judged].argmax(axis=1) == index[judged])) if judged.any() else float("nan")


def _at_least_one(number, name):
    if int(number) != number or number < 1:
        raise ValueError(f"{name} is {number!r}; expected a whole number from 1")
