"""Running what a learner wrote: for so long at most, and errors told by the learner's own line."""

import ctypes
import linecache
import os
import random
import signal
import site
import sysconfig
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

# Where code lies that is not the learner's: Python's own, what is installed, and the course.
LIBRARIES = tuple(
    os.path.normcase(folder) + os.sep
    for folder in [
        sysconfig.get_path("stdlib"),
        *site.getsitepackages(),
        site.getusersitepackages(),
        str(Path(__file__).parent),
    ]
)


class TooLong(BaseException):
    """The time is over. No `Exception`, since a learner's `except Exception` must not catch it."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TooLong in what runs inside after `seconds`, and each second again should it be caught there.

    In the main thread of Linux and macOS a signal does this, which wakes a waiting call too. On Windows and
    in other threads a second thread does it: that stops every loop of Python, but no call that waits.
    """
    main = threading.current_thread() is threading.main_thread()
    with _by_signal(seconds) if main and hasattr(signal, "setitimer") else _by_thread(seconds):
        yield


@contextmanager
def _by_signal(seconds: float) -> Iterator[None]:
    inside = True

    def ring(*_: object) -> None:
        if inside:
            raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        try:
            yield
        finally:
            inside = False
    finally:  # of its own, so that a bell in the line above does not keep the timer going
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _by_thread(seconds: float) -> Iterator[None]:
    def raise_there(error: object) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), error)

    def watch() -> None:
        wait = seconds
        while not over.wait(wait):
            raise_there(ctypes.py_object(TooLong))
            wait = 1

    thread, over = threading.get_ident(), threading.Event()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        try:
            yield
        finally:
            over.set()
    finally:
        watcher.join()
        raise_there(None)  # one that was sent in the last moment is taken back


@contextmanager
def random_state_kept() -> Iterator[None]:
    """The learner's random numbers go on as if nothing had been checked."""
    import torch

    # NumPy's legacy state is the only global one it has; a Generator belongs to whoever made it.
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        torch.set_rng_state(kept[2])


def forget_small_arrays() -> None:
    """Fill the blocks that NumPy keeps for the next small arrays with nan.

    An answer that reads memory which it has never set is then wrong each time, and not right by luck.
    """
    for size in range(1, 128):
        _ = [np.full(size, np.nan) for _ in range(3)]


@contextmanager
def warnings_kept() -> Iterator[list[warnings.WarningMessage]]:
    """Warnings go to this list, each place once: on the screen they would push the check's line down."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")
        yield warned


# ---------------------------------------------------------------------- the learner's own line


def is_own(error: BaseException) -> bool:
    """Whether the learner's own code raised it, not a library that it called."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and not _of_a_library(frames[-1].filename)


def told(error: BaseException) -> str:
    """The learner's last own line, where there is one, and what happened there."""
    what = f"{type(error).__name__}: {error}".splitlines()[0].removesuffix(": ")
    return ", ".join([*own_line(error), what])


def own_line(error: BaseException) -> list[str]:
    """["line 3, `y = inv(x)`"], the last line of the learner's that an error went through, or nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [place(f.filename, f.lineno) for f in frames if not _of_a_library(f.filename)]
    return [where for where in places if where][-1:]


def place(filename: str, number: int) -> str:
    """ "line 3, `y = inv(x)`", or "" where the source is not known."""
    line = linecache.getline(filename, number).strip()
    return f"line {number}, `{line}`" if line else ""


def warned_of(warned: Sequence[warnings.WarningMessage]) -> str:
    """The first warning about numbers, for people: "overflow encountered in exp, line 3, `np.exp(z)`"."""
    for warning in warned:
        if issubclass(warning.category, RuntimeWarning):
            return ", ".join(filter(None, [str(warning.message), place(warning.filename, warning.lineno)]))
    return ""


def _of_a_library(filename: str) -> bool:
    return os.path.normcase(filename).startswith(LIBRARIES) or filename.startswith("<frozen ")
