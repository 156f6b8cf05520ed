"""Lectures with other parameters, put in by papermill: `dlmap run`."""

import ast
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from utils import runtime
from utils.authoring.execute import NotebookFailed
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


def parse(
    given: dict[str, str], known: dict[str, Any], lecture: str, elsewhere: bool = False
) -> dict[str, Any]:
    """Turn the texts of a command line into values of the types that the lecture's defaults have.

    `elsewhere`: the lecture runs on another machine, which may have an accelerator that this one has not.
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
    device = values.get("DEVICE", "auto")
    if device != "auto" and not (elsewhere and device.split(":")[0] in ("cuda", "mps")):
        runtime.find_device(device)
    return values


# --- runs ----------------------------------------------------------------------------------------------


def run(
    root: Path,
    numbers: list[str],
    given: dict[str, str],
    jobs: int | None,
    out: Path,
    cluster: str | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Execute lectures with the given parameters; `out` receives the notebooks, those that failed too.

    Returns: lecture -> Run or NotebookFailed.
    """
    todo = {}
    for page in lectures(root, numbers):
        known = parameters_of(read(page.path))
        todo[page.path.stem] = (
            page.path,
            out / page.path.name,
            parse(given, known, page.path.stem, cluster is not None),
        )
    return run_many(todo, jobs, strict=True, cluster=cluster, force=force)


def run_many(
    todo: dict[str, tuple[Path, Path, dict]],
    jobs: int | None,
    *,
    strict: bool,
    cluster: str | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Run name -> (notebook, output, parameters); each output is written as soon as it is there.

    An output that came from the same code and parameters, and from the same course, stands: it is not run
    again but with `force`. Returns: name -> Run or NotebookFailed.
    """
    from utils.authoring.cluster import Job, Ran, course, in_parallel

    work, stamps, done = {}, {}, {}
    for name, (path, output, given) in todo.items():
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot write to {output.parent}: {error.strerror}; choose another --out"
            ) from None
        nb = parameterized(read(path), given)
        stamps[name] = {"code": code_hash(nb), "strict": strict, "with": course()}
        if not force and (before := finished(output, stamps[name])):
            done[name] = before
        else:
            work[name] = Job(nb, path.parent, strict)
    if done:
        kept = f"· {len(done)} of {len(todo)} notebooks stand: same code, parameters and course"
        print(f"{kept}; --force runs them again", file=sys.stderr)

    def keep(name: str, ran: Ran) -> Run:
        output = todo[name][1]
        if not ran.error:
            ran.nb.metadata.dlmap = stamps[name] | {"seconds": ran.seconds}
        atomic_write(output, dumps(ran.nb))
        if ran.error:
            raise NotebookFailed(f"{ran.error}. See {output}")
        return Run(output, ran.seconds)

    if work:
        done |= in_parallel(work, keep, jobs if jobs or cluster else 1, cluster, force)
    return {name: done[name] for name in todo}


def parameterized(nb: NotebookNode, given: dict[str, Any]) -> NotebookNode:
    """The notebook without outputs, and with papermill's cell that sets the parameters."""
    from papermill.parameterize import parameterize_notebook

    for cell in code_cells(nb):
        cell.outputs, cell.execution_count = [], None
    for cell in nb.cells:
        cell.metadata.setdefault("tags", [])  # papermill counts on them, and on its own metadata
    nb.metadata.papermill = {}
    nb = parameterize_notebook(nb, given) if given else nb
    del nb.metadata["papermill"]
    return nb


def finished(output: Path, stamp: dict[str, Any]) -> Run | None:
    """The run that an output holds, if it is the one that the stamp describes and nobody edited it since."""
    try:
        nb = read(output)
    except (FileNotFoundError, UserError):
        return None
    said = dict(nb.metadata.get("dlmap", {}))
    seconds = said.pop("seconds", None)
    if said != stamp or code_hash(nb) != stamp["code"] or facts(nb, "needs"):
        return None  # what could not be measured there may be measured now
    return Run(output, seconds)


def facts(nb: NotebookNode, key: str) -> list[dict]:
    """What the cells of an executed notebook emitted for tools: the `dlmap` entries that have `key`."""
    outputs = [output for cell in code_cells(nb) for output in cell.outputs]
    found = [output.get("metadata", {}).get("dlmap", {}) for output in outputs]
    return [fact for fact in found if key in fact]
