"""Run a notebook in a fresh kernel of this very Python."""

import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen
from typing import IO, Any

from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from traitlets import default

from utils.errors import UserError

CELL_TIMEOUT = 60  # seconds
WIDGET = "application/vnd.jupyter.widget-view+json"
# A kernel's own log has nothing for us: what a cell does wrong comes back as a message.
QUIET = ["--IPKernelApp.log_level=CRITICAL"]
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
THREADS = "DLMAP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"


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
    """What a notebook that runs with nobody watching finds set; `work` is a folder to throw away."""
    return dict.fromkeys(THREADS, str(threads)) | {
        "DLMAP_BATCH": "1",
        "DLMAP_STRICT": "1" if strict else "0",
        "DLMAP_WORK": work,
        "IPYTHONDIR": work,  # nobody's own start-up files
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }


def run_notebook(
    nb: NotebookNode,
    folder: Path,
    tell: Callable[[], None],
    *,
    environment: dict[str, str] | None = None,
    wanted: Callable[[], bool] = lambda: True,
    skip: Container[int] = (),
    timeout: int | None = CELL_TIMEOUT,
    **options: Any,
) -> list[float]:
    """Execute `nb` in place in a kernel that stands in `folder`; `tell()` after each code cell.

    `environment` is what the kernel finds set beside what is set here; once `wanted()` is False it is killed.
    `skip` holds the indices of cells that do not run; `timeout` is what a cell may take, in seconds.
    `options` go to nbclient: `allow_errors=True` runs on after a cell that raised.
    Returns: the seconds that each code cell took.
    Raises: NotebookFailed, with `index` and `why`; UserError where no kernel starts.
    """
    last, began, seconds = 0, 0.0, []

    def remember(cell: NotebookNode, cell_index: int) -> None:
        nonlocal last, began
        last, began = cell_index, time.perf_counter()

    leaves = False

    def executed(execute_reply: dict[str, Any], **_: object) -> None:
        nonlocal leaves
        leaves = any(load["source"] == "ask_exit" for load in execute_reply["content"].get("payload", []))
        seconds.append(time.perf_counter() - began)
        tell()

    def stopped(why: str) -> NotebookFailed:
        cell = nb.cells[last]
        count = cell.execution_count or len(seconds) + 1  # a kernel that dies at once does not tell it
        error = failed(cell.source, count, why)
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
    # What a kernel prints past its messages: why it does not start, or a traceback of ipykernel's as it goes.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        # Unlike execute(), setup_kernel() leaves the signals of this process alone.
        start = {"env": os.environ | (environment or {}), "stderr": log}
        try:
            with ExitStack() as stack:
                try:
                    stack.enter_context(client.setup_kernel(**start))
                except RuntimeError as error:
                    if "Kernel died before replying" not in str(error):
                        raise
                    # Another program took a port between its choice and its use.
                    stack.enter_context(client.setup_kernel(**start))
                stack.enter_context(killed_unless(wanted, client.km.provisioner.process))
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
        except RuntimeError as error:
            if "Kernel died before replying" not in str(error):
                raise
            raise UserError(
                f"no kernel starts: {last_error(log) or error}; `dlmap doctor` looks why"
            ) from None
    return seconds


def last_error(log: IO[str]) -> str:
    """The last line that names an error, of what a kernel printed; nothing where none does."""
    log.seek(0)
    found = re.findall(r"^.*error\b.*$", log.read(), re.MULTILINE | re.IGNORECASE)
    return found[-1].strip() if found else ""


@contextmanager
def killed_unless(wanted: Callable[[], bool], kernel: Popen) -> Iterator[None]:
    """Ask twice a second whether a notebook is still wanted, and end a cell that runs for nobody."""
    done = threading.Event()

    def follow() -> None:
        while not done.wait(0.5):
            if not wanted():
                kernel.kill()

    threading.Thread(target=follow, daemon=True).start()
    try:
        yield
    finally:
        done.set()


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


def bars() -> Progress:
    """Bars for notebooks that run, on stderr: cells done, cells in all, time."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=Console(stderr=True, highlight=False))
