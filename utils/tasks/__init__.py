"""What each check tests, one file a lecture; `utils.checks` says what a task file is written with."""

from dataclasses import replace
from functools import cache

import numpy as np

from utils.checks import Case


@cache
def hidden_ad_logs() -> list[Case]:
    """Two ad logs, split in time. The future as the answer sees it has no clicks and no truth."""
    from utils import data

    cases = []
    for seed in (71, 72):
        log = data.load("ads", rows=120_000, seed=seed)
        past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
        hidden = replace(future, click=np.zeros_like(future.click), truth=np.full(len(future), np.nan))
        cases.append(Case(f"ad log {seed}", (past, hidden), known=(future,)))
    return cases
