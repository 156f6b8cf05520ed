"""What several test files share."""

import shutil
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """The root of a course of three small lectures, sources only: one is good, one raises, one warns."""
    return Path(shutil.copytree(FIXTURES / "course", tmp_path / "course"))
