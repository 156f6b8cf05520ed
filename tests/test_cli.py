"""`dlmap` itself: what it says, the codes it ends with, and that it never touches what is the learner's."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from packaging.tags import mac_platforms

from utils import paths, progress
from utils.authoring import doctor, learner, sources

PYTHON = sys.executable


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
    monkeypatch.setattr(doctor, "DISK_NEEDED", 10**9)

    (packages,) = doctor.packages(tmp_path)
    assert "instead of 0.1; no-such-package missing instead of 1.0" in packages.found and packages.remedy
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (shadows,) = doctor.shadows(tmp_path)
    assert "hidden by lectures/utils.py" in shadows.found and shadows.remedy
    monkeypatch.setenv("DLMAP_THREADS", "4000")
    assert "4000" in doctor.threads(tmp_path)[0].found and doctor.threads(tmp_path)[0].remedy
    assert doctor.disk(tmp_path)[0].remedy


def test_doctor_names_what_hides_a_module(tmp_path, monkeypatch):
    """By a name beside the notebooks, a name on PYTHONPATH, and another `utils` that is imported first."""
    (tmp_path / "work").mkdir()
    for name in ("numpy.py", "random.py", "mine.py"):
        (tmp_path / "work" / name).write_text("")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "utils.py").write_text("x = 1")
    monkeypatch.setenv("DLMAP_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))
    found = {finding.what: finding.found for finding in doctor.shadows(paths.ROOT)}
    assert found == {
        "Module numpy": f"hidden by {tmp_path / 'work' / 'numpy.py'}",
        "Module random": f"hidden by {tmp_path / 'work' / 'random.py'}",
        "Module utils": f"hidden by {tmp_path / 'elsewhere' / 'utils.py'}",
    }
    (tmp_path / "work" / "random.py").unlink()
    (other,) = doctor.modules(paths.ROOT)
    assert other.found == f"is {tmp_path / 'elsewhere' / 'utils.py'}" and "PYTHONPATH" in other.remedy


def test_the_command_finds_its_own_utils(tmp_path):
    """Else `dlmap doctor` could not tell of the other one."""
    (tmp_path / "utils.py").write_text("x = 1")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(paths.ROOT)])}
    command = [sys.executable, "-c", "import dlmap; dlmap.app(['start', '99'])"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8")
    assert ran.stderr.startswith("dlmap: unknown lecture '99'")


@pytest.mark.parametrize(
    ("value", "fits"),
    [("", 1), ("4", 1), ("4,2", 1), (" 4 , 2 ", 1), ("abc", 0), ("-1", 0), ("0", 0), ("1.5", 0)],
)
def test_doctor_reads_the_variables(monkeypatch, value, fits):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert (doctor.variables(paths.ROOT)[0].remedy == "") == bool(fits)
    monkeypatch.setenv("DLMAP_THREADS", "abc")
    assert doctor.variables(paths.ROOT)[0].found.startswith("DLMAP_THREADS is 'abc'")


def test_doctor_names_packages_of_the_home_folder(tmp_path, monkeypatch):
    (tmp_path / "numpy").mkdir()
    monkeypatch.setattr(doctor.site, "getusersitepackages", lambda: str(tmp_path))
    monkeypatch.setattr(doctor.site, "ENABLE_USER_SITE", True)
    (found,) = doctor.user_site(paths.ROOT)
    assert found.found == f"numpy of {tmp_path} hide the environment's" and found.remedy
    monkeypatch.setattr(doctor.site, "ENABLE_USER_SITE", False)
    assert doctor.user_site(paths.ROOT) == []


def test_doctor_goes_on_after_what_stops_a_look(monkeypatch):
    def device(root):
        raise ValueError("Key backend: 'foo' is not\na valid value")

    monkeypatch.setenv("MPLBACKEND", "foo")
    (found,) = doctor.looked(device, paths.ROOT)
    assert found.found == "ValueError: Key backend: 'foo' is not a valid value"
    assert (found.what, found.remedy) == ("Device", "unset MPLBACKEND")
    monkeypatch.delenv("MPLBACKEND")
    assert doctor.looked(device, paths.ROOT)[0].remedy == doctor.MENDING


@pytest.mark.parametrize(
    ("tags", "fits"),
    [
        (list(mac_platforms((15, 0), "arm64")), True),
        (list(mac_platforms((13, 0), "arm64")), False),
        (list(mac_platforms((15, 0), "x86_64")), False),
        (["manylinux_2_36_aarch64", "manylinux_2_28_aarch64", "linux_aarch64"], True),
        (["manylinux_2_27_x86_64", "linux_x86_64"], False),
        (["musllinux_1_2_x86_64", "linux_x86_64"], False),
        (["win_amd64"], True),
        (["win_arm64"], False),
    ],
)
def test_doctor_knows_the_systems_that_have_wheels(monkeypatch, tags, fits):
    monkeypatch.setattr(doctor, "platform_tags", lambda: iter(tags))
    (found,) = doctor.machine(paths.ROOT)
    assert (found.remedy == "") == fits


@pytest.mark.parametrize(
    ("version", "fits"), [((3, 10, 9), 0), ((3, 11, 0), 1), ((3, 14, 0), 1), ((3, 14, 1), 0), ((3, 15, 0), 0)]
)
def test_doctor_knows_the_pythons_that_have_wheels(monkeypatch, version, fits):
    monkeypatch.setattr(doctor, "sys", SimpleNamespace(version_info=version, prefix=""))
    assert (doctor.python(paths.ROOT)[0].remedy == "") == bool(fits)


def test_what_is_written_names_the_pythons_that_doctor_knows():
    first, last = (".".join(map(str, bound)) for bound in doctor.PYTHONS)
    for name in ("README.md", "Makefile"):
        assert f"Python {first} to {last}" in (paths.ROOT / name).read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="links take rights there")
def test_doctor_through_a_link(tmp_path, monkeypatch):
    """The course's folder may be reached by another name, and so may its environment."""
    (tmp_path / "link").symlink_to(Path(sys.prefix))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "link" / "bin" / "python"))
    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", lambda *_: SimpleNamespace(argv=[PYTHON]))
    assert doctor.kernel(paths.ROOT)[0].remedy == ""
    (tmp_path / "course").symlink_to(paths.ROOT)
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "course" / "exercises" / "01_regression.ipynb"))
    assert paths.notebook().parent == paths.EXERCISES


def test_doctor_sees_pairs_and_ids_that_cells_share(dlmap, course):
    dlmap("start", "00")
    work = course / "exercises" / "work"
    (work / "00_lecture.py").write_text("")
    (course / "lectures" / "00_good.md").write_text("")
    (work / "mine.py").write_text("")
    assert [f.found for f in doctor.pairs(course)] == ["lectures/00_good.md", "exercises/work/00_lecture.py"]
    assert doctor.notebooks(course)[0].remedy == ""
    nb = json.loads((work / "00_exercises.ipynb").read_text(encoding="utf-8"))
    nb["cells"][2]["id"] = nb["cells"][1]["id"]
    (work / "00_exercises.ipynb").write_text(json.dumps(nb), encoding="utf-8")
    (found,) = doctor.notebooks(course)
    assert found.found == "cells of exercises/work/00_exercises.ipynb share an id"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is read without a word, and each cell gets an id
        ids = [cell.id for cell in sources.read(work / "00_exercises.ipynb").cells]
    assert len(set(ids)) == len(ids)


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
