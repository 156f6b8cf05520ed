"""Every notebook that uses a device runs on the emulated one: no GPU is needed to see where one would stop.

Devices are judged, not claims: the budget is small. The form without float64 refuses all that the
other one does, and what Apple's MPS does. Each notebook has a process of its own, forked from one that has
imported what all of them need; its cells come from the source, as the notebook's do.
"""

import linecache
import os
import sys
import types
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path

import pytest

from utils.authoring.sources import code_cells, pages
from utils.paths import ROOT

PARAMETERS = {"DEVICE": "emulated:no-float64", "BUDGET": 0.001}
LONGER = {"lectures/02_optimization": {"BUDGET": 0.005}}  # its curves begin at the tenth step

# What an emulation cannot run: notebook -> {words of the cell: why}.
SKIPPED = {
    "lectures/18_frameworks": {"torch.autocast(": "each maker of hardware lists what it does in fewer bits"},
}
FORK = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"  # Windows has only the latter
context = get_context(FORK)
if FORK == "forkserver":
    course = ["utils.authoring.sources", "utils.checks", "utils.plots", "utils.training"]
    context.set_forkserver_preload(["pytest", "matplotlib.pyplot", "sklearn.linear_model", "torch", *course])


def cells_of(page) -> list[str]:
    """The code of a notebook's cells with this gate's parameters, without what cannot be emulated."""
    cells = []
    for cell in code_cells(page.build()):
        if "parameters" in cell.metadata.get("tags", []):
            given = PARAMETERS | LONGER.get(page.name, {})
            cell.source += "".join(f"\n{name} = {value!r}" for name, value in given.items())
        if not any(words in cell.source for words in SKIPPED.get(page.name, ())):
            cells.append(cell.source)
    return cells


def execute(cells: list[str], folder: Path, mail) -> None:
    """Run cells one after the other in this process; mail the first error as a line, or None."""
    import matplotlib

    from utils import plots

    matplotlib.use("agg")
    plots.show = lambda alt: matplotlib.pyplot.close("all")  # a picture is on the CPU by then
    os.environ["DLMAP_STRICT"] = "0"
    os.chdir(folder)
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - the process ends with it
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    for number, source in enumerate(cells):
        name = f"<cell {number}>"
        linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
        try:
            exec(compile(source, name, "exec"), module.__dict__)
        except BaseException as error:
            mail.put(said(error, source))
            break
    else:
        mail.put(None)


def said(error: BaseException, source: str) -> str:
    """One line: the error, and the lines of the cell and of the course that led to it."""
    where, trace = [], error.__traceback__
    while trace := trace.tb_next:
        file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        if file.startswith(("<cell", str(ROOT))) and "emulated.py" not in file:
            where.append(f"{Path(file).name}:{line} `{linecache.getline(file, line).strip()}`")
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first} at {' < '.join(reversed(where)) or source.splitlines()[0]}"


def outcome(cells: list[str], folder: Path = ROOT) -> str | None:
    """What `execute` mailed from a process of its own, or how that ended."""
    mail = context.SimpleQueue()
    process = context.Process(target=execute, args=(cells, folder, mail))
    process.start()
    process.join()
    return f"its process ended with {process.exitcode}" if mail.empty() else mail.get()


PAGES = {page.name: page for page in pages(ROOT) if page.executed}


# The others put nothing on a device, so that there is nothing to judge.
ON_DEVICE = [name for name, page in PAGES.items() if "run.device" in page.source.read_text(encoding="utf-8")]


@pytest.mark.parametrize("name", ON_DEVICE)
def test_runs_on_the_emulated_device(name):
    if line := outcome(cells_of(PAGES[name]), PAGES[name].path.parent):
        pytest.fail(f"{name}: {line}", pytrace=False)


def test_what_is_skipped_is_there():
    for name, cells in SKIPPED.items():
        for words in cells:
            assert any(words in cell.source for cell in code_cells(PAGES[name].build())), (name, words)


# --- the gate can fail ---------------------------------------------------------------------------------

SETUP = "import numpy as np\nimport torch\nfrom utils import runtime\nrun = runtime.setup(device=DEVICE)\n"
FAULTS = {
    "x = torch.ones(3, device=run.device)\nx + torch.ones(3)": "RuntimeError: Expected all tensors",
    "net = torch.nn.Linear(3, 2)\nnet(torch.ones(1, 3, device=run.device))": "RuntimeError: Expected all",
    "torch.ones(3)[torch.tensor([0], device=run.device)]": "RuntimeError: indices should be either on cpu",
    "torch.ones(3, device=run.device).gather(0, torch.tensor([0]))": "RuntimeError: Expected all tensors",
    "torch.rand(3, device=run.device, generator=torch.Generator())": "RuntimeError: Expected a 'emulated'",
    "torch.rand(3, generator=torch.Generator(run.device))": "RuntimeError: Expected a 'cpu' device type",
    "torch.ones(3, device=run.device).numpy()": "TypeError: can't convert emulated:0 device",
    "np.mean([*np.asarray(torch.ones(3, device=run.device))])": "TypeError: can't convert emulated:0",
    "torch.from_numpy(np.ones(3, 'float32')).add_(torch.ones(3, device=run.device))": "RuntimeError: Exp",
    "torch.ones(3, device=run.device).pin_memory()": "RuntimeError: cannot pin",
    "torch.ones(3, device=run.device).double()": "TypeError: Cannot convert a MPS Tensor to float64",
    "torch.tensor(np.ones(3), device=run.device)": "TypeError: Cannot convert a MPS Tensor to float64",
    "import os\nos._exit(3)": "its process ended with 3",
}


def line_of(course: Path, added: str = "") -> str | None:
    """What the gate says of a small lecture to which a cell is added."""
    source = course / "lectures" / "src" / "00_good.py"
    text = source.read_text(encoding="utf-8")
    source.write_text(f"{text}\n# %%\n{SETUP}{added}\n", encoding="utf-8")
    return outcome(cells_of(pages(course)[0]))


def test_a_lecture_without_a_fault_passes(course):
    assert line_of(course, "torch.ones(3, device=run.device) + torch.tensor(1.0)") is None


@pytest.mark.parametrize(("fault", "message"), FAULTS.items(), ids=FAULTS)
def test_a_lecture_with_a_fault_is_found(fault, message, course):
    line = line_of(course, fault)
    assert line.startswith(message) and "\n" not in line
    if "Error" in message:
        assert fault.splitlines()[-1] in line
