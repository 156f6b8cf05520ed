"""What is around the course: variables, encodings, by-products, a copy of the code without the course."""

import errno
import importlib.util
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from utils import cli, data, environment, paths, runtime
from utils.errors import UserError

# --- variables -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "threads"), [("", None), ("0", None), ("1", 1), (" 2 ", 2), ("4096", 4096), ("007", 7)]
)
def test_a_number_of_threads(monkeypatch, value, threads):
    monkeypatch.setenv("DLMAP_THREADS", value)
    assert environment.threads() == threads


@pytest.mark.parametrize("value", ["abc", "1.5", "-2", "4097", "99999999999", "²", "1 2", "0x10"])
def test_what_is_no_number_of_threads(monkeypatch, value):
    monkeypatch.setenv("DLMAP_THREADS", value)
    line = f"DLMAP_THREADS is {value!r}; expected a whole number from 0 to 4096"
    with pytest.raises(UserError, match=re.escape(line)):
        runtime.setup(device="cpu")
    assert list(environment.problems()) == [line]


@pytest.mark.parametrize("name", environment.FLAGS)
def test_a_flag_is_1_or_0(monkeypatch, name):
    for value, meant in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv(name, value)
        assert environment.flag(name) is meant
    monkeypatch.delenv(name)
    assert environment.flag(name) is False
    monkeypatch.setenv(name, "yes")
    with pytest.raises(UserError, match=f"{name} is 'yes'; expected 1 or 0"):
        environment.flag(name)


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("DLMAP_STRICT", "true", "DLMAP_STRICT is 'true'; expected 1 or 0"),
        ("DLMAP_WORK", __file__, f"DLMAP_WORK is {__file__!r}, a file; expected a folder"),
        ("DLMAP_CACHE", __file__, f"DLMAP_CACHE is {__file__!r}, a file; expected a folder"),
        ("DLMAP_THREAD", "1", "the course has no variable DLMAP_THREAD; is DLMAP_THREADS meant?"),
        ("DLMAP_COLOUR", "1", "the course has no variable DLMAP_COLOUR; unset it"),
    ],
)
def test_every_command_begins_with_the_variables(dlmap, monkeypatch, name, value, line):
    monkeypatch.setenv(name, value)
    result = dlmap("start", "00")
    assert (result.exit_code, result.stderr) == (2, f"dlmap: {line}\n")


def test_variables_that_can_be_used(dlmap, monkeypatch, tmp_path):
    monkeypatch.setenv("DLMAP_DATA", str(tmp_path))
    assert dlmap("start", "00").exit_code == 0
    monkeypatch.setenv("DLMAP_DATA", str(tmp_path / "typo"))
    assert "which is not there" in dlmap("start", "00").stderr


def test_a_tilde_is_home_and_a_relative_folder_counts_from_the_course(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("DLMAP_WORK", "~/deep learning")
    assert paths.work() == tmp_path / "deep learning"
    monkeypatch.setenv("DLMAP_WORK", "mine")
    assert paths.work() == paths.ROOT / "mine"


# --- encodings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "shown"), [("cp949", "v x ○ 회귀 ?"), ("cp1252", "v x o ?? ?"), ("ascii", "v x o ?? ?")]
)
def test_a_letter_that_an_encoding_lacks_ends_nothing(encoding, shown):
    code = "import sys, utils; [print('✔ ✗ ○ 회귀 𝄞', file=file) for file in (sys.stdout, sys.stderr)]"
    old = os.environ | {"PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
    ran = subprocess.run([sys.executable, "-c", code], env=old, capture_output=True)
    assert ran.returncode == 0
    assert ran.stdout.decode(encoding).strip() == ran.stderr.decode(encoding).strip() == shown


def test_whatever_prints_imports_utils():
    scripts = [*paths.ROOT.glob("benchmarks/*.py"), *paths.ROOT.glob("utils/**/*.py")]
    runs = [text for path in scripts if "__main__" in (text := path.read_text(encoding="utf-8"))]
    assert len(runs) > 10 and all("from utils" in text for text in runs)


# --- a copy without the course: `pip install .` --------------------------------------------------------


@pytest.mark.parametrize("command", [command.callback.__name__ for command in cli.app.registered_commands])
def test_without_the_course_every_command_is_one_line(tmp_path, monkeypatch, command):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    result = CliRunner().invoke(cli.app, [command])
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "a copy of the course's code alone" in result.stderr and "`make lab`" in result.stderr


def test_without_the_course_a_notebook_says_so_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.delenv("DLMAP_CACHE", raising=False)
    monkeypatch.delenv("DLMAP_WORK", raising=False)
    for use in (runtime.setup, paths.work, lambda: data.load("glyphs", split="test")):
        with pytest.raises(UserError, match="without its lectures and data"):
            use()
    assert list(tmp_path.iterdir()) == []


# --- by-products that cannot be written ----------------------------------------------------------------


def test_a_home_that_cannot_be_written_is_lent(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for name in environment.HOMES:
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("MPLBACKEND", "foo")
    environment.prepare()
    assert "MPLBACKEND" not in os.environ
    assert os.environ["MPLCONFIGDIR"] == str(tmp_path / "MPLCONFIGDIR"), "all can be written: nothing to lend"
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "file" / "runtime"))
    environment.prepare()
    lent = [os.environ[name] for name in environment.HOMES]
    assert all("dlmap-home-" in folder for folder in lent) and len(set(lent)) == len(lent)


def test_a_table_that_cannot_be_written_does_not_end_the_run(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("root_conftest", paths.ROOT / "conftest.py")
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    ran = SimpleNamespace(
        nodeid="lectures/00_the_map.ipynb::Cell 0", when="call", duration=1, user_properties=[]
    )
    said = []
    reporter = SimpleNamespace(getreports=lambda kind: [ran] * (kind == "passed"), write_line=said.append)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(conftest, "BUILD", tmp_path / "file")
    conftest.pytest_terminal_summary(reporter)
    assert said[0].startswith("1 notebooks took 1 s of cells; build/notebooks.md could not be written")
    monkeypatch.setattr(conftest, "BUILD", tmp_path)
    (tmp_path / "notebooks.json").write_text("{ damaged")
    conftest.pytest_terminal_summary(reporter)
    assert said[1] == "1 notebooks took 1 s of cells: build/notebooks.md"


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_what_a_disk_refuses_is_one_line(dlmap, monkeypatch, number):
    def refuse(path, content):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(paths, "atomic_write", refuse)
    result = dlmap("progress", "--map")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"dlmap: {paths.BUILD / 'map.svg'}: {os.strerror(number)};")
