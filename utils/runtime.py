"""Device, seed and profile of a run: the first thing that every notebook sets."""

import math
import os
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from utils import environment, paths
from utils.errors import UserError, choose

PROFILES = ("lecture", "full")


@dataclass(frozen=True)
class Run:
    """What a notebook needs to know about this run. `device` is a `torch.device`."""

    profile: str
    seed: int
    device: Any
    budget: float = 1.0

    def pick(self, *, lecture, full):
        """The value for this run's profile: `run.pick(lecture=5, full=50)`."""
        return {"lecture": lecture, "full": full}[self.profile]

    def steps(self, count: int) -> int:
        """Training steps under this run's budget, one at least: `run.steps(600)` is 1800 at a budget of 3."""
        return max(1, round(count * self.budget))


last: Run | None = None  # what `setup` returned last: a check asks where the answer should be


def setup(
    profile: str = "lecture",
    seed: int = 0,
    device: str = "auto",
    budget: float = 1.0,
    *,
    threads: int | None = None,
) -> Run:
    """Seed everything, choose the device, print one line that says what runs where.

    Parameters: `profile` is "lecture" or "full"; `device` is "auto", "cpu", "cuda", "cuda:1" or "mps",
    or "emulated": the CPU, refusing what a GPU would refuse (`utils/emulated.py`);
    `budget` multiplies the training steps (`run.steps`): does a sentence still hold when all train longer?
    `threads` is how many threads NumPy and PyTorch may use at most: 1 where the matrices are so small that
    a second thread would only wait. By default as many as they choose.
    Raises: UserError for an unknown profile, seed or budget, a device that this machine does not have, or an
    environment variable of the course that cannot be used.
    """
    import torch
    from threadpoolctl import threadpool_limits

    paths.course()
    check_parameters(profile, seed, budget)
    chosen, most = find_device(device), environment.threads()

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries that a lecture compares with still draw from it
    torch.manual_seed(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it a GPU may add up in any order
    torch.use_deterministic_algorithms(True, warn_only=True)
    limits = [limit for limit in (threads, most) if limit]
    if limits:
        torch.set_num_threads(min(limits))
        threadpool_limits(min(limits))  # NumPy's
    torchvision_ready()
    np.set_printoptions(precision=4, suppress=True)

    python = ".".join(map(str, sys.version_info[:2]))
    packages = " · ".join(f"{name} {version(name).split('+')[0]}" for name in ("numpy", "torch"))
    trains = "" if budget == 1 else f" · budget {budget:g}"
    print(f"Python {python} · {packages} · device {chosen} · profile {profile} · seed {seed}{trains}")
    here = paths.notebook()
    if here and here.parent == paths.EXERCISES and not batch():
        own = f"`dlmap start {here.name[:2]}` in a terminal"
        print(f"This file is the course's own, and updates replace it. For a copy of yours: {own}.")
    global last
    last = Run(profile, seed, chosen, float(budget))
    return last


def check_parameters(profile: str, seed: int, budget: float = 1.0) -> None:
    """Raises UserError for a profile, a seed or a budget that `setup` cannot take."""
    if profile not in PROFILES:
        raise choose("profile", profile, PROFILES)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise UserError(f"the seed is {seed!r}; expected a whole number from 0 to 4294967295")
    if isinstance(budget, bool) or not isinstance(budget, int | float) or not 0 < budget < math.inf:
        raise UserError(f"the budget is {budget!r}; expected a number above 0, such as 1 or 3")


def find_device(name: str):
    """The `torch.device` of that name; "auto" takes the best there is. Raises UserError, never falls back."""
    import torch

    if name.split(":")[0] == "emulated":
        from utils import emulated  # claims a device type of PyTorch's: only where it is asked for

        if name not in emulated.NAMES:
            raise choose("emulated device", name, emulated.NAMES)
        return emulated.find(name)
    there = ["cpu"]
    there += [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    there += ["mps"] if torch.backends.mps.is_available() else []
    if name == "auto":
        return torch.device("cuda" if "cuda:0" in there else there[-1])
    if name in there or (name == "cuda" and "cuda:0" in there):
        return torch.device(name)
    if name.split(":")[0] in ("cuda", "mps"):
        raise UserError(
            f"PyTorch finds no device {name!r} on this machine; choose one of: auto, {', '.join(there)}"
        )
    raise choose("device", name, ["auto", *there, "emulated"])


def torchvision_ready() -> None:
    """Make `import torchvision` work beside a CPU build of torch. Costs nothing and may be called twice.

    The package index carries torchvision built for CUDA only. Its compiled operators cannot load beside a
    CPU build of torch, and the import stops at "operator torchvision::nms does not exist". Declaring the
    schemas of the two operators first is enough; the course never calls them. Anywhere else nothing is
    declared, since the operators would then be declared twice.
    """
    import torch

    spec = find_spec("torchvision")  # finds the package without importing it
    if spec is None or not spec.origin or torch.version.cuda or _DECLARED:
        return
    if "+cu" not in Path(spec.origin).with_name("version.py").read_text(encoding="utf-8"):
        return
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DECLARED.append(library)  # the declaration lives as long as this object


_DECLARED: list = []


def strict() -> bool:
    """Whether a broken claim or a failed check raises: in tests and batch runs (`DLMAP_STRICT=1`)."""
    return environment.flag("DLMAP_STRICT")


def batch() -> bool:
    """Whether nobody is watching (`DLMAP_BATCH=1`): no progress bars and no widgets, so that outputs keep."""
    return environment.flag("DLMAP_BATCH")


COLOURS = {"✔": 32, "✗": 31, "○": 33}  # green, red and yellow, in the signs of a terminal


def say(line: str, **facts) -> None:
    """Show one line, and the same facts in structured form for the tools that read executed notebooks.

    A mark at its head has a colour where somebody watches: in a terminal or a live notebook.
    """
    from IPython import get_ipython
    from IPython.display import display

    plain = get_ipython() is None
    if (
        line[:1] in COLOURS
        and "NO_COLOR" not in os.environ
        and (sys.stdout.isatty() if plain else not batch())
    ):
        line = f"\x1b[{COLOURS[line[0]]}m{line[0]}\x1b[0m{line[1:]}"
    if plain:
        print(line)
    else:
        display({"text/plain": line}, raw=True, metadata={"dlmap": facts})


def track(iterable: Iterable, description: str) -> Iterable:
    """Walk through `iterable` with a progress bar where somebody is watching."""
    from tqdm.auto import tqdm

    return tqdm(iterable, desc=description, disable=batch(), leave=False)
