"""`dlmap start` and `dlmap check`: the learner's own copy of an exercise. Nothing here ever overwrites it."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from utils.authoring.batch import facts
from utils.authoring.execute import NotebookFailed, in_parallel, run_notebook
from utils.authoring.sources import code_cells, read
from utils.errors import UserError, choose

MARKS = {"done": "✔", "wrong": "✗", "todo": "○"}


@dataclass(frozen=True)
class Result:
    """What became of one task: a state of `MARKS`, and the line that says why."""

    task: str
    state: str
    message: str


def exercise(folder: Path, number: str) -> Path:
    """The exercise of a lecture: ("…/exercises", "1") -> "…/exercises/01_regression.ipynb"."""
    known = {path.stem[:2]: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    key = number.zfill(2) if number else number
    if key not in known:
        raise choose("exercise", number, known)
    return known[key]


def start(folder: Path, work: Path, number: str) -> str:
    """Copy an exercise to the learner's folder, unless a copy is there. Returns what to tell the learner."""
    source = exercise(folder, number)
    copy = work / source.name
    try:
        work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=work, prefix=".start-") as aside:
            whole = shutil.copyfile(source, Path(aside) / source.name)
            os.link(whole, copy)  # the name appears with the whole file behind it, or not at all
    except FileExistsError:
        if not copy.exists():
            raise UserError(f"{work} is a file; remove it, or set DLMAP_WORK to a folder") from None
        newer = source.stat().st_mtime > copy.stat().st_mtime
        said = "; the exercise has changed since, rename your copy to start it afresh" if newer else ""
        return f"your copy is there already and stays as it is: {copy}{said}"
    except OSError as error:
        raise UserError(
            f"cannot write {copy}: {error.strerror}; make room, or set DLMAP_WORK to a folder you own"
        ) from None
    return f"your copy: {copy}"


def check(folder: Path, work: Path, number: str) -> tuple[list[Result], list[str]]:
    """Run the learner's copy in memory; the file stays as it is.

    Returns: a result for every task of the exercise; and what stopped, a line each.
    """
    source = exercise(folder, number)
    copy = work / source.name
    if not copy.exists():
        raise UserError(f"no {copy}; begin with `dlmap start {source.stem[:2]}`")
    try:
        nb = read(copy)
    except UserError as error:
        raise UserError(f"{error} any more; rename it and `dlmap start` a new copy") from None
    name = source.stem
    outcome = in_parallel(run_copy, {name: (nb, work)}, {name: len(code_cells(nb))}, 1)[name]
    if isinstance(outcome, NotebookFailed):
        raise UserError(f"{name}: {outcome}")
    ran, problems = outcome
    said = {fact["task"]: Result(fact["task"], fact["state"], fact["message"]) for fact in facts(ran, "task")}
    asked = [
        task
        for cell in code_cells(read(source))
        for task in re.findall(r"\bcheck\(\s*[\"']([^\"']+)", cell.source)
    ]
    absent = "its check did not run; keep the check cells of the exercise"
    return [said.get(task, Result(task, "todo", absent)) for task in dict.fromkeys(asked)], problems


def run_copy(nb: NotebookNode, folder: Path, tell: Callable[[], None]) -> tuple[NotebookNode, list[str]]:
    """Execute every cell, whatever the ones before it did; returns the notebook and what stopped."""
    os.environ.update(DLMAP_BATCH="1", DLMAP_STRICT="0")
    problems = []
    try:
        run_notebook(nb, folder, tell, allow_errors=True)
    except NotebookFailed as error:  # too slow, or out of memory: the cells after it did not run
        problems.append(str(error))
    for cell in code_cells(nb):
        for output in cell.outputs:
            if output.output_type == "error":
                problems.append(
                    f"cell [{cell.execution_count}] {output.ename}: {output.evalue}".splitlines()[0]
                )
    return nb, problems
