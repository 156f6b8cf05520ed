"""Run notebooks, each in a fresh kernel of this very Python, several at a time, with a bar for each."""

import os
import queue
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Container
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from traitlets import default

CELL_TIMEOUT = 60  # seconds
WIDGET = "application/vnd.jupyter.widget-view+json"
# A kernel's own log has nothing for us: what a cell does wrong comes back as a message.
QUIET = ["--IPKernelApp.log_level=CRITICAL"]
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class OwnKernelSpec(KernelSpecManager):
    """Whatever kernel is asked for, start this very Python: `python3` may be another environment's."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())


class OwnKernel(AsyncKernelManager):
    @default("kernel_spec_manager")
    def _own_spec(self) -> KernelSpecManager:
        return OwnKernelSpec(parent=self)


class NotebookFailed(Exception):
    """A cell raised, was too slow or wrote to stderr. The message names the cell and its first line."""

    index: int  # of the cell in its notebook, and what was wrong with it
    why: str


def failed(source: str, count: int | None, why: str) -> NotebookFailed:
    """The error for a cell, named as JupyterLab shows it: [7] and its first line."""
    first = next((line for line in source.splitlines() if line.strip()), "")
    return NotebookFailed(f"cell [{count or '*'}] `{first[:60]}`: {why.splitlines()[0]}")


def batch_environment(work: str, threads: int, *, strict: bool) -> dict[str, str]:
    """The environment of a notebook that runs with nobody watching; `work` is a folder to throw away."""
    return {
        "DLMAP_BATCH": "1",
        "DLMAP_STRICT": "1" if strict else "0",
        "DLMAP_WORK": work,
        "DLMAP_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "IPYTHONDIR": work,  # nobody's own start-up files
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }


def run_notebook(
    nb: NotebookNode,
    folder: Path,
    tell: Callable[[], None],
    *,
    skip: Container[int] = (),
    timeout: int = CELL_TIMEOUT,
    **options: Any,
) -> None:
    """Execute `nb` in place in a kernel that stands in `folder`; `tell()` after each code cell.

    `skip` holds the indices of cells that do not run; `timeout` is what a cell may take, in seconds.
    `options` go to nbclient: `allow_errors=True` runs on after a cell that raised.
    Raises NotebookFailed, with `index` and `why`.
    """
    last = 0

    def remember(cell: NotebookNode, cell_index: int) -> None:
        nonlocal last
        last = cell_index

    leaves = False

    def executed(execute_reply: dict[str, Any], **_: object) -> None:
        nonlocal leaves
        leaves = any(load["source"] == "ask_exit" for load in execute_reply["content"].get("payload", []))
        tell()

    def stopped(why: str) -> NotebookFailed:
        cell = nb.cells[last]
        error = failed(cell.source, cell.execution_count, why)
        error.index, error.why = last, why
        return error

    client = NotebookClient(
        nb,
        kernel_manager_class=OwnKernel,
        timeout=timeout,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        extra_arguments=QUIET,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=remember,
        on_cell_executed=executed,
        **options,
    )
    try:
        with client.setup_kernel():  # unlike execute(), it leaves the signals of this process alone
            for index, cell in enumerate(nb.cells):
                if index not in skip:
                    client.execute_cell(cell, index)
                if leaves:  # the kernel goes a moment later, and would take another cell along
                    raise stopped("it ends the kernel; leave out exit()")
    except CellExecutionError as error:
        raise stopped(f"{error.ename}: {error.evalue}") from None
    except CellTimeoutError:
        raise stopped(f"took longer than {timeout} s") from None
    except DeadKernelError:
        raise stopped("the kernel died (out of memory?)") from None


def execute_clean(nb: NotebookNode, folder: Path, threads: int, tell: Callable[[], None]) -> NotebookNode:
    """Execute a notebook of the course for storing: claims must hold, nothing on stderr, no widget."""
    with tempfile.TemporaryDirectory(prefix="dlmap-") as work:
        os.environ.update(batch_environment(work, threads, strict=True), DLMAP_OFFLINE="1")
        run_notebook(nb, folder, tell)
    refuse_noise(nb)
    return nb


def refuse_noise(nb: NotebookNode) -> None:
    """Raise NotebookFailed for a cell with an output that must not be stored.

    That is a warning, a widget, or a claim that was not measured since something is missing here.
    """
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                why = f"wrote to stderr: {output.text.strip()}"
                raise failed(cell.source, cell.execution_count, why)
            needs = output.get("metadata", {}).get("dlmap", {}).get("needs")
            if needs:
                raise failed(cell.source, cell.execution_count, f"a claim was not measured: it takes {needs}")
            if WIDGET in output.get("data", {}):
                why = "shows a widget; in a batch run a static figure stands in its place"
                raise failed(cell.source, cell.execution_count, why)


# --- many at a time ------------------------------------------------------------------------------------


def mark(result: Any) -> str:
    """✔, or ✗ for a notebook that failed."""
    return "✗" if isinstance(result, NotebookFailed) else "✔"


def in_parallel(
    work: Callable[..., Any],
    jobs: dict[str, tuple],
    sizes: dict[str, int],
    workers: int,
    mark: Callable[[Any], str] = mark,
) -> dict[str, Any]:
    """Call `work(*arguments, tell)` for every job in a process of its own, `workers` at a time.

    Parameters: `jobs` name -> arguments; `sizes` name -> how often the job will `tell()`, for its bar.
    Shows a bar for each that runs and, when it ends, a line with its time behind `mark(result)`.
    Returns: name -> what the job returned, or the NotebookFailed that ended it.
    Leaving early (Ctrl-C) ends the processes; a kernel ends by itself when its parent is gone.
    """
    context = get_context("spawn")
    mail = context.Queue()
    waiting, running, results = deque(jobs), {}, {}
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True, highlight=False)) as progress:
        whole = progress.add_task("all", total=len(jobs))
        bars, began = {}, {}

        def finish(name: str, result: Any) -> None:
            results[name] = result
            process = running.pop(name)
            process.join(10)  # its word is here: one that cannot end holds nobody up
            process.kill()
            progress.console.print(f"{mark(result)} {name} {time.monotonic() - began[name]:.1f} s")
            progress.remove_task(bars[name])
            progress.advance(whole)

        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    name = waiting.popleft()
                    arguments = (work, name, jobs[name], mail)
                    running[name] = context.Process(target=_in_child, args=arguments, daemon=True)
                    running[name].start()
                    bars[name], began[name] = progress.add_task(name, total=sizes[name]), time.monotonic()
                gone = [name for name, process in running.items() if not process.is_alive()]
                try:
                    name, done, value = mail.get(timeout=0.5)
                except queue.Empty:  # a process that ended and left no word was killed from outside
                    for name in gone:
                        code = running[name].exitcode
                        finish(name, NotebookFailed(f"its process ended with code {code}"))
                    continue
                if done:
                    finish(name, value)
                else:
                    progress.advance(bars[name])
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.join(5)
                process.kill()
    return {name: results[name] for name in jobs}


def _in_child(work: Callable[..., Any], name: str, arguments: tuple, mail: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        try:
            result = work(*arguments, lambda: mail.put((name, False, None)))
        except RuntimeError as error:
            if "Kernel died before replying" not in str(error):
                raise
            # Another program took a port between its choice and its use; nothing has run yet.
            result = work(*arguments, lambda: mail.put((name, False, None)))
    except NotebookFailed as error:
        result = error
    except Exception as error:  # not every exception travels between processes; its words do
        result = NotebookFailed(f"{type(error).__name__}: {error}")
    mail.put((name, True, result))


def _follow_parent() -> None:
    """A parent that was killed cannot say so; nobody would fetch the result of an orphan."""
    parent_process().join()
    os._exit(1)


def _leave(*_: object) -> None:
    """Stop at the parent's word: kernel and temporary folder are cleared away, without last words."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.exit(1)


def threads_each(workers: int) -> int:
    """Threads for one of `workers` notebooks that run side by side, so that they do not fight."""
    return max(1, CORES // workers)
