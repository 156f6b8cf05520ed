"""`dlmap check`: run the learner's own copy of an exercise in memory; the file stays as it is."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from utils import progress
from utils.authoring.batch import facts
from utils.authoring.copies import copy_of, find
from utils.authoring.execute import CELL_TIMEOUT, NotebookFailed, bars, run_notebook
from utils.authoring.sources import code_cells, code_hash, pages, read
from utils.errors import UserError


@dataclass(frozen=True)
class Result:
    """What became of one task: "done", "wrong" or "todo", and the line that says why."""

    task: str
    state: str
    message: str


def check(
    folder: Path, work: Path, number: str, timeout: int = CELL_TIMEOUT
) -> tuple[list[Result], list[str]]:
    """Run the learner's copy in memory; the file stays as it is. A cell may take `timeout` seconds.

    Returns: a result for every task of the exercise; and the cells that stopped without keeping a check from
    its work, a line each.
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
    with bars() as progress_bar:
        bar = progress_bar.add_task(name, total=len(code_cells(nb)))
        ran, stopped = run_copy(nb, work, timeout, lambda: progress_bar.advance(bar))
    said = {fact["task"]: Result(fact["task"], fact["state"], fact["message"]) for fact in facts(ran, "task")}
    lines = {index: describe(ran.cells[index], why) for index, why in sorted(stopped.items())}
    setup, leads = parts(ran)
    for task, cells in leads.items():
        found = [index for index in cells if index in lines]
        if task in said:
            continue
        if any(index in lines for index in setup):
            said[task] = Result(
                task, "todo", "its check needs the cells before the first task, and one stopped"
            )
        elif found:
            said[task] = Result(task, "wrong", lines[found[0]])
            for index in found:  # the first of them made the others stop
                del lines[index]
    absent = "its check did not run; keep the check cells of the exercise"
    asked = dict.fromkeys(task for cell in read(source).cells for task in checked_in(cell))
    return [said.get(task, Result(task, "todo", absent)) for task in asked], list(lines.values())


def checked_in(cell: NotebookNode) -> list[str]:
    """The tasks that a cell checks."""
    names = re.findall(r"\bcheck\(\s*[\"']([^\"']+)", cell.source) if cell.cell_type == "code" else []
    return [progress.RENAMED.get(name, name) for name in names]


def parts(nb: NotebookNode) -> tuple[range, dict[str, range]]:
    """The cells before the first section, which all tasks need; and for each task those that only it has."""
    headings = (i for i, c in enumerate(nb.cells) if c.cell_type == "markdown" and "\n## " in "\n" + c.source)
    begin = next(headings, 0)
    setup, leads = range(begin), {}
    for index, cell in enumerate(nb.cells):
        for task in checked_in(cell):
            leads.setdefault(task, range(begin, index + 1))
            begin = index + 1
    return setup, leads


def describe(cell: NotebookNode, why: str) -> str:
    """What stopped, by the cell's first code: "the cell `def f(x):` stopped: SyntaxError: …"."""
    lines = [line.strip() for line in cell.source.splitlines()]
    first = next((line for line in lines if line and not line.startswith("#")), "")
    why = re.sub(r" \(\S+, (line \d+)\)$", r", \1", why.splitlines()[0])  # the file is one of the kernel's
    return f"the cell `{first[:60]}` stopped: {why}"


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


def run_copy(
    nb: NotebookNode, folder: Path, timeout: int, tell: Callable[[], None]
) -> tuple[NotebookNode, dict[int, str]]:
    """Execute every cell, whatever the ones before it did.

    After a cell that never ends, or that ends its kernel, a new kernel runs all cells but that one.
    Returns: the notebook; and for each cell that stopped, by its index, why.
    """
    options = {"environment": {"DLMAP_BATCH": "1", "DLMAP_STRICT": "0"}}
    options |= {"allow_errors": True, "shutdown_kernel": "immediate"}
    stopped: dict[int, str] = {}
    while True:
        try:
            run_notebook(nb, folder, tell, skip=stopped, timeout=timeout, **options)
            break
        except NotebookFailed as error:
            stopped[error.index] = error.why
    for index, cell in enumerate(nb.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                stopped.setdefault(index, f"{output.ename}: {output.evalue}")
    return nb, stopped
