"""What each check tests, one file a lecture; `utils.checks` says what a task file is written with."""

from dataclasses import replace
from functools import cache

import numpy as np

from utils.checks import Case


def without_truth(log):
    """The ad log as an answer may see it: what happened, not the probability from which it was drawn."""
    return replace(log, truth=np.full(len(log), np.nan))


def without_clicks(log):
    """The ad log before it has happened: no clicks, no truth."""
    return replace(without_truth(log), click=np.zeros_like(log.click))


@cache
def hidden_ad_logs() -> list[Case]:
    """Two ad logs, split in time. The answer sees no truth, and no clicks of the future."""
    from utils import data

    cases = []
    for seed in (71, 72):
        log = data.load("ads", rows=120_000, seed=seed)
        past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
        cases.append(Case(f"ad log {seed}", (without_truth(past), without_clicks(future)), known=(future,)))
    return cases
