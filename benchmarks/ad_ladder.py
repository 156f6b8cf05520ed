"""Measure the ladder of models on the ad log: `python benchmarks/ad_ladder.py --seeds 2`.

Each model trains on the first 200,000 impressions of a log and is scored on the last 100,000 by
`AdLog.share_of_gap`: 0 % is the base rate, 100 % the truth. data/README.md quotes the table.
About half a minute a seed on one fast core.
"""

import argparse
import time
from collections.abc import Callable
from statistics import mean

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import TargetEncoder
from torch import nn
from torch.nn import functional as F

from utils import data
from utils.data.ads import SIZES, AdLog

TRAIN, TEST = 200_000, 100_000
ATTRIBUTES = ["age", "gender", "category", "site", "position", "device", "hour"]
IDS = [*ATTRIBUTES, "user", "ad", "context"]
CROSSES = [*IDS, ("age", "gender", "category"), ("device", "category"), ("hour", "category")]
PAIRS = [*CROSSES, ("user", "ad"), ("context", "ad")]


def columns(ads: AdLog, names: list[str]) -> np.ndarray:
    """Some columns side by side: (n, len(names)) int32."""
    return np.stack([ads.features[name] for name in names], axis=1)


def logistic(terms: list, c: float) -> Callable:
    """Logistic regression on one-hot columns; c is scikit-learn's inverse strength of L2."""

    def run(train: AdLog, test: AdLog, seed: int) -> np.ndarray:
        model = LogisticRegression(C=c, max_iter=300).fit(train.one_hot(terms), train.click)
        return model.predict_proba(test.one_hot(terms))[:, 1]

    return run


def boosting(train: AdLog, test: AdLog, seed: int) -> np.ndarray:
    """Gradient boosted trees; ids enter as their smoothed click rate, encoded out of fold."""
    encoder = TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=seed))
    encoded = encoder.fit_transform(columns(train, IDS[-3:]), train.click)
    model = HistGradientBoostingClassifier(max_iter=200, min_samples_leaf=100, random_state=seed)
    model.fit(np.c_[encoded, columns(train, ATTRIBUTES)], train.click)
    encoded = encoder.transform(columns(test, IDS[-3:]))
    return model.predict_proba(np.c_[encoded, columns(test, ATTRIBUTES)])[:, 1]


class Ranker(nn.Module):
    """A factorization machine over all columns; if asked, a deep part and segment × category tables.

    With one table every impression reads the same number; with two, a gate mixes them: one logit for each
    hour of each site. Rendle (2010); Cheng et al. (2016); Jacobs et al. (1991).
    """

    def __init__(self, k: int = 8, deep: int = 0, tables: int = 0):
        super().__init__()
        sizes = [SIZES[name] for name in IDS]
        self.register_buffer("start", torch.tensor(np.cumsum([0, *sizes[:-1]])))
        self.bias = nn.Parameter(torch.tensor(-3.2))
        self.linear = nn.Embedding(sum(sizes), 1)
        self.factors = nn.Embedding(sum(sizes), k)
        nn.init.zeros_(self.linear.weight)
        nn.init.normal_(self.factors.weight, std=0.1)
        self.deep = None
        if deep:
            self.deep = nn.Sequential(
                nn.Linear(k * len(sizes), deep),
                nn.ReLU(),
                nn.Linear(deep, deep // 2),
                nn.ReLU(),
                nn.Linear(deep // 2, 1),
            )
        self.tables = nn.Parameter(0.3 * torch.randn(12 * 8, tables)) if tables else None
        self.gate = nn.Parameter(0.3 * torch.randn(5 * 24, tables)) if tables else None

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x: (B, 10) int32, the values of IDS -> (logits (B,), mean squared size of the factors, for L2)."""
        index = x + self.start
        v = self.factors(index)  # (B, 10, k)
        pairs = 0.5 * (v.sum(1).square() - v.square().sum(1)).sum(1)
        logits = self.bias + self.linear(index).sum((1, 2)) + pairs
        if self.deep is not None:
            logits = logits + self.deep(v.flatten(1))[:, 0]
        if self.tables is not None:
            age, gender, category, site, _, _, hour = x[:, :7].T
            weight = self.gate[site * 24 + hour].softmax(1)
            logits = logits + (weight * self.tables[(2 * age + gender) * 8 + category]).sum(1)
        return logits, v.square().sum((1, 2)).mean()


def ranker(lr: float = 0.02, epochs: int = 6, batch: int = 2000, **options) -> Callable:
    """Adam with a linear decay of the rate; the gate and its tables learn three times as fast."""

    def run(train: AdLog, test: AdLog, seed: int) -> np.ndarray:
        torch.manual_seed(seed)
        model = Ranker(**options)
        mixture = [p for p in (model.gate, model.tables) if p is not None]
        rest = [p for p in model.parameters() if not any(p is q for q in mixture)]
        groups = [{"params": rest, "lr": lr}, {"params": mixture, "lr": 3 * lr}]
        optimizer = torch.optim.Adam([group for group in groups if group["params"]])
        x, y = torch.tensor(columns(train, IDS)), torch.tensor(train.click, dtype=torch.float32)
        steps = epochs * -(-len(y) // batch)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1, (step + 1) / 50) * max(0.02, 1 - step / steps)
        )
        for _ in range(epochs):
            for rows in torch.randperm(len(y)).split(batch):
                optimizer.zero_grad()
                logits, size = model(x[rows])
                (F.binary_cross_entropy_with_logits(logits, y[rows]) + 1e-3 * size).backward()
                optimizer.step()
                schedule.step()
        with torch.no_grad():
            return model(torch.tensor(columns(test, IDS)))[0].sigmoid().double().numpy()

    return run


LADDER = {
    "logistic regression, attributes": logistic(ATTRIBUTES, 1.0),
    "logistic regression, all ids": logistic(IDS, 1.0),
    "gradient boosting, target-encoded ids": boosting,
    "logistic regression, three crosses": logistic(CROSSES, 0.3),
    "logistic regression, user × ad and context × ad too": logistic(PAIRS, 1.0),
    "factorization machine": ranker(),
    "wide & deep": ranker(lr=0.01, deep=64),
    "factorization machine + a segment × category table": ranker(tables=1),
    "the same with two tables and a gate by site and hour": ranker(tables=2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2, help="ad logs to draw (default 2)")
    parser.add_argument("--models", default="", help="only the models whose name holds this text")
    arguments = parser.parse_args()
    names = [name for name in LADDER if arguments.models in name]

    share = {name: [] for name in names}
    seconds = {name: [] for name in names}
    console = Console()
    for seed in range(arguments.seeds):
        ads = data.load("ads", rows=TRAIN + TEST, seed=seed)
        train, test = ads[:TRAIN], ads[TRAIN:]
        for name in names:
            began = time.perf_counter()
            p = LADDER[name](train, test, seed)
            seconds[name].append(time.perf_counter() - began)
            share[name].append(100 * test.share_of_gap(p))
            console.print(
                f"seed {seed}: {name}: {share[name][-1]:.1f} %, {seconds[name][-1]:.0f} s", style="dim"
            )

    table = Table(title=f"share of the gap on {TEST:,} held-out rows, {arguments.seeds} seeds")
    for column in ("model", "min", "mean", "max", "seconds"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for name in names:
        low, middle, high = min(share[name]), mean(share[name]), max(share[name])
        table.add_row(name, f"{low:.1f} %", f"{middle:.1f} %", f"{high:.1f} %", f"{mean(seconds[name]):.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
