"""Gate 8: ruff, and the measures of a lecture."""

import subprocess
import sys

import pytest

from utils.authoring.gates import kind_of, style
from utils.authoring.sources import pages
from utils.paths import ROOT


@pytest.mark.parametrize("command", ["check .", "format --check utils tests conftest.py"])
def test_ruff(command):
    ran = subprocess.run(
        [sys.executable, "-m", "ruff", *command.split()], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: page.name)
def test_measures(page):
    nb = page.stored()
    assert nb is not None, "not built"
    assert style(nb, kind_of(page)) == []
