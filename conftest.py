"""What tests and notebooks under test run with: nobody watching, offline, one thread, own folders.

Beside the result, a run of notebooks leaves `build/notebooks.md`: the seconds and the memory each one took.
"""

import json
import os
import tempfile
from pathlib import Path

import psutil
import pytest

from utils import environment
from utils.errors import UserError
from utils.paths import BUILD, ROOT, atomic_write

HOME = pytest.StashKey[tempfile.TemporaryDirectory]()


def pytest_configure(config: pytest.Config) -> None:
    """Runs in each worker before it starts a kernel; kernels and commands inherit the environment."""
    config.stash[HOME] = tempfile.TemporaryDirectory(
        prefix="dlmap-tests-",
        ignore_cleanup_errors=True,  # Windows removes no file that a kernel still has open
    )
    os.environ.update(
        DLMAP_BATCH="1",
        DLMAP_OFFLINE="1",
        DLMAP_THREADS="1",  # workers that share the cores must not fight for them
        OMP_NUM_THREADS="1",
        DLMAP_WORK=config.stash[HOME].name,  # no learner's progress is touched
        IPYTHONDIR=config.stash[HOME].name,  # no start-up files of anybody's
    )
    try:
        environment.prepare()
    except UserError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[HOME].cleanup()


# --- seconds and memory of each notebook ---------------------------------------------------------------


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """Note with a notebook's cell how much memory its kernel has held so far; runs in the worker."""
    kernel = getattr(item.parent, "kernel", None)  # nbval's
    if kernel is not None and call.when == "call" and kernel.is_alive():
        item.user_properties.append(("megabytes", memory(kernel.km.provisioner.process.pid)))
    yield


def memory(pid: int) -> float:
    """The most that a process has held in memory, in MB; where the system does not say, what it holds now."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return psutil.Process(pid).memory_info().rss / 2**20


def pytest_terminal_summary(terminalreporter) -> None:
    """Add the notebooks of this run to the table; runs where all results arrive."""
    taken: dict[str, dict[str, float]] = {}
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        path = report.nodeid.partition("::")[0]
        if path.endswith(".ipynb") and report.when == "call" and (ROOT / path).parent.parent == ROOT:
            row = taken.setdefault(path, {"seconds": 0.0, "slowest": 0.0, "megabytes": 0.0})
            row["seconds"] += report.duration
            row["slowest"] = max(row["slowest"], report.duration)
            row["megabytes"] = max(row["megabytes"], *dict(report.user_properties).values(), 0.0)
    if not taken:
        return
    total = sum(row["seconds"] for row in taken.values())
    said = f"{len(taken)} notebooks took {total:.0f} s of cells"
    try:
        keep(taken)
        terminalreporter.write_line(f"{said}: build/notebooks.md")
    except OSError as error:  # the table is a by-product: the result of the run stands
        terminalreporter.write_line(f"{said}; build/notebooks.md could not be written: {error.strerror}")


def keep(taken: dict[str, dict[str, float]]) -> None:
    """Write the table, with the rows of earlier runs for the notebooks that this one left out."""
    store = BUILD / "notebooks.json"
    try:
        known = json.loads(store.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # none yet, or a damaged one
        known = {}
    rows = {path: row for path, row in sorted((known | taken).items()) if (ROOT / path).exists()}
    atomic_write(store, json.dumps(rows, indent=1) + "\n")
    lines = ["| notebook | seconds | slowest cell | MB |", "|---|---|---|---|"]
    for path, row in rows.items():
        lines.append(f"| {path} | {row['seconds']:.1f} | {row['slowest']:.1f} | {row['megabytes']:.0f} |")
    atomic_write(BUILD / "notebooks.md", "\n".join(lines) + "\n")
