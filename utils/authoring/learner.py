"""`dlmap check`: run the learner's own copy of an exercise in memory; the file stays as it is."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from utils.authoring.batch import facts
from utils.authoring.copies import copy_of, find
from utils.authoring.execute import NotebookFailed, in_parallel, run_notebook
from utils.authoring.sources import code_cells, code_hash, pages, read
from utils.errors import UserError

MARKS = {"done": "✔", "wrong": "✗", "todo": "○"}


@dataclass(frozen=True)
class Result:
    """What became of one task: a state of `MARKS`, and the line that says why."""

    task: str
    state: str
    message: str


def check(folder: Path, work: Path, number: str) -> tuple[list[Result], list[str]]:
    """Run the learner's copy in memory; the file stays as it is.

    Returns: a result for every task of the exercise; and what stopped, a line each.
    """
    source = find(folder, number, "exercise")
    copy = copy_of(source, work)
    if not copy.exists():
        raise UserError(no_copy(source, copy))
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


def no_copy(original: Path, copy: Path) -> str:
    """What to do where there is no copy yet: somebody may have worked in the course's own notebook."""
    number = original.stem[:2]
    (page,) = (page for page in pages(original.parents[1], [number]) if page.path == original)
    if code_hash(read(original)) == code_hash(page.build()):
        return f"no {copy}; begin with `dlmap start {number}`"
    return (
        f"no {copy}, but {original} itself was changed: `dlmap start {number}` copies it as it is, "
        f"then `git restore {original.name}` in its folder brings the course's back"
    )


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
