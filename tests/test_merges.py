"""An update that meets a learner's own commit: what git leaves, and what the commands say about it."""

import json
import shutil
import subprocess

import pytest

from utils import paths
from utils.authoring import doctor

MARKED = '{\n "cells": [],\n<<<<<<< HEAD\n "a": 1\n=======\n "a": 2\n>>>>>>> origin/main\n}\n'


@pytest.fixture
def marked(dlmap, course):
    """A course in which the marks of a merge lie in a lecture and an exercise."""
    for folder in ("lectures", "exercises"):
        (course / folder / "00_good.ipynb").write_text(MARKED)
    return dlmap


@pytest.mark.parametrize("command", ["build 00 --check", "build 00", "build 00 --run", "run 00", "start 00"])
def test_every_command_names_the_way_out_and_touches_nothing(marked, course, command):
    result = marked(*command.split())
    assert result.exit_code == 2 and len(result.stderr.splitlines()) == 1
    assert "`git checkout --theirs 00_good.ipynb` takes the course's version" in result.stderr
    assert (course / "lectures" / "00_good.ipynb").read_text() == MARKED


def test_doctor_sees_it(marked, course):
    found = doctor.notebooks(course)
    assert [finding.found for finding in found] == ["lectures/00_good.ipynb", "exercises/00_good.ipynb"]
    assert all("--theirs" in finding.remedy for finding in found)


def test_git_leaves_a_notebook_and_the_remedy_ends_the_merge(tmp_path):
    def git(*arguments: str) -> subprocess.CompletedProcess:
        who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org", "-c", "init.defaultBranch=main"]
        return subprocess.run(["git", *who, *arguments], cwd=tmp_path, capture_output=True, text=True)

    def commit(value: int) -> None:
        (tmp_path / "01.ipynb").write_text(json.dumps({"cells": [], "a": value}, indent=1))
        git("add", "-A")
        git("commit", "-m", str(value))

    git("init")
    shutil.copy(paths.ROOT / ".gitattributes", tmp_path)
    commit(0)
    git("checkout", "-b", "course")
    commit(2)
    git("checkout", "main")
    commit(1)
    said = git("merge", "course")
    assert said.returncode == 1 and "Cannot merge binary files: 01.ipynb" in said.stdout + said.stderr
    assert json.loads((tmp_path / "01.ipynb").read_text())["a"] == 1, "still a notebook: the learner's"
    assert git("checkout", "--theirs", "01.ipynb").returncode == 0
    assert json.loads((tmp_path / "01.ipynb").read_text())["a"] == 2
    git("add", "01.ipynb")
    assert git("commit", "--no-edit").returncode == 0
