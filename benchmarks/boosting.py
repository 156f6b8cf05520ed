"""Fit time of our gradient boosting against scikit-learn's HistGradientBoosting at equal size: a ratio.

usage: python benchmarks/boosting.py [rounds]

The same rows, columns and rounds, trees of the same depth and most leaves, one thread each. Both run in
turn, so that a machine whose speed drifts slows both; the median ratio counts. Goal: at most 5 on the ad log.
"""

import os
import sys
import time
from statistics import median

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy and scikit-learn start their threads

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import HistGradientBoostingClassifier

from utils import data
from utils.scratch.ensembles import GradientBoostingClassifier

DEPTH, TREES = 5, 50


def ad_log(rows: int = 140_000) -> tuple[np.ndarray, np.ndarray]:
    """Ids and attributes as numbers: (rows, 12), and the clicks."""
    log = data.load("ads", rows=rows)
    return np.column_stack(list(log.features.values())).astype(float), log.click


def seconds(model, x: np.ndarray, y: np.ndarray) -> float:
    start = time.perf_counter()
    model.fit(x, y)
    return time.perf_counter() - start


def main(rounds: int = 5) -> None:
    tables = {
        "ad log": ad_log(),
        "digits": load_digits(return_X_y=True),
        "breast cancer": load_breast_cancer(return_X_y=True),
    }
    for name, (x, y) in tables.items():
        times = []
        for _ in range(rounds):
            ours = GradientBoostingClassifier(TREES, max_depth=DEPTH)
            theirs = HistGradientBoostingClassifier(
                max_iter=TREES, max_depth=DEPTH, max_leaf_nodes=2**DEPTH, early_stopping=False
            )
            times.append((seconds(ours, x, y), seconds(theirs, x, y)))
        ratio = median(ours / theirs for ours, theirs in times)
        ours, theirs = (median(column) for column in zip(*times, strict=True))
        print(
            f"{name:14s} {x.shape[0]:7,} × {x.shape[1]:2d}, {TREES} rounds: "
            f"ours {ours:6.2f} s   scikit-learn {theirs:6.2f} s   median ratio {ratio:.2f}"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
