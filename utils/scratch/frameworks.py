"""Other frameworks beside PyTorch: whether they are here, kept quiet, and one in a process of its own.

Lecture 18 runs TensorFlow, JAX and PyTensor where they are installed, which `make frameworks` sees to.
"""

import inspect
import math
import os
import shutil
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from utils import paths

GET = "`make frameworks`"
PATIENCE = 300  # seconds that a process of its own may take


def missing(name: str) -> str:
    """Says how to get a package that is not installed, by the name of its import; "" where it is there."""
    return "" if find_spec(name) else f"{name} is not installed; {GET} gets it"


def compiler() -> bool:
    """Whether there is a C++ compiler, which `torch.compile` needs on a CPU."""
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return shutil.which(os.environ.get("CXX") or usual) is not None


def keep_quiet() -> None:
    """Settings that the frameworks read from the environment at their import; what is set already stays.

    They log errors only, compile in this very process, and write nothing into the home folder.
    """
    cache = _folder()
    settings = {
        "TF_CPP_MIN_LOG_LEVEL": "3",  # TensorFlow's C++ side: errors only
        "TF_ENABLE_ONEDNN_OPTS": "0",  # the same order of additions in every run
        "JAX_PPRINT_USE_COLOR": "0",  # no colours in what is printed and stored
        "KERAS_HOME": str(cache / "keras"),
        # PyTensor: Numba compiles for it, not a C++ compiler; what is kept lies in the course's cache
        "PYTENSOR_FLAGS": f"cxx=,base_compiledir={cache / 'pytensor'}",
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",  # no pool of processes for one small function
        "KINETO_LOG_LEVEL": "99",  # the profiler's own log
    }
    for key, value in settings.items():
        os.environ.setdefault(key, value)


def _folder() -> Path:
    """In the course's cache; where that cannot be written, a folder to throw away."""
    folder = paths.cache() / "frameworks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp())
    return folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp())


def where(name: str, function: Callable, *arguments: Any) -> Any:
    """Call a function where a package is installed; elsewhere say how to get it, and return None."""
    why = missing(name)
    if not why:
        return function(*arguments)
    print(f"{why}. What it gave is in the course's own copy of this notebook, in the folder lectures.")
    return None


def elsewhere(function: Callable, *arguments: Any, **environment: str) -> Any:
    """Call a function in a process of its own, in which these environment variables are set.

    The text of the function travels, not the function: so it may stand in a notebook, must import what it
    uses, and sees nothing but its arguments. They, and what it returns, must pickle.
    Raises: RuntimeError with the function's own error, or if it takes longer than PATIENCE.
    """
    context = get_context("spawn")
    source = textwrap.dedent(inspect.getsource(function))
    mine, theirs = context.Pipe(duplex=False)
    job = source, function.__name__, arguments, environment
    process = context.Process(target=_work, args=(theirs, *job), daemon=True)
    process.start()
    theirs.close()
    try:
        if not mine.poll(PATIENCE):
            raise RuntimeError(f"{function.__name__} took longer than {PATIENCE} s")
        worked, value = mine.recv()
    except EOFError:
        process.join(10)
        raise RuntimeError(f"the process of {function.__name__} ended with {process.exitcode}") from None
    finally:
        process.kill()
        process.join(10)
    if not worked:
        raise RuntimeError(f"{function.__name__}: {value}")
    return value


def _work(answer, source: str, name: str, arguments: tuple, environment: dict[str, str]) -> None:
    os.environ.update(environment)  # before the function imports anything
    space: dict[str, Any] = {"__name__": "elsewhere"}
    try:
        exec(compile(source, Path(name).name, "exec"), space)
        told = True, space[name](*arguments)
    except Exception as error:  # not every exception travels between processes; its words do
        told = False, traceback.format_exception_only(error)[-1].strip()
    answer.send(told)
    answer.close()
    os._exit(0)  # all is said; an orderly exit would wait for the libraries' threads


def fastest(function: Callable, *arguments: Any, repeats: int = 30) -> float:
    """Microseconds of the fastest of many calls: other programs only ever add time."""
    best = math.inf
    for _ in range(repeats):
        began = time.perf_counter()
        function(*arguments)
        best = min(best, time.perf_counter() - began)
    return 1e6 * best


def captured(function: Callable, x) -> tuple[list, Any]:
    """Run `function` on x under `torch.compile`: the graphs that it captures, and the result.

    The compiler behind it is ours: it keeps each graph, and runs it as it is.
    """
    import torch

    graphs = []

    def keep(graph, example):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    return graphs, torch.compile(function, backend=keep, dynamic=False)(x)


def answers(function: Callable, engine: Callable) -> dict[str, str]:
    """What each framework makes of a function of one number; `engine()` asks lecture 18's."""

    def pytensor():
        import pytensor.tensor as pt

        return f"a graph of {function(pt.scalar('x')).owner}"

    def jax():
        import jax

        return f"compiled: {jax.jit(function)(1.0)}"

    def tensorflow():
        import tensorflow as tf

        graph = tf.function(function).get_concrete_function(tf.constant(1.0)).graph
        nodes = [op.type for op in graph.get_operations() if op.type.endswith("If")]
        return f"one graph; nodes for a choice: {', '.join(nodes) or 'none'}"

    def torch():
        from torch import ones

        graphs, _ = captured(function, ones(()))
        return f"graphs: {len(graphs)}"

    asked = {"our engine": engine, "PyTensor": pytensor, "JAX": jax, "TensorFlow": tensorflow}
    packages = {"our engine": "numpy", "PyTensor": "pytensor", "JAX": "jax", "TensorFlow": "tensorflow"}
    said = {}
    for name, ask in (asked | {"torch.compile": torch}).items():
        why = missing(packages.get(name, "torch"))
        try:
            said[name] = why or str(ask())
        except TypeError as error:  # JAX's error about a traced value is one too
            said[name] = f"refuses: {type(error).__name__}"
    return said
