"""The builder: source -> notebook, exercise from solution, execution of what changed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from utils.authoring import execute
from utils.authoring.build import build, check
from utils.authoring.sources import (
    Page,
    code_cells,
    code_hash,
    compared,
    dumps,
    notebook,
    pages,
    resolve_regions,
)
from utils.errors import UserError

SOURCE = """# %% [markdown]
# # 00 · Title

# %% tags=["parameters"]
SEED = 0

# %%
run = runtime.setup(PROFILE, SEED, DEVICE)

# %% [markdown]
# ## 1 · Section

# %%
x = 1

# %%
x = 1

# %% [markdown]
# **Predict first.** What is x?

# %%
claim("x is one", x, at_least=1)

# %% [markdown]
# <details><summary>For the presenter</summary>
#
# Five minutes.
# </details>

# %% [markdown]
# Plain.
"""


# --- notebook ------------------------------------------------------------------------------------------


def test_building_twice_gives_the_same_bytes():
    assert dumps(notebook(SOURCE)) == dumps(notebook(SOURCE))
    assert dumps(notebook(SOURCE)).endswith("}\n")
    nbformat.validate(notebook(SOURCE))


def test_an_edit_changes_the_id_of_the_edited_cell_only():
    before = [cell.id for cell in notebook(SOURCE).cells]
    after = [cell.id for cell in notebook(SOURCE.replace("x is one", "x is 1")).cells]
    assert len(set(before)) == len(before), "repeated cells have ids of their own"
    assert [old == new for old, new in zip(before, after, strict=True)].count(False) == 1


def test_slides_and_tags_follow_rules():
    nb = notebook(SOURCE)
    slides = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in nb.cells]
    assert slides == ["slide", "skip", "skip", "slide", None, None, "subslide", None, None, None]
    assert [cell.metadata.get("tags") for cell in code_cells(nb)] == [
        ["parameters"],
        None,
        None,
        None,
        ["nbval-check-output"],
    ]


# --- exercise ------------------------------------------------------------------------------------------


def test_a_claim_that_needs_what_may_be_missing_is_not_compared():
    assert compared('claim("it holds", x, at_least=1)')
    assert compared('outcome("00.one", x)')
    assert not compared('claim("it is fast", x, at_least=1, needs="a compiler")')
    assert not compared("claims = 1")


def test_a_run_that_could_not_measure_a_claim_is_not_stored():
    fact = {"claim": "it is fast", "measured": None, "needs": "a compiler", "held": False}
    said = nbformat.v4.new_output("display_data", {"text/plain": "–"}, metadata={"dlmap": fact})
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("claim(...)", outputs=[said])])
    with pytest.raises(execute.NotebookFailed, match="a claim was not measured: it takes a compiler"):
        execute.refuse_noise(nb)


def test_an_exercise_is_the_solution_without_its_answers(course):
    build(course, ["00"], run=False, force=False, jobs=1)
    exercise, solution = (
        nbformat.read(course / folder / "00_good.ipynb", as_version=4)
        for folder in ("exercises", "solutions")
    )
    written = "\n".join(cell.source for cell in exercise.cells)
    assert '    """Twice x."""\n    # your code here\n    return ...' in written
    assert "# your code here\nsmall = ...\nlarge = ...\nratio = ..." in written
    assert (
        "def total(xs):\n    result = 1\n    for x in xs:\n        result += x\n    return result" in written
    )
    assert "2 * x" not in written and "Only a reader of the solution" not in written

    answers = "\n".join(cell.source for cell in solution.cells)
    assert "    return 2 * x" in answers and "Only a reader of the solution" in answers
    assert "result = 1" not in answers
    assert "# solution" not in answers + written and "# end solution" not in answers + written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# %%\n# solution\nx = 1\n", "s.py:2: `# solution` has no `# end solution`"),
        ("# %%\n# solution\nx = 1\n\n# %%\n# end solution\n", "s.py:2: `# solution` has no"),
        (
            "# %%\n# solution\n# solution\n# end solution\n",
            "s.py:3: `# solution` inside the region .* line 2",
        ),
        ("# %%\nx = 1\n# end solution\n", "s.py:3: `# end solution` without"),
        ("# %%\n# solution\nprint(1)\n# end solution\n", "s.py:2: the solution assigns no name"),
        ("# %%\n# solution\nx = = 1\n# end solution\n", "s.py:2: the solution is not Python"),
        ("# %%\n# solution\nx = 1\n# exercise\nx = 2\n# end solution\n", "s.py:5: between `# exercise` and"),
    ],
)
def test_markers_that_do_not_pair_up(text, message):
    with pytest.raises(UserError, match=message):
        resolve_regions(text, "s.py", keep="exercise")


def test_an_empty_exercise_leaves_nothing():
    text = "# %%\n# solution\nanswer()\n# exercise\n# end solution\nx = 1\n"
    assert resolve_regions(text, "s.py", keep="exercise") == "# %%\nx = 1\n"
    assert resolve_regions(text, "s.py", keep="solution") == "# %%\nanswer()\nx = 1\n"


def test_markers_in_prose_are_prose():
    text = "# %% [markdown]\n# solution\n"
    assert resolve_regions(text, "s.py", keep="exercise") == text


# --- build ---------------------------------------------------------------------------------------------


def stamp(page: Page) -> None:
    """Store a notebook as if it had been executed."""
    nb = page.build()
    for count, cell in enumerate(code_cells(nb), 1):
        cell.execution_count = count
        cell.outputs = [nbformat.v4.new_output("stream", text=f"output {count}")]
    nb.metadata.dlmap = {"code": code_hash(nb)}
    page.path.write_text(dumps(nb), encoding="utf-8")


def edit(page: Page, old: str, new: str) -> None:
    text = page.source.read_text(encoding="utf-8")
    assert old in text
    page.source.write_text(text.replace(old, new), encoding="utf-8")


def test_outputs_stay_while_only_prose_changes(course):
    page = pages(course, ["00"])[0]
    stamp(page)
    edit(page, "A small lecture", "A tiny lecture")
    assert check(course, ["00"])[0] == "lectures/00_good: differs from its source. Run `dlmap build 00`"
    build(course, ["0"], run=False, force=False, jobs=1)
    assert "A tiny lecture" in page.path.read_text() and "output 1" in page.path.read_text()
    assert not [problem for problem in check(course, ["00"]) if problem.startswith("lectures/")]


def test_outputs_go_when_the_code_changes(course):
    page = pages(course, ["00"])[0]
    stamp(page)
    edit(page, "SEED + 1", "SEED + 2")
    build(course, ["00"], run=False, force=False, jobs=1)
    assert "output 1" not in page.path.read_text()
    stale = "lectures/00_good: outputs are not from this code. Run `dlmap build 00 --run`"
    assert stale in check(course, ["00"])


def test_an_unknown_lecture_names_the_known_ones(course):
    with pytest.raises(UserError, match="unknown lecture '07'; choose one of: 00, 01, 02"):
        pages(course, ["7"])


def test_run_executes_what_changed_and_leaves_failures_alone(course, monkeypatch, capsys):
    monkeypatch.setenv("EXPECTED_PYTHON", sys.executable)
    lectures = [page for page in pages(course) if page.name.startswith("lectures/")]
    for page in lectures[1:]:
        stamp(page)  # the other two have outputs, of older code
        edit(page, 'DEVICE = "auto"', 'DEVICE = "cpu"')
    before = {page.name: page.path.read_text() for page in lectures[1:]}
    for solution in course.glob("solutions/src/*.py"):
        solution.unlink()

    problems = build(course, [], run=True, force=False, jobs=2)

    assert [problem.split(": ")[0] for problem in problems] == ["lectures/01_raises", "lectures/02_warns"]
    assert "cell [3] `# The next line cannot work.`: ZeroDivisionError" in problems[0]
    assert "cell [2] `import warnings`: wrote to stderr: " in problems[1]
    assert {page.name: page.path.read_text() for page in lectures[1:]} == before

    stored = nbformat.read(lectures[0].path, as_version=4)
    assert [cell.execution_count for cell in code_cells(stored)] == [1, 2, 3, 4]
    said = code_cells(stored)[1].outputs
    assert len(said) == 1, "what one cell prints is one output"
    assert said[0].text.splitlines() == [
        "True lectures seed 0",
        "{'DLMAP_BATCH': '1', 'DLMAP_STRICT': '1', 'DLMAP_OFFLINE': '1'}",
    ]
    assert code_cells(stored)[2].outputs[0].metadata.dlmap.held is True
    assert all("execution" not in cell.metadata for cell in stored.cells)
    assert check(course, ["00"]) == []

    capsys.readouterr()
    written = lectures[0].path.stat().st_mtime_ns
    assert build(course, ["00"], run=True, force=False, jobs=1) == []  # nothing changed: no kernel starts
    assert "unchanged lectures/00_good" in capsys.readouterr().out
    assert lectures[0].path.stat().st_mtime_ns == written


# --- cells that never end, kernels that die, Ctrl-C ----------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import time\ntime.sleep(30)", r"cell \[1\] `import time`: took longer than 1 s"),
        ("exit()", r"cell \[1\] `exit\(\)`: it ends the kernel; leave out exit\(\)"),
        ("import os\nos._exit(1)", r"cell \[[1*]\] `import os`: the kernel died \(out of memory\?\)"),
    ],
)
def test_a_cell_that_never_ends_or_kills_its_kernel(source, message, tmp_path):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    with pytest.raises(execute.NotebookFailed, match=message):
        execute.run_notebook(nb, tmp_path, lambda: None, timeout=1)


def test_what_a_kernel_prints_past_its_messages_is_said_only_where_it_does_not_start(tmp_path, capfd):
    """As ipykernel's traceback of its own, where its sockets close before it has answered the last time."""
    late = "import atexit, sys\natexit.register(print, 'Traceback: ZMQError', file=sys.__stderr__)"
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(late)])
    execute.run_notebook(nb, tmp_path, lambda: None)
    with pytest.raises(UserError, match="no kernel starts: ModuleNotFoundError: No module named 'encodings'"):
        execute.run_notebook(nb, tmp_path, lambda: None, environment={"PYTHONHOME": str(tmp_path)})
    assert capfd.readouterr().err == ""


def test_ctrl_c_ends_with_130_and_takes_the_kernels_along(course):
    page = pages(course, ["00"])[0]
    pid_file = course / "kernel.pid"
    stay = f"import time\nPath({str(pid_file)!r}).write_text(str(os.getpid()))\ntime.sleep(50)"
    edit(page, "SEED + 1", stay)
    # A shell's background job ignores Ctrl-C, and so would its children: make test &
    code = "import pathlib, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += f"from utils import cli; cli.paths.ROOT = pathlib.Path({str(course)!r}); cli.app()"
    command = [sys.executable, "-c", code, "build", "00", "--run"]
    command = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_until(pid_file.exists, 120)
        command.send_signal(signal.SIGINT)
        assert command.wait(60) == 130
    finally:
        command.kill()
    kernel = int(pid_file.read_text())
    wait_until(lambda: not alive(kernel), 20)
    assert not page.path.exists()


def wait_until(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] != "Z"  # a zombie is dead
    except (ProcessLookupError, FileNotFoundError):
        return False
