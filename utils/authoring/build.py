"""`dlmap build`: keep the stored notebooks in step with their sources, and run only what changed."""

from pathlib import Path

from rich.console import Console

from utils.authoring import index
from utils.authoring.execute import CELL_TIMEOUT, NotebookFailed, refuse_noise
from utils.authoring.sources import (
    Page,
    code_hash,
    fresh_problem,
    is_fresh,
    pages,
    sync_problem,
    with_maps,
    with_outputs,
    write,
)


def build(
    root: Path,
    numbers: list[str],
    *,
    run: bool,
    force: bool,
    jobs: int | None,
    cluster: str | None = None,
    console: Console | None = None,
) -> list[str]:
    """Build every notebook of the given lectures (all, if none is given) under `root`.

    Outputs stay while the code is the same. With `run`, notebooks whose code changed are executed (with
    `force`, all of them); one that fails is left on disk as it was.
    Returns: what failed, a line each.
    """
    console = console or Console()
    built = {page.name: (page, page.build()) for page in pages(root, numbers)}
    stale = {}
    for name, (page, nb) in built.items():
        fresh = is_fresh(nb, page.stored())
        if run and page.executed and (force or not fresh):
            stale[name] = (page, nb)
        else:
            kept = with_maps(with_outputs(nb, page.stored()), page) if fresh else nb
            report(console, page, write(page, kept))
            if page.executed and not fresh:
                console.print(
                    f"          {page.name} has no outputs now: its code changed, add --run", highlight=False
                )
    for page in index.write(root):
        console.print(f"written   {page.relative_to(root)}, its list of lectures", highlight=False)
    return execute(stale, jobs, cluster, force, console) if stale else []


def execute(
    stale: dict[str, tuple], jobs: int | None, cluster: str | None, force: bool, console: Console
) -> list[str]:
    """Run each (page, notebook), store it as soon as it ran; returns what failed."""
    from utils.authoring.cluster import Job, Ran, in_parallel

    def keep(name: str, ran: Ran) -> None:
        page, nb = stale[name]
        if ran.error:
            raise ran.error
        refuse_noise(ran.nb)
        ran.nb.metadata.dlmap = {"code": code_hash(nb)}
        report(console, page, write(page, with_maps(with_outputs(nb, ran.nb), page)))

    todo = {
        name: Job(nb, page.path.parent, strict=True, offline=True, timeout=CELL_TIMEOUT)
        for name, (page, nb) in stale.items()
    }
    results = in_parallel(todo, keep, jobs if jobs or cluster else 2, cluster, force)
    return [
        f"{name}: {result}. The stored notebook is left as it was."
        for name, result in results.items()
        if isinstance(result, NotebookFailed)
    ]


def report(console: Console, page: Page, changed: bool) -> None:
    console.print(f"{'written  ' if changed else 'unchanged'} {page.name}", highlight=False)


def check(root: Path, numbers: list[str]) -> list[str]:
    """What is out of step, a line each with what to do; writes nothing."""
    problems = [sync_problem(page) or fresh_problem(page) for page in pages(root, numbers)]
    problems += [
        f"{page.relative_to(root)}: its list of lectures is not that of the headers. Run `dlmap build`"
        for page in index.stale(root)
    ]
    return [problem for problem in problems if problem]
