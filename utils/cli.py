"""`dlmap`: the command of the course.

For learners: lab, start, reset, check, progress. For everyone: data, doctor, guide, slides.
For authors: build, site, run, claims.
"""

# What is heavy is imported inside the command that needs it, so that `dlmap --help` answers at once.
import errno
import sys
from pathlib import Path
from typing import Annotated

import typer
import typer.core
from rich.text import Text

from utils import paths
from utils.console import console, finish, show, tell
from utils.errors import UserError

# What a folder or a disk refuses; anything else is a fault of ours, and stays a traceback.
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, getattr(errno, "EDQUOT", None))


class Commands(typer.core.TyperGroup):
    """A mistake of the user's is one line on stderr and code 2, not a traceback."""

    def invoke(self, ctx: typer.Context) -> object:
        try:
            return super().invoke(ctx)
        except UserError as error:
            print(f"dlmap: {error}", file=sys.stderr)
            raise typer.Exit(2) from None
        except OSError as error:
            if error.errno not in REFUSED or not error.filename:
                raise
            remedy = "allow it or make room there, or name another folder where the command takes one"
            print(f"dlmap: {error.filename}: {error.strerror}; {remedy}", file=sys.stderr)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
MARKS = {"done": Text("✔", "green"), "wrong": Text("✗", "red"), "todo": Text("○", "yellow")}

Number = Annotated[str, typer.Argument(metavar="NN", help="A lecture: 04.")]
Numbers = Annotated[list[str] | None, typer.Argument(metavar="[NN]...", help="Lectures; all, if none.")]
Budget = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="Times as many training steps: 3; 1, if not given.")
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Notebooks at a time; here 2 for build, else 1; on a cluster one a worker."),
]
Cluster = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler, tcp://host:8786; here, if none.")
]
Force = Annotated[bool, typer.Option("--force", help="Run again what was run with the same code.")]


@app.callback()
def begin(ctx: typer.Context) -> None:
    """What every command sees to first; `doctor` tells of all that it finds, and changes nothing."""
    from utils import environment

    paths.course()
    if ctx.invoked_subcommand != "doctor":
        environment.prepare()


# --- for learners --------------------------------------------------------------------------------------


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(
    ctx: typer.Context,
    stage: Annotated[
        str | None, typer.Option(metavar="NN", help="A lecture for a projector, on a copy to be thrown away.")
    ] = None,
) -> None:
    """Open JupyterLab on the first lecture; further arguments go to it (--no-browser --port 9999)."""
    from utils.authoring.lab import open_lab

    open_lab(paths.ROOT, paths.work(), ctx.args, stage)


@app.command()
def start(number: Number) -> None:
    """Copy a lecture and its exercises to your own folder; never overwrites."""
    from utils.authoring import copies

    tell(copies.start(paths.ROOT, paths.work(), number))


@app.command()
def reset(
    number: Number,
    kind: Annotated[str | None, typer.Argument(metavar="[lecture|exercises]", help="Both, if none.")] = None,
) -> None:
    """Put a fresh copy in your own folder; the one that was there stays, under a new name."""
    from utils.authoring import copies

    tell(copies.reset(paths.ROOT, paths.work(), number, kind))


@app.command()
def check(number: Number) -> None:
    """Run your copy of an exercise and say which tasks are right; the file stays as it is.

    Ends with 0 where every task is right, with 1 where one is wrong, stopped or not written yet.
    """
    from utils import progress as state
    from utils.authoring import learner

    results, stopped = learner.check(paths.EXERCISES, paths.work(), number)
    show("", ["", "task", ""], ((MARKS[r.state], r.task, r.message) for r in results))
    for line in stopped:
        console.print(Text.assemble(MARKS["wrong"], f" {line}"), soft_wrap=True)
    tasks, right = {r.task for r in results}, {r.task for r in results if r.state == "done"}
    ever = len(tasks & (state.done() | right))
    console.print(f"{len(right)} of {len(tasks)} right in this run; {ever} of {len(tasks)} done so far")
    if right < tasks:
        raise typer.Exit(1)


@app.command()
def progress(
    map: Annotated[bool, typer.Option("--map", help="Draw the map with your progress too.")] = False,
    share: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what you share with a room.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="With --share: what you are called there.")] = None,
    all: Annotated[
        Path | None, typer.Option("--all", metavar="FOLDER", help="Show what the members of a room shared.")
    ] = None,
) -> None:
    """Show what you have done so far; share it, or show what the members of a room shared."""
    from utils import checks, room
    from utils import progress as state

    if sum((map, share is not None, all is not None)) > 1:
        raise UserError("--map, --share and --all are three commands; give one of them")
    if name is not None and share is None:
        raise UserError("--name is what --share writes into its file; give it together with --share FILE")
    if share is not None:
        own = room.share(share, name)
        under = f"under the name {own.name}" if own.name else "without a name"
        what = f"tasks: {len(own.tries)}, predictions: {len(own.guesses)}, {under}"
        console.print(f"written: {share}; {what}. It is text: read it.", soft_wrap=True, markup=False)
        return
    if all is not None:
        show_room(all)
        return
    done, tries = state.done(), state.tries()
    rows = []
    for number, name in paths.units().items():
        names = [task.name for task in checks.tasks(number)]
        count = sum(task in done for task in names)
        tried = sum(task in tries for task in names)
        rows.append((name, "●" * count + "○" * (len(names) - count), f"{count} of {len(names)}", str(tried)))
    show("Your progress", ["lecture", "", "done", "tried"], rows)
    seen = [guess for guess in state.predictions().values() if guess["measured"] is not None]
    right = sum(guess["choice"] == guess["measured"] for guess in seen)
    waiting = len(state.predictions()) - len(seen)
    console.print(f"predictions: {right} right of {len(seen)}; {waiting} still wait for their run")
    if map:
        from utils import concept_map

        picture = paths.BUILD / "map.svg"
        paths.atomic_write(picture, concept_map.svg(progress=checks.fractions()))
        console.print(f"the map: {picture}", soft_wrap=True)


def show_room(folder: Path) -> None:
    """The table and the picture of a room."""
    from utils import room

    members, notes = room.gather(folder)
    tasks, most = room.tasks(), 5
    rows = [
        (name, f"{len(m.done)} of {len(tasks)}", str(len(m.tries)), "{} of {}".format(*m.right), str(m.day))
        for name, m in zip(room.names(members), members, strict=True)
    ]
    show("The room", ["member", "done", "tried", "predictions right", "shared on"], rows)
    missed = room.missed(members)[:most]
    if missed:
        rows = [(row.name, f"{row.wrong} of {row.seen}", row.said, row.shows) for row in missed]
        show("\nPredictions missed most", ["", "missed by", "most of them said", "the run shows"], rows)
    tried = room.tried(members)[:most]
    if tried:
        rows = [(row.name, str(row.wrong), f"{row.done} of {row.members}") for row in tried]
        show("\nTasks with most wrong tries", ["", "wrong tries", "right now"], rows)
    for note in notes:
        print(f"· {note}", file=sys.stderr)
    picture = paths.BUILD / "room.svg"
    try:
        paths.atomic_write(picture, room.picture(members))
    except OSError as error:
        raise UserError(f"no picture: cannot write {picture}: {error.strerror}") from None
    console.print(f"the picture: {picture}", soft_wrap=True)


# --- for everyone --------------------------------------------------------------------------------------


@app.command()
def data(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Get these ready.")] = None,
) -> None:
    """Say which datasets are here; with names, make or download them."""
    from utils import data as datasets

    for name in names or []:
        datasets.prepare(name)
    rows = [
        (
            "✔" if row.ready else "○",
            row.name,
            row.kind,
            f"{row.size / 1e6:.1f} MB" if row.size else "",
            row.place,
        )
        for row in datasets.status()
        if not names or row.name in names
    ]
    show("", ["", "dataset", "", "on disk", "where"], rows)


@app.command()
def doctor() -> None:
    """Examine this machine and say what to do; ends with 1 where something is wrong."""
    from utils.authoring.doctor import examine

    findings = examine(paths.ROOT)
    marks = ((("✗" if f.remedy else "✔"), f.what, f.found, f.remedy) for f in findings)
    show("", ["", "", "found", "what to do"], marks)
    if any(finding.remedy for finding in findings):
        raise typer.Exit(1)


# --- for authors ---------------------------------------------------------------------------------------


@app.command()
def build(
    numbers: Numbers = None,
    run: Annotated[bool, typer.Option("--run", help="Execute what changed and store its outputs.")] = False,
    force: Annotated[bool, typer.Option("--force", help="With --run: execute all of them.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; say what is out of step.")] = False,
    jobs: Jobs = None,
    cluster: Cluster = None,
) -> None:
    """Build the notebooks from their sources."""
    from utils.authoring import build as workshop

    if check and (run or force):
        raise UserError("--check writes nothing; leave out --run and --force")
    if force and not run:
        raise UserError("--force says what to execute; give it together with --run")
    if check:
        finish(workshop.check(paths.ROOT, numbers or []))
    else:
        options = {"run": run, "force": force, "jobs": jobs, "cluster": cluster, "console": console}
        finish(workshop.build(paths.ROOT, numbers or [], **options))


@app.command()
def site(
    out: Annotated[Path, typer.Option(help="Where the pages go.")] = paths.BUILD / "site",
) -> None:
    """Make the course's web pages from the stored notebooks; nothing is executed."""
    from utils.site.build import build

    missing, problems = build(paths.ROOT, out.resolve())
    for line in missing:
        console.print(f"· {line}", soft_wrap=True, markup=False)
    console.print(f"written: {out / 'index.html'}", soft_wrap=True)
    finish(problems)


@app.command()
def guide(
    number: Number,
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = paths.BUILD / "guide",
) -> None:
    """Lay out the facilitator's guide to a lecture for paper, from its stored notebook."""
    from utils.site.build import guide_page

    page, problems = guide_page(paths.ROOT, number, out.resolve())
    console.print(f"written: {page}; open it in a browser and print it", soft_wrap=True)
    finish(problems)


@app.command()
def slides(
    number: Number,
    out: Annotated[Path, typer.Option(help="Where the slides go, in a folder of their own.")] = paths.BUILD
    / "slides",
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open them in the browser.")] = True,
) -> None:
    """Make the slides of a lecture from its stored notebook, and open them; nothing is executed."""
    import webbrowser

    from utils.slides.build import slides

    page = slides(paths.ROOT, number, out.resolve())
    console.print(f"written: {page}; S opens the speaker's view, F fills the screen", soft_wrap=True)
    if show and not webbrowser.open(page.as_uri()):
        console.print("no browser was found here: open that file in one", soft_wrap=True)


@app.command()
def run(
    numbers: Numbers = None,
    profile: Annotated[str | None, typer.Option(help="lecture or full.")] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda, mps, or emulated: fails as a GPU would.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="A whole number from 0.")] = None,
    budget: Budget = None,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", metavar="NAME=VALUE", help="Any other parameter.")
    ] = None,
    jobs: Jobs = None,
    cluster: Cluster = None,
    force: Force = False,
    out: Annotated[Path, typer.Option(help="Where the executed notebooks go.")] = paths.BUILD / "run",
) -> None:
    """Execute lectures with other parameters; the executed notebooks are kept, those that failed too."""
    from utils.authoring import batch
    from utils.authoring.execute import NotebookFailed

    given = {
        "PROFILE": profile,
        "DEVICE": device,
        "SEED": None if seed is None else str(seed),
        "BUDGET": budget,
    }
    given = {name: value for name, value in given.items() if value is not None}
    for text in parameter or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"-p takes NAME=VALUE, got {text!r}")
        given[name] = value
    results = batch.run(paths.ROOT, numbers or [], given, jobs, out.resolve(), cluster, force)
    rows = []
    for name, result in results.items():
        if isinstance(result, batch.Run):
            slowest = max(range(len(result.seconds)), key=result.seconds.__getitem__)
            cell = f"[{slowest + 1}] {result.seconds[slowest]:.1f} s"
            rows.append((name, f"{sum(result.seconds):.1f} s", cell, str(result.path)))
    show("", ["lecture", "cells took", "slowest", "executed notebook"], rows)
    finish(f"{name}: {result}" for name, result in results.items() if isinstance(result, NotebookFailed))


@app.command()
def claims(
    numbers: Numbers = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0 to N-1.")] = 5,
    budget: Budget = None,
    jobs: Jobs = None,
    cluster: Cluster = None,
    force: Force = False,
    out: Annotated[Path, typer.Option(help="Where the table goes.")] = paths.BUILD / "claims",
) -> None:
    """Measure every claim of the lectures over several seeds; say which bounds say too little."""
    from utils.authoring import measure

    where = jobs, out.resolve(), cluster
    rows, problems = measure.claims(paths.ROOT, numbers or [], seeds, budget, *where, force)
    columns = ["lecture", "claim", "bound", "least – median – most", "held"]
    show(
        f"Claims over {seeds} seeds, budget {budget or 1}",
        columns,
        ((r.lecture, r.claim, r.bound, r.spread, r.verdict) for r in rows),
    )
    console.print(f"written: {out / 'claims.md'}", soft_wrap=True)
    finish(problems)


if __name__ == "__main__":
    app()
