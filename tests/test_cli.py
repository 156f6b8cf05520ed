"""`dlmap` itself: what it says, the codes it ends with, and that it never touches what is the learner's."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from utils import cli, paths
from utils.authoring import doctor, learner
from utils.authoring.build import build
from utils.errors import UserError

DLMAP = [sys.executable, "-m", "utils.cli"]


@pytest.fixture
def dlmap(course, monkeypatch):
    """Call the command on a small course of its own."""
    build(course, [], run=False, force=False, jobs=1)
    monkeypatch.setattr(paths, "ROOT", course)
    monkeypatch.setattr(paths, "EXERCISES", course / "exercises")
    monkeypatch.setenv("DLMAP_WORK", str(course / "exercises" / "work"))
    return lambda *arguments: CliRunner().invoke(cli.app, arguments)


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
        ("start 9", "dlmap: unknown exercise '9'; choose one of: 00"),
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


# --- the learner's copy --------------------------------------------------------------------------------


def test_start_copies_once_and_never_overwrites(dlmap, course):
    copy = course / "exercises" / "work" / "00_good.ipynb"
    assert str(copy) in dlmap("start", "0").stdout.replace("\n", "")
    copy.write_text("mine")
    os.utime(copy, (0, 0))  # older than the exercise
    again = dlmap("start", "00")
    assert again.exit_code == 0 and "stays as it is" in again.stdout and "has changed since" in again.stdout
    assert copy.read_text() == "mine"


def test_start_where_nothing_can_be_written(dlmap, course, monkeypatch):
    (course / "file").write_text("")
    monkeypatch.setenv("DLMAP_WORK", str(course / "file" / "work"))
    result = dlmap("start", "00")
    assert result.exit_code == 2 and "set DLMAP_WORK to a folder you own" in result.stderr


def test_check_without_a_copy_and_with_a_broken_one(dlmap, course):
    assert "begin with `dlmap start 00`" in dlmap("check", "00").stderr
    dlmap("start", "00")
    (course / "exercises" / "work" / "00_good.ipynb").write_text("{")
    assert "is not a notebook any more" in dlmap("check", "00").stderr


def test_check_runs_the_copy_and_leaves_the_file_alone(dlmap, course):
    dlmap("start", "00")
    copy = course / "exercises" / "work" / "00_good.ipynb"
    nb = nbformat.read(copy, as_version=4)
    for cell in nb.cells:
        cell.source = cell.source.replace("return ...", "return 2 * x").replace("large = ...", "large = oops")
    nb.cells = [cell for cell in nb.cells if "00.total" not in cell.source]
    nbformat.write(nb, copy)
    before = copy.read_bytes()

    results, stopped = learner.check(course / "exercises", copy.parent, "0")

    assert [(result.task, result.state) for result in results] == [
        ("00.double", "done"),
        ("00.names", "todo"),
        ("00.total", "todo"),
    ]
    assert results[2].message == "its check did not run; keep the check cells of the exercise"
    assert [line.split("] ")[1].split(":")[0] for line in stopped] == ["NameError", "NameError"]
    assert copy.read_bytes() == before


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


def test_doctor_is_happy_here():
    """The tests run in the very environment that the lock describes."""
    wrong = [finding for finding in doctor.examine(paths.ROOT) if finding.remedy]
    assert wrong == []


# --- lab -----------------------------------------------------------------------------------------------


def test_lab_serves_the_course_and_prints_its_address(tmp_path):
    """On a machine without a browser; nothing is written into anybody's home."""
    home = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    home |= {"JUPYTERLAB_WORKSPACES_DIR": str(tmp_path), "JUPYTERLAB_SETTINGS_DIR": str(tmp_path)}
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [*DLMAP, "lab", "--no-browser", f"--port={port}", "--IdentityProvider.token=secret"]
    server = subprocess.Popen(command, env=os.environ | home, stderr=subprocess.PIPE, text=True)
    try:
        assert any(f"http://localhost:{port}/lab" in line for line in server.stderr)
        assert '"default": "false"' in get(
            port, "lab/api/settings/@jupyterlab/apputils-extension:notification"
        )
        assert "01_regression" in get(port, "api/contents/lectures/src")
    finally:
        server.terminate()
        server.wait(20)


def get(port: int, path: str) -> str:
    """Ask the server; it prints its address a moment before it listens."""
    for _ in range(50):
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/{path}?token=secret", timeout=30) as reply:
                return reply.read().decode()
        except urllib.error.URLError:
            time.sleep(0.2)
    raise AssertionError("no answer")


def test_start_after_a_full_disk_leaves_nothing_half(tmp_path, monkeypatch):
    """A copy that broke off must not look like the learner's own."""
    exercises, work = tmp_path / "exercises", tmp_path / "work"
    exercises.mkdir()
    (exercises / "01_regression.ipynb").write_text("whole")

    def breaks_off(source, target):
        Path(target).write_text("ha")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("shutil.copyfile", breaks_off)
        with pytest.raises(UserError, match=r"cannot write .*No space left on device; make room"):
            learner.start(exercises, work, "01")
    assert list(work.iterdir()) == []
    assert learner.start(exercises, work, "01").startswith("your copy: ")
    assert (work / "01_regression.ipynb").read_text() == "whole"


def test_start_where_the_folder_is_a_file(tmp_path):
    exercises = tmp_path / "exercises"
    exercises.mkdir()
    (exercises / "01_regression.ipynb").write_text("whole")
    (tmp_path / "work").write_text("a file")
    with pytest.raises(UserError, match="is a file; remove it, or set DLMAP_WORK"):
        learner.start(exercises, tmp_path / "work", "01")
    for unknown in ("", "77", "x"):
        with pytest.raises(UserError, match=r"unknown exercise .*choose one of: 01"):
            learner.start(exercises, tmp_path / "w", unknown)
