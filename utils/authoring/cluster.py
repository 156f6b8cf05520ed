"""Many notebooks at a time, through Dask: on workers of this machine, or on those of any cluster.

Each job is sent to a worker that is free: one with another course gets none, one that dies takes one along.
To import this takes half a second, so commands do it once they have something to execute.
"""

import asyncio
import hashlib
import logging
import os
import platform
import queue
import re
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, Security, Status, get_worker, rpc
from nbformat import NotebookNode
from rich.progress import TaskID

from utils.authoring.execute import CORES, NotebookFailed, bars, batch_environment, run_notebook
from utils.authoring.sources import code_cells
from utils.environment import threads
from utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]  # of the course that this very code belongs to
ANSWER, PATIENCE = 10, 60  # seconds that a scheduler may take to answer, and its first worker to come
VERSIONS = "numpy", "scikit-learn", "torch", "distributed"
# Workers of this machine take its environment as it is, and serve no pages.
LOCAL = {
    "distributed.nanny.pre-spawn-environ": {},
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


@dataclass
class Job:
    """A notebook to execute: its kernel stands in `folder`, a cell may take `timeout` seconds."""

    nb: NotebookNode
    folder: Path  # from the root of the course, which may be elsewhere on the worker
    strict: bool
    offline: bool = False
    timeout: int | None = None

    def __post_init__(self) -> None:
        if self.folder.is_relative_to(ROOT):
            self.folder = self.folder.relative_to(ROOT)

    @property
    def seconds(self) -> int:
        """What its header says that it takes; 0 where it says nothing."""
        found = re.search(r"\*\*CPU\*\* (\d+) s", self.nb.cells[0].source)
        return int(found[1]) if found else 0


@dataclass(frozen=True)
class Ran:
    """What became of a job: its notebook as far as it ran, the seconds of its cells, what ended it."""

    nb: NotebookNode
    seconds: list[float]
    error: NotebookFailed | None


# --- on a worker ---------------------------------------------------------------------------------------


@cache
def course() -> dict[str, str]:
    """What the numbers of a notebook hang on beside its own code; equal on two machines, or they differ."""
    digest = hashlib.sha256()
    for path in sorted([*ROOT.glob("utils/**/*.py"), *ROOT.glob("data/[!.]*.*")]):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\n".encode() + path.read_bytes())
    python = ".".join(platform.python_version_tuple()[:2])
    found = {"course": digest.hexdigest()[:8], "Python": python}
    return found | {
        name: version(name).partition("+")[0] for name in VERSIONS
    }  # CPU or CUDA is no difference


def course_now() -> dict[str, str]:
    """The same, of the files as they are now: a worker outlives a `git pull`."""
    course.cache_clear()
    return course()


def execute(job: Job, name: str, topic: str) -> Ran:
    """Run a notebook on this worker, with as many threads as it has; each cell is an event of the topic."""
    worker = get_worker()
    key = worker.get_current_task()
    # What Dask sets for its workers is not for kernels: a malloc that keeps no page takes half as long again.
    for name in dask.config.get("distributed.nanny.pre-spawn-environ"):
        os.environ.pop(name, None)

    def wanted() -> bool:
        """Whether somebody waits for it: not after Ctrl-C, nor when this worker or the scheduler goes."""
        task = worker.state.tasks.get(key)
        return worker.status in (Status.running, Status.paused) and task and task.state == "executing"

    seconds, ended = [], None
    with tempfile.TemporaryDirectory(dir=worker.local_directory, ignore_cleanup_errors=True) as work:
        most = worker.state.nthreads
        environment = batch_environment(work, min(most, threads() or most), strict=job.strict)
        if job.offline:
            environment["DLMAP_OFFLINE"] = "1"
        try:
            seconds = Context().run(  # an empty one: its own event loop, not that of whoever sent the job
                run_notebook,
                job.nb,
                ROOT / job.folder,
                lambda: worker.log_event(topic, name),
                environment=environment,
                wanted=wanted,
                timeout=job.timeout,
            )
        except NotebookFailed as error:
            ended = error
        except UserError as error:
            ended = NotebookFailed(str(error))
        except Exception as error:  # not every exception travels between processes; its words do
            ended = NotebookFailed(f"{type(error).__name__}: {error}")
    return Ran(job.nb, seconds, ended)


# --- here ----------------------------------------------------------------------------------------------


class Gone(Exception):
    """No scheduler answers, or no worker is left. The message says what to do."""


@contextmanager
def connected(address: str | None, workers: int) -> Iterator[Client]:
    """A client of the scheduler at an address; without one, of `workers` processes of this machine.

    These share its cores, and listen to nobody outside it. Raises UserError where no scheduler answers.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what happened is said once, by us
    if address is None:
        folder = tempfile.TemporaryDirectory(prefix="dlmap-", ignore_cleanup_errors=True)
        with (
            folder,
            dask.config.set(LOCAL),
            LocalCluster(
                n_workers=workers,
                threads_per_worker=max(1, CORES // workers),
                host="127.0.0.1",
                security=True,  # keys of this run only: who else is logged in here reaches nothing
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                memory_limit=0,  # what needs memory is the kernel, which Dask does not see
                local_directory=folder.name,
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        found = asyncio.run(asyncio.wait_for(kind(address), ANSWER))
    except Exception as error:  # whatever else listens there says whatever it likes
        found = str(error).partition("\n")[0] or "silence"
    if found != "Scheduler":
        raise UserError(
            f"no scheduler answers at {address!r} ({found}); start one with `dask scheduler`, "
            "and give the address that it prints, such as tcp://192.0.2.1:8786"
        )
    with Client(address, timeout=ANSWER) as client:
        yield client


async def kind(address: str) -> str:
    """What answers at an address: "Scheduler", "Worker". A client would wait for something mute for ever."""
    keys = Security().get_connection_args("client")
    async with rpc(address, connection_args=keys, timeout=ANSWER) as there:
        return (await there.identity())["type"]


class Crew:
    """The workers that have this very course. They come and go: whoever is new is asked what it has."""

    def __init__(self, client: Client, say: Callable[[str], None]) -> None:
        self.client, self.say = client, say
        self.known: dict[str, bool] = {}  # address -> whether it has this course
        self.present: list[str] = []
        self.asked = self.seen = time.monotonic()

    def here(self) -> list[str]:
        """The addresses of workers to be given work, asked anew once a second. Raises Gone."""
        if self.client.status == "running" and self.present and time.monotonic() - self.asked < 1:
            return self.present
        try:
            if self.client.status != "running":
                raise OSError("not connected")
            addresses = list(self.client.nthreads())
            new = [address for address in addresses if address not in self.known]
            answers = self.client.run(course_now, workers=new, on_error="return") if new else {}
        except (OSError, ValueError, RuntimeError):
            raise Gone("the scheduler went away; start it again") from None
        for address, theirs in answers.items():
            if isinstance(theirs, OSError):  # it left, or is asked again
                continue
            why = differs(theirs)
            self.known[address] = not why
            if why:
                self.say(f"· the worker {address} is left out: {why}")
        self.present = [address for address in addresses if self.known.get(address)]
        self.asked = time.monotonic()
        if self.present:
            self.seen = self.asked
        elif self.asked - self.seen > PATIENCE or (self.known and not any(self.known.values())):
            start = f"`dask worker {self.client.scheduler.address} --nthreads 1`"
            raise Gone(f"no worker has this very course; start one in a copy of it: {start}")
        return self.present


def differs(theirs: dict[str, str] | Exception) -> str:
    """How a worker's course differs from the one here, for people; nothing where it does not."""
    if isinstance(theirs, Exception):
        return f"it cannot import this course ({type(theirs).__name__}: {theirs})"
    other = [name for name, mine in course().items() if theirs.get(name) != mine]
    return "; ".join(f"{name} {theirs.get(name)} there, {course()[name]} here" for name in other)


@dataclass
class Running:
    """A job that a worker was given."""

    worker: str
    future: Future
    bar: TaskID
    began: float


def in_parallel(
    jobs: dict[str, Job],
    keep: Callable[[str, Ran], Any],
    workers: int | None,
    cluster: str | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Execute every job, the longest first, at most `workers` at a time: on this machine, or on a cluster.

    `keep(name, ran)` is called as soon as a notebook ran, to store it. A job whose worker died is given to
    another, once. Shows a bar for each that runs and, when it ends, a line with its time.
    Returns: name -> what `keep` returned, or the NotebookFailed that it raised or that ended the job.
    Raises: UserError where no scheduler or no worker is there, or none any more. There, and after Ctrl-C, it
    says how to go on: with `force`, what is done is no reason not to do it again.
    """
    workers = min(workers or len(jobs), len(jobs))
    waiting = deque(sorted(jobs, key=lambda name: -jobs[name].seconds))
    running: dict[str, Running] = {}
    results, deaths, mail = {}, Counter(), queue.Queue()
    topic = f"dlmap-{uuid4().hex}"
    with bars() as progress, connected(cluster, workers) as client:

        def say(line: str) -> None:
            progress.console.print(line, markup=False, soft_wrap=True)

        def begin(name: str, worker: str) -> None:
            future = client.submit(execute, jobs[name], name, topic, workers=worker, pure=False)
            future.add_done_callback(lambda future: mail.put((name, future)))
            bar = progress.add_task(name, total=len(code_cells(jobs[name].nb)))
            running[name] = Running(worker, future, bar, time.monotonic())

        def end(name: str) -> Running:
            progress.remove_task(running[name].bar)
            return running.pop(name)

        def finish(name: str, result: Any) -> None:
            results[name] = result
            seconds = time.monotonic() - end(name).began
            say(f"{'✗' if isinstance(result, NotebookFailed) else '✔'} {name} {seconds:.1f} s")
            progress.advance(whole)

        def lost(name: str) -> None:
            worker, deaths[name] = running[name].worker, deaths[name] + 1
            if deaths[name] > 1:
                why = f"two workers died while they ran it, the last at {worker} (out of memory?)"
                return finish(name, NotebookFailed(why))
            say(f"· the worker {worker} died while it ran {name}, which is given to another")
            end(name).future.cancel()
            waiting.appendleft(name)

        def receive(name: str, future: Future) -> None:
            try:
                ran = future.result(timeout=PATIENCE)
                finish(name, keep(name, ran))
            except NotebookFailed as error:
                finish(name, error)
            except CancelledError:
                raise Gone("the scheduler went away; start it again") from None
            except (KilledWorker, TimeoutError):
                lost(name)
            except Exception as error:  # a full disk, say: the others go on
                finish(name, NotebookFailed(f"{type(error).__name__}: {error}"))

        whole = progress.add_task("all", total=len(jobs))
        client.subscribe_topic(topic, lambda event: mail.put((event[1], None)))
        crew = Crew(client, say)
        try:
            while waiting or running:
                here = crew.here()
                for name in [name for name, job in running.items() if job.worker not in here]:
                    lost(name)
                free = set(here) - {job.worker for job in running.values()}
                while waiting and free and len(running) < workers:
                    begin(waiting.popleft(), free.pop())
                try:
                    name, future = mail.get(timeout=1)
                except queue.Empty:
                    continue
                if future is None and name in running:
                    progress.advance(running[name].bar)
                elif name in running and future is running[name].future:  # not that of a worker that died
                    receive(name, future)
        except (Gone, KeyboardInterrupt) as error:
            go_on = "--force would begin anew, so name the others" if force else "the same command goes on"
            done = f"{len(results)} of {len(jobs)} notebooks are done and kept; {go_on}"
            if isinstance(error, Gone):
                raise UserError(f"{error}. {done}") from None
            say(f"stopped. {done}")
            raise
    return {name: results[name] for name in jobs}
