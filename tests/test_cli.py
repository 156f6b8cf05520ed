"""`dlmap` itself: what it says, the codes it ends with, and that it never touches what is the learner's."""

import subprocess
import sys

import nbformat
import pytest

from utils import paths, progress
from utils.authoring import doctor, learner

DLMAP = [sys.executable, "-m", "utils.cli"]


# --- the command ---------------------------------------------------------------------------------------


def test_help_answers_at_once():
    code = "import sys, utils.cli; print({'torch', 'numpy', 'nbclient', 'papermill'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("build 07", "dlmap: unknown lecture '07'; choose one of: 00, 01, 02"),
        ("build --check --run", "dlmap: --check writes nothing; leave out --run and --force"),
        ("build --force", "dlmap: --force says what to execute; give it together with --run"),
        ("run 9", "dlmap: unknown lecture '09'; choose one of: 00, 01, 02"),
        (
            "run 00 -p EPOCHS=3",
            "dlmap: unknown parameter of 00_good 'EPOCHS'; choose one of: PROFILE, SEED, DEVICE, BUDGET",
        ),
        ("run 00 -p EPOCHS", "dlmap: -p takes NAME=VALUE, got 'EPOCHS'"),
        ("run 00 --profile big", "dlmap: unknown profile 'big'; choose one of: lecture, full"),
        (
            "run 01 --budget 3",
            "dlmap: unknown parameter of 01_raises 'BUDGET'; choose one of: PROFILE, SEED, DEVICE",
        ),
        ("claims 9", "dlmap: unknown lecture '09'; choose one of: 00, 01, 02"),
        ("start 9", "dlmap: unknown lecture '9'; choose one of: 00, 01, 02"),
        ("reset 0 both", "dlmap: unknown copy 'both'; choose one of: lecture, exercises"),
        ("check 9", "dlmap: unknown exercise '9'; choose one of: 00"),
    ],
)
def test_a_mistake_of_the_users_is_one_line_and_code_2(dlmap, arguments, message):
    result = dlmap(*arguments.split())
    assert (result.exit_code, result.stderr) == (2, message + "\n")


@pytest.mark.parametrize(
    "budget, shown", [("0", "0.0"), ("-1", "-1.0"), ("abc", "'abc'"), ("nan", "nan"), ("inf", "inf")]
)
@pytest.mark.parametrize("command", ["run 00", "claims 00", "claims 00 --seeds 2"])
def test_a_budget_is_a_number_above_0(dlmap, tmp_path, command, budget, shown):
    result = dlmap(*command.split(), "--budget", budget, "--out", str(tmp_path / "out"))
    message = f"dlmap: the budget is {shown}; expected a number above 0, such as 1 or 3\n"
    assert (result.exit_code, result.stderr) == (2, message)
    assert not (tmp_path / "out").exists()


def test_build_check_says_what_is_out_of_step(dlmap, course):
    (course / "exercises" / "00_good.ipynb").unlink()
    result = dlmap("build", "00", "--check")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "✗ lectures/00_good: outputs are not from this code. Run `dlmap build 00 --run`",
        "✗ solutions/00_good: outputs are not from this code. Run `dlmap build 00 --run`",
        "✗ exercises/00_good: not built. Run `dlmap build 00`",
    ]
    assert not (course / "exercises" / "00_good.ipynb").exists()


# --- the learner's copy: tests/test_copies.py has how it is made -----------------------------------------


def test_check_without_a_copy_and_with_a_broken_one(dlmap, course):
    assert "begin with `dlmap start 00`" in dlmap("check", "00").stderr
    original = course / "exercises" / "00_good.ipynb"
    untouched = original.read_text()
    original.write_text(untouched.replace("return ...", "return 2 * x"))
    assert "itself was changed: `dlmap start 00` copies it as it is" in dlmap("check", "00").stderr
    original.write_text(untouched)
    dlmap("start", "00")
    (course / "exercises" / "work" / "00_exercises.ipynb").write_text("{")
    assert "is not a notebook any more" in dlmap("check", "00").stderr


def test_check_runs_the_copy_and_leaves_the_file_alone(dlmap, course):
    dlmap("start", "00")
    copy = course / "exercises" / "work" / "00_exercises.ipynb"
    nb = nbformat.read(copy, as_version=4)
    for cell in nb.cells:
        cell.source = cell.source.replace("return ...", "return 2 * x").replace("large = ...", "large = oops")
    nb.cells = [cell for cell in nb.cells if "00.total" not in cell.source]
    nbformat.write(nb, copy)
    before = copy.read_bytes()

    results, stopped = learner.check(course / "exercises", copy.parent, "0")

    assert [(result.task, result.state) for result in results] == [
        ("00.double", "done"),
        ("00.names", "wrong"),
        ("00.total", "todo"),
    ]
    assert results[1].message == "the cell `small = ...` stopped: NameError: name 'oops' is not defined"
    assert results[2].message == "its check did not run; keep the check cells of the exercise"
    assert stopped == []
    assert copy.read_bytes() == before


def checked(dlmap, course, answers, setup="", **options):
    """What `dlmap check` finds in a copy of the exercise where these cells are the answers."""
    dlmap("start", "00")
    copy = course / "exercises" / "work" / "00_exercises.ipynb"
    nb = nbformat.read(copy, as_version=4)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    code[0].source = setup + code[0].source
    for cell, answer in zip(code[1::2], answers, strict=True):
        cell.source = answer
    nbformat.write(nb, copy)
    results, stopped = learner.check(course / "exercises", copy.parent, "0", **options)
    return [(result.state, result.message) for result in results], stopped


def test_a_cell_that_never_ends_or_ends_its_kernel_is_blamed_alone(dlmap, course):
    loop, dies = "while True:\n    pass", "import os\nos._exit(1)"
    results, stopped = checked(dlmap, course, [loop, dies, "total = len"], timeout=10)
    assert results == [
        ("wrong", "the cell `while True:` stopped: took longer than 10 s"),
        ("wrong", "the cell `import os` stopped: the kernel died (out of memory?)"),
        ("done", "right"),
    ]
    assert stopped == []


def test_a_cell_that_cannot_be_read_is_blamed_alone(dlmap, course):
    """One that stops while its task is right all the same is told, and takes nothing away."""
    answers = ["# mine\ndef double(x) return x", "large = 3", "total = sum\n1 / 0"]
    results, stopped = checked(dlmap, course, answers)
    said = "the cell `def double(x) return x` stopped: SyntaxError: expected ':', line 2"
    assert results[0] == ("wrong", said)
    assert results[1:] == [("done", "right")] * 2
    assert stopped == ["the cell `total = sum` stopped: ZeroDivisionError: division by zero"]


def test_where_the_first_cells_stop_no_task_is_blamed(dlmap, course):
    results, stopped = checked(
        dlmap, course, ["double = abs", "large = 1", "total = sum"], "import nowhere\n"
    )
    assert results == [("todo", "its check needs the cells before the first task, and one stopped")] * 3
    assert stopped[0] == "the cell `import nowhere` stopped: ModuleNotFoundError: No module named 'nowhere'"


def test_check_says_what_is_history_and_what_is_now(dlmap, monkeypatch):
    right, todo = learner.Result("00.double", "done", "right"), learner.Result("00.names", "todo", "not yet")
    monkeypatch.setattr(learner, "check", lambda *_: ([right, todo], ["the cell `x` stopped: NameError: x"]))
    progress.record("00.names", True)
    result = dlmap("check", "00")
    assert result.exit_code == 1
    assert "1 of 2 right in this run; 2 of 2 done so far" in result.stdout
    assert "✗ the cell `x` stopped: NameError: x" in result.stdout
    monkeypatch.setattr(learner, "check", lambda *_: ([right], []))
    assert dlmap("check", "00").exit_code == 0


# --- doctor --------------------------------------------------------------------------------------------


def test_doctor_reads_the_lock_for_this_machine():
    lock = (
        "# a comment\nnumpy==2.4.6\nno==1.0 ; sys_platform == 'nowhere'\nhere==2.0 ; python_version > '3'\n"
    )
    assert doctor.locked(lock) == {"numpy": "2.4.6", "here": "2.0"}


def test_doctor_finds_what_is_wrong_and_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "lectures").mkdir()
    (tmp_path / "lectures" / "utils.py").write_text("")
    (tmp_path / "requirements.lock").write_text("numpy==0.1\nno-such-package==1.0\n")
    monkeypatch.setenv("DLMAP_THREADS", "9999")
    monkeypatch.setattr(doctor, "DISK_NEEDED", 10**9)

    (packages,) = doctor.packages(tmp_path)
    assert "instead of 0.1; no-such-package missing instead of 1.0" in packages.found and packages.remedy
    (shadows,) = doctor.shadows(tmp_path)
    assert "hidden by lectures/utils.py" in shadows.found and shadows.remedy
    assert "9999" in doctor.threads(tmp_path)[0].found and doctor.threads(tmp_path)[0].remedy
    assert doctor.disk(tmp_path)[0].remedy


def test_doctor_minds_no_missing_framework_but_a_half_installed_one(tmp_path, monkeypatch):
    (tmp_path / "requirements-frameworks.lock").write_text("jax==0.0.1\n")
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    (none,) = doctor.frameworks(tmp_path)
    assert "make frameworks" in none.found and not none.remedy
    monkeypatch.setattr(doctor, "find_spec", lambda name: name == "jax")
    (half,) = doctor.frameworks(tmp_path)
    assert "instead of 0.0.1" in half.found and half.remedy


def test_doctor_is_happy_here():
    """The tests run in the very environment that the lock describes."""
    wrong = [finding for finding in doctor.examine(paths.ROOT) if finding.remedy]
    assert wrong == []
