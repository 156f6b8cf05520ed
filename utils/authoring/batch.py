"""Lectures with other parameters, executed with papermill: `dlmap run`."""

import ast
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from utils import runtime
from utils.authoring.execute import (
    QUIET,
    NotebookFailed,
    OwnKernel,
    batch_environment,
    failed,
    in_parallel,
    threads_each,
)
from utils.authoring.sources import Page, code_cells, dumps, pages, read
from utils.errors import UserError, choose
from utils.paths import atomic_write


@dataclass(frozen=True)
class Run:
    """An executed lecture: where it is, and the seconds that each of its code cells took."""

    path: Path
    seconds: list[float]


def lectures(root: Path, numbers: list[str]) -> list[Page]:
    """The lectures to run. Raises UserError for one that is unknown or not built."""
    chosen = [page for page in pages(root, numbers) if page.path.parent.name == "lectures"]
    for page in chosen:
        if not page.path.exists():
            raise UserError(f"{page.name} is not built; run `dlmap build {page.source.stem[:2]}`")
    return chosen


# --- parameters ----------------------------------------------------------------------------------------


def parameters_of(nb: NotebookNode) -> dict[str, Any]:
    """Name -> default, from the cell tagged `parameters`."""
    source = next((c.source for c in code_cells(nb) if "parameters" in c.metadata.get("tags", [])), "")
    return {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign)
    }


def parse(given: dict[str, str], known: dict[str, Any], lecture: str) -> dict[str, Any]:
    """Turn the texts of a command line into values of the types that the lecture's defaults have.

    Raises UserError for a name the lecture does not have (papermill would only log it), or another type.
    """
    values = {}
    for name, text in given.items():
        if name not in known:
            raise choose(f"parameter of {lecture}", name, known)
        try:
            number = float if isinstance(known[name], float) else ast.literal_eval
            values[name] = text if isinstance(known[name], str) else number(text)
        except (ValueError, SyntaxError):
            values[name] = text
    runtime.check_parameters(
        values.get("PROFILE", "lecture"), values.get("SEED", 0), values.get("BUDGET", 1.0)
    )
    for name, value in values.items():
        if type(value) is not type(known[name]):
            kind = type(known[name]).__name__
            raise UserError(f"{name} of {lecture} is of type {kind}, like {known[name]!r}; got {value!r}")
    if values.get("DEVICE", "auto") != "auto":
        runtime.find_device(values["DEVICE"])
    return values


# --- one run -------------------------------------------------------------------------------------------


def run(root: Path, numbers: list[str], given: dict[str, str], jobs: int, out: Path) -> dict[str, Any]:
    """Execute lectures with the given parameters; `out` receives the notebooks, those that failed too.

    Returns: lecture -> Run or NotebookFailed.
    """
    todo = {}
    for page in lectures(root, numbers):
        known = parameters_of(read(page.path))
        todo[page.path.stem] = (page.path, out / page.path.name, parse(given, known, page.path.stem))
    return run_many(todo, jobs, strict=True)


def run_many(todo: dict[str, tuple[Path, Path, dict]], jobs: int, *, strict: bool) -> dict[str, Any]:
    """Run name -> (notebook, output, parameters) side by side."""
    workers = min(jobs, len(todo))
    sizes = {
        name: len(code_cells(read(path))) + bool(given)  # papermill adds a cell
        for name, (path, _, given) in todo.items()
    }
    arguments = {name: (*job, threads_each(workers), strict) for name, job in todo.items()}
    for _, output, _ in todo.values():
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot write to {output.parent}: {error.strerror}; choose another --out"
            ) from None
    return in_parallel(run_one, arguments, sizes, workers)


def run_one(
    path: Path, output: Path, parameters: dict, threads: int, strict: bool, tell: Callable[[], None]
) -> Run:
    """Run one notebook with papermill, standing in the notebook's own folder. Raises NotebookFailed."""
    import papermill

    with tempfile.TemporaryDirectory(prefix="dlmap-") as work:
        os.environ.update(batch_environment(work, threads, strict=strict))
        try:
            papermill.execute_notebook(
                path,
                output,
                parameters,
                cwd=path.parent,
                progress_bar=False,
                kernel_manager_class=OwnKernel,
                extra_arguments=QUIET,
                store_widget_state=False,
                record_timing=False,
                on_cell_executed=lambda **_: tell(),
            )
        except papermill.PapermillExecutionError as error:
            why = f"{error.ename}: {error.evalue}"
            raise NotebookFailed(f"{failed(error.source, error.exec_count, why)}. See {output}") from None
        finally:
            seconds = tidy(output)
    return Run(output, seconds)


def tidy(path: Path) -> list[float]:
    """Take papermill's paths, times and error banners out of a notebook; returns the seconds of its cells."""
    nb = read(path)
    nb.metadata.pop("papermill", None)
    nb.cells = [cell for cell in nb.cells if "papermill-error-cell-tag" not in cell.metadata.get("tags", [])]
    notes = [(cell, cell.metadata.pop("papermill", {})) for cell in nb.cells]
    atomic_write(path, dumps(nb))
    return [note.get("duration") or 0.0 for cell, note in notes if cell.cell_type == "code"]


def facts(nb: NotebookNode, key: str) -> list[dict]:
    """What the cells of an executed notebook emitted for tools: the `dlmap` entries that have `key`."""
    outputs = [output for cell in code_cells(nb) for output in cell.outputs]
    found = [output.get("metadata", {}).get("dlmap", {}) for output in outputs]
    return [fact for fact in found if key in fact]
