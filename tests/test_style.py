"""Gate 8: ruff, and the measures of a lecture."""

import subprocess
import sys

import pytest

from utils.authoring.gates import style
from utils.authoring.sources import pages
from utils.paths import ROOT


@pytest.mark.parametrize("command", ["check .", "format --check utils tests deploy conftest.py"])
def test_ruff(command):
    ran = subprocess.run(
        [sys.executable, "-m", "ruff", *command.split()], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: page.name)
def test_measures(page):
    nb = page.stored()
    assert nb is not None, "not built"
    assert style(nb, page.path.parent.name) == []


def test_each_file_of_utils_is_read_in_one_sitting():
    long = {
        str(file.relative_to(ROOT)): lines
        for file in (ROOT / "utils").rglob("*.py")
        if "tasks" not in file.parts and (lines := len(file.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long, "over 400 lines: divide it by what it is about, or drop what nothing uses"
