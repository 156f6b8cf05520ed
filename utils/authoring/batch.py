"""Lectures with other parameters: `dlmap run` executes them with papermill, `dlmap claims` over seeds."""

import ast
import json
import os
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
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
from utils.authoring.sources import Page, code_cells, code_hash, dumps, pages, read
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
        default = known[name]
        try:
            value = text if isinstance(default, str) else ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        if type(value) is int and isinstance(default, float):
            value = float(value)
        if type(value) is not type(default):
            kind = type(default).__name__
            raise UserError(f"{name} of {lecture} is of type {kind}, like {default!r}; got {text!r}")
        values[name] = value
    runtime.check_parameters(
        values.get("PROFILE", "lecture"), values.get("SEED", 0), values.get("BUDGET", 1.0)
    )
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


# --- claims --------------------------------------------------------------------------------------------


@dataclass
class Measured:
    """A claim of a lecture over several seeds."""

    lecture: str
    claim: str
    bound: str
    measured: list[float]
    held: int
    seeds: int

    @property
    def spread(self) -> str:
        """For people: "0.09 – 0.11 – 0.12": least, median and most; one number where they agree."""
        values = [value for value in self.measured if isinstance(value, int | float)]  # nan travels as text
        if not values:
            return "nothing"
        shown = [f"{f(values):.3g}" for f in (min, statistics.median, max)]
        return " – ".join(shown) if len(set(shown)) > 1 else shown[0]


def claims(root: Path, numbers: list[str], seeds: int, jobs: int, out: Path) -> tuple[list, list[str]]:
    """Run lectures over seeds 0 … `seeds`-1 and gather every claim; writes `claims.json` and `claims.md`.

    The files also keep what was measured before on other lectures, if their code has not changed since.
    Returns: the table of this run, a `Measured` each; and what crashed or did not hold, a line each.
    """
    todo, stems = {}, {}
    chosen = lectures(root, numbers)
    built = {page.path.stem: page.stored() for page in pages(root) if page.path.parent.name == "lectures"}
    codes = {stem: code_hash(nb) for stem, nb in built.items() if nb is not None}
    for page in chosen:
        for seed in range(seeds):
            name = f"{page.path.stem} seed {seed}"
            todo[name] = (page.path, out / f"seed-{seed}" / page.path.name, {"SEED": seed})
            stems[name] = page.path.stem
    table: dict[tuple[str, str], Measured] = {}
    problems = []
    for name, result in run_many(todo, jobs, strict=False).items():
        if isinstance(result, NotebookFailed):
            problems.append(f"{name}: {result}")
            continue
        seen = set()
        for fact in facts(read(result.path), "claim"):
            key = stems[name], fact["claim"]
            if key in seen:
                problems.append(f"{stems[name]}: two claims say the same: {fact['claim']}")
                continue
            seen.add(key)
            row = table.setdefault(key, Measured(*key, bound(fact), [], 0, seeds))
            row.measured.append(fact["measured"])
            row.held += fact["held"]
    rows = list(table.values())
    problems += [
        f"{row.lecture}: held on {row.held} of {seeds} seeds: {row.claim}" for row in rows if row.held < seeds
    ]
    store(rows, [page.path.stem for page in chosen], codes, seeds, out)
    return rows, list(dict.fromkeys(problems))


def facts(nb: NotebookNode, key: str) -> list[dict]:
    """What the cells of an executed notebook emitted for tools: the `dlmap` entries that have `key`."""
    outputs = [output for cell in code_cells(nb) for output in cell.outputs]
    found = [output.get("metadata", {}).get("dlmap", {}) for output in outputs]
    return [fact for fact in found if key in fact]


def bound(fact: dict) -> str:
    low, high = fact["at_least"], fact["at_most"]
    if high is None:
        return f"≥ {low:g}"
    return f"≤ {high:g}" if low is None else f"∈ [{low:g}, {high:g}]"


def store(rows: list[Measured], ran: list[str], codes: dict[str, str], seeds: int, out: Path) -> None:
    """Write the table for machines and for people, with date and versions.

    `ran` are the lectures of this run, `codes` says of every lecture which code it has now. Rows of other
    lectures are kept if the same code was measured on as many seeds with the same versions.
    """
    versions = {name: version(name) for name in ("numpy", "torch", "scikit-learn")}
    about = {"seeds": seeds, "versions": versions}
    json_path = out / "claims.json"
    before = json.loads(json_path.read_text(encoding="utf-8")) if json_path.exists() else {}
    fits = before.items() >= about.items() and "lectures" in before
    kept = {
        lecture: run
        for lecture, run in (before["lectures"] if fits else {}).items()
        if lecture not in ran and codes.get(lecture) == run["code"]
    }
    today = {"date": date.today().isoformat()}
    measured = kept | {lecture: today | {"code": codes[lecture]} for lecture in ran}
    rows = [*(Measured(**row) for row in before.get("claims", []) if row["lecture"] in kept), *rows]
    rows.sort(key=lambda row: row.lecture)
    everything = about | {
        "lectures": dict(sorted(measured.items())),
        "claims": [asdict(row) for row in rows],
    }
    atomic_write(json_path, json.dumps(everything, indent=1, ensure_ascii=False) + "\n")
    dates = sorted({run["date"] for run in measured.values()})
    when = " to ".join(dict.fromkeys([dates[0], dates[-1]]))
    lines = [
        f"# Claims over {seeds} seeds",
        "",
        f"Measured {when} with " + ", ".join(f"{name} {v}" for name, v in versions.items()) + ".",
        "",
        "| lecture | claim | bound | least – median – most | held |",
        "|---|---|---|---|---|",
        *(f"| {r.lecture} | {r.claim} | {r.bound} | {r.spread} | {r.held}/{r.seeds} |" for r in rows),
    ]
    atomic_write(out / "claims.md", "\n".join(lines) + "\n")
