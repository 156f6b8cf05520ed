"""An ad ranker's parts, as lecture 19 uses them: models of the click, newcomers, trials on users, monitors.

    model = Network(FactorizationMachine, crosses=CROSSES).fit(past)     # also Logistic, Boosting
    p = model.probability(future)                                        # (n,)

All models take an `AdLog`. What is new here is little: regression is lecture 01's, boosting lecture 03's, the
factorization machine lecture 08's, the mixture lecture 17's, the posterior of a row lecture 15's.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import TargetEncoder
from torch import Tensor, nn

from utils.data.ads import SIZES as ALL_SIZES
from utils.data.ads import AdLog
from utils.scratch.factorization import FactorizationMachine, WideAndDeep, fit_clicks

__all__ = ["FM", "Boosting", "Logistic", "Mixture", "Network", "Newcomers", "WideAndDeep"]

ATTRIBUTES = ["age", "gender", "category", "site", "position", "device", "hour"]
IDS = [*ATTRIBUTES, "user", "ad", "context"]
CROSSES = [("age", "gender", "category"), ("device", "category"), ("hour", "category")]
PAIRS = [("user", "ad"), ("context", "ad")]
REGIME = ("site", "hour", "age", "gender", "category")  # what the mixture's gate and tables build
SIZES = {name: ALL_SIZES[name] for name in IDS}
FM = FactorizationMachine


class Logistic:
    """Lecture 01, with scikit-learn, on one-hot columns and crosses; `C` is one over the strength of L2."""

    def __init__(self, columns: Sequence, C: float = 0.3):
        self.columns, self.model = columns, LogisticRegression(C=C, max_iter=200)

    def fit(self, log: AdLog) -> "Logistic":
        self.model.fit(log.one_hot(self.columns), log.click)
        self.parameters = self.model.coef_.size + 1
        return self

    def probability(self, log: AdLog) -> np.ndarray:
        return self.model.predict_proba(log.one_hot(self.columns))[:, 1]


class Boosting:
    """Lecture 03: trees on attributes and on click rates, out of fold, of ids and of cells of `crosses`."""

    def __init__(
        self,
        crosses: Sequence[tuple[str, ...]] = (),
        *,
        trees: int = 150,
        max_leaf_nodes: int = 31,
        seed: int = 0,
    ):
        self.crosses, self.seed = [("user",), ("ad",), ("context",), *crosses], seed
        self.model = HistGradientBoostingClassifier(
            max_iter=trees, max_leaf_nodes=max_leaf_nodes, min_samples_leaf=100, random_state=seed
        )

    def cells(self, log: AdLog) -> np.ndarray:
        """The number of each row's cell in each cross: (n, crosses)."""
        numbers = [
            np.ravel_multi_index([log.features[name] for name in cross], [SIZES[name] for name in cross])
            for cross in self.crosses
        ]
        return np.stack(numbers, axis=1)

    def _table(self, rates: np.ndarray, log: AdLog) -> np.ndarray:
        return np.c_[rates, np.stack([log.features[name] for name in ATTRIBUTES], axis=1)]

    def fit(self, log: AdLog) -> "Boosting":
        folds = StratifiedKFold(5, shuffle=True, random_state=self.seed)
        self.encoder = TargetEncoder(cv=folds)
        rates = self.encoder.fit_transform(self.cells(log), log.click)
        self.model.fit(self._table(rates, log), log.click)
        self.parameters = 2 * self.model.max_leaf_nodes * self.model.n_iter_  # at most: leaves and cuts
        return self

    def probability(self, log: AdLog) -> np.ndarray:
        rates = self.encoder.transform(self.cells(log))
        return self.model.predict_proba(self._table(rates, log))[:, 1]


class Mixture(FactorizationMachine):
    """A factorization machine plus lecture 17's mixture: two tables of segment × category, weighed by a gate
    with a pair of logits for each hour of each site. All is trained jointly."""

    def __init__(self, sizes: Mapping[str, int], k: int = 8, **options):
        super().__init__(sizes, k, **options)
        self.at = [list(sizes).index(name) for name in ("age", "gender", "category", "site", "hour")]
        self.experts = nn.Parameter(0.1 * torch.randn(12 * 8, 2))
        self.gate = nn.Parameter(0.1 * torch.randn(5 * 24, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Ids x (n, columns), integers -> logits (n,)."""
        age, gender, category, site, hour = (x[:, i] for i in self.at)
        weight = (3 * self.gate[24 * site + hour]).softmax(1)  # 3: tables learn thrice as fast as vectors
        opinion = 3 * self.experts[8 * (2 * age + gender) + category]
        return super().forward(x) + (weight * opinion).sum(1)


class Network:
    """A click model of `kind` over the ids, trained by lecture 08's `fit_clicks`; `how` is handed to that."""

    def __init__(
        self,
        kind: type[FactorizationMachine],
        *,
        epochs: int = 6,
        lr: float = 0.02,
        seed: int = 0,
        device="cpu",
        how: Mapping | None = None,
        **options,
    ):
        self.kind, self.options, self.seed, self.device = kind, options, seed, device
        self.how = {"epochs": epochs, "lr": lr} | dict(how or {})

    def fit(self, log: AdLog) -> "Network":
        torch.manual_seed(self.seed)
        self.model = self.kind(SIZES, **self.options).to(self.device)
        fit_clicks(self.model, log.features, log.click, **self.how)
        self.parameters = sum(p.numel() for p in self.model.parameters())
        return self

    def probability(self, log: AdLog) -> np.ndarray:
        return self.model.probability(log.features)


def for_few_rows(n: int, full: int, *, trees: int, seed: int, **training) -> dict:
    """Five models, unfitted, with what a log of n rows needs in place of `full` rows.

    Boosting gets fewer and smaller trees; networks smaller batches, half the rate, and an L2 price that grows
    as 1/n, as a prior's weight among n rows does.
    """
    how = {"l2": 2e-3 * full / n, "batch_size": 1000}
    options = {"how": how, "crosses": CROSSES, "lr": 0.01, "seed": seed, **training}
    return {
        "regression + crosses": Logistic([*IDS, *CROSSES]),
        "regression + pairs": Logistic([*IDS, *CROSSES, *PAIRS]),
        "boosting + pairs": Boosting([*CROSSES, *PAIRS], trees=trees, max_leaf_nodes=4, seed=seed),
        "FM + crosses": Network(FM, **options),
        "mixture": Network(Mixture, **options),
    }


class Newcomers:
    """Serve visits while some ads are new: their rows in the machine are erased and learned anew.

    `machine`: a trained FactorizationMachine; `visits`: column -> (R · A,) ids, each visit with each ad;
    `truth` (R, A): true click probabilities; `bid` (R, A). `known` (A, 9) holds each ad's weight and vector,
    `rest` (R, A) the logit without them, `z` (R, A, 9) what they are multiplied by.
    """

    @torch.no_grad()
    def __init__(self, machine: FactorizationMachine, visits: Mapping, truth: np.ndarray, bid: np.ndarray):
        self.truth, self.bid = truth, bid
        self.known = np.c_[machine.effects("ad"), machine.table("ad")]
        ids, shape = machine.ids(visits), truth.shape
        vectors = machine.vectors(machine._rows(ids))  # (R · A, columns, k)
        others = vectors.sum(1) - vectors[:, list(machine.sizes).index("ad")]
        z = others.cpu().double().numpy().reshape(*shape, -1)
        self.z = np.concatenate([np.ones((*shape, 1)), z], axis=2)
        self.whole = machine(ids).cpu().double().numpy().reshape(shape)  # the machine's own logit
        self.rest = self.whole - (self.z * self.known).sum(2)

    def serve(
        self,
        new: np.ndarray,
        rng: np.random.Generator,
        batches: int,
        *,
        draws: float = 0.0,
        chance: float = 0.0,
        size: int = 250,
    ) -> np.ndarray:
        """Income so far, less that of the machine with all rows known: (batches,).

        `new` (m,) are the newcomers. `draws` is the width of a draw from their posterior: 1 for Thompson
        sampling, 0 for greedy, which ranks by its mean. A share `chance` of the visits sees a newcomer
        by lot. The prior has the mean and the covariance of the rows of the other ads.
        """
        luck = rng.spawn(1)[0]  # apart from `rng`, so that all policies meet the same visits
        old = self.known[np.setdiff1d(np.arange(len(self.known)), new)]
        mean = np.tile(old.mean(0), (len(new), 1))
        precision = np.tile(np.linalg.inv(np.cov(old.T)), (len(new), 1, 1))
        gained, n = [], np.arange(size)
        for _ in range(batches):
            i, dice = rng.integers(len(self.truth), size=size), rng.random(size)
            row = mean  # (m, 9), or with draws (size, m, 9)
            if draws:
                root = np.linalg.inv(np.linalg.cholesky(precision))
                row = mean + draws * np.einsum("aji,naj->nai", root, luck.normal(size=(size, *mean.shape)))
            score = self.whole[i]
            score[:, new] = self.rest[i][:, new] + (self.z[i][:, new] * row).sum(2)
            ad, usual = ((self.bid[i] * expit(s)).argmax(1) for s in (score, self.whole[i]))
            if chance:
                ad = np.where(luck.random(size) < chance, luck.choice(new, size), ad)
            income = self.bid[i] * self.truth[i]
            gained.append((income[n, ad] - income[n, usual]).sum())
            mean, precision = self.posterior(mean, precision, new, i, ad, dice < self.truth[i, ad])
        return np.cumsum(gained)

    def posterior(self, mean, precision, new, i, ad, click, steps: int = 4):
        """Laplace: Newton's method to the top of prior × likelihood of a batch, then the curvature there.

        mean (m, 9), precision (m, 9, 9); visit, ad, click (n,) -> the same two, anew.
        """
        mine = np.isin(ad, new)  # the other rows teach a newcomer nothing
        i, ad, click, m = i[mine], ad[mine], click[mine], mean
        own, x = (ad[:, None] == new).astype(float), self.z[i, ad]
        squares = (x[:, :, None] * x[:, None, :]).reshape(len(x), x.shape[1] ** 2)  # x xᵀ: (n, 81)
        for _ in range(steps):
            q = expit(self.rest[i, ad][:, None] + x @ m.T)  # (n, m)
            H = precision + ((own * q * (1 - q)).T @ squares).reshape(precision.shape)
            slope = (own * (click[:, None] - q)).T @ x - np.einsum("aij,aj->ai", precision, m - mean)
            m = m + np.linalg.solve(H, slope[..., None])[..., 0]
        return m, H


def trial(
    first: np.ndarray,
    second: np.ndarray,
    user: np.ndarray,
    truth: np.ndarray,
    bid: np.ndarray,
    *,
    tests: int,
    days: int,
    visits: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """A/B tests: a coin sends each user to the ads `first` or `second` (R,), for good.

    `user` (R,) whose visit it is, `truth` and `bid` (R, A); `visits` are drawn a day.
    Returns: arm (tests, users), True for the second; and after each day, for each user, the number of visits,
    their income, and the sum of the squared incomes: (days, 3, tests, users).
    """
    users = int(user.max()) + 1
    arm = rng.random((tests, users)) < 0.5
    test = np.arange(tests)[:, None]
    sums, days_sums = np.zeros((3, tests, users)), []
    for _ in range(days):
        i = rng.integers(len(user), size=(tests, visits))
        who = user[i]
        ad = np.where(arm[test, who], second[i], first[i])
        y = bid[i, ad] * (rng.random(i.shape) < truth[i, ad])
        place = (users * test + who).ravel()
        for total, x in zip(sums, (np.ones_like(y), y, y**2), strict=True):
            total += np.bincount(place, x.ravel(), tests * users).reshape(tests, users)
        days_sums.append(sums.copy())
    return arm, np.array(days_sums)


def z_scores(arm: np.ndarray, sums: np.ndarray, error: Callable) -> np.ndarray:
    """How many standard errors the second arm of a `trial` is ahead after each day: (days, tests).

    `error(n, income, squares)`, each (tests, users), gives an arm's mean and its variance, (tests,) each.
    """
    z = []
    for day in sums:
        (low, var), (high, more) = (error(*(day * inside)) for inside in (~arm, arm))
        z.append((high - low) / np.sqrt(var + more))
    return np.array(z)


def monitors(model, log: AdLog, usual: AdLog, columns: Mapping, click: np.ndarray) -> np.ndarray:
    """Four numbers for each half day of a log, in deviations from the first week: (4, 28).

    They are log-loss; total (clicks - predicted, over its deviation); slices (the same for each device and
    category, squared, added); inputs (χ² of the counts of device and category against the log `usual`).
    `columns` and `click` (n,) are what the platform sees in place of the log's.
    """
    seen = AdLog(log.features | dict(columns), click.astype(int), log.truth)
    blocks, q = 28, model.probability(seen)
    block = 2 * log.features["day"] + log.features["hour"] // 12
    cell = 8 * seen.features["device"] + seen.features["category"]
    count, clicks, hoped, var = (
        np.bincount(24 * block + cell, x, 24 * blocks).reshape(blocks, 24)
        for x in (np.ones(len(q)), click, q, q * (1 - q))
    )
    loss = -np.log(np.where(click, q, 1 - q))
    share = np.bincount(8 * usual.features["device"] + usual.features["category"], minlength=24) / len(usual)
    expected = share * count.sum(1, keepdims=True)
    four = np.array(
        [
            np.bincount(block, loss) / count.sum(1),
            (clicks - hoped).sum(1) / var.sum(1) ** 0.5,
            ((clicks - hoped) ** 2 / np.maximum(var, 0.5)).sum(1),
            ((count - expected) ** 2 / expected).sum(1),
        ]
    )
    week = four[:, : blocks // 2]
    return (four - week.mean(1, keepdims=True)) / week.std(1, keepdims=True)
