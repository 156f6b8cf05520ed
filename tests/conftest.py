"""What several test files share."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from utils import cli, paths
from utils.authoring.build import build

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """The root of a course of three small lectures, sources only: one is good, one raises, one warns."""
    return Path(shutil.copytree(FIXTURES / "course", tmp_path / "course"))


@pytest.fixture
def dlmap(course, monkeypatch):
    """Call the command on a small course of its own."""
    build(course, [], run=False, force=False, jobs=1)
    monkeypatch.setattr(paths, "ROOT", course)
    monkeypatch.setattr(paths, "EXERCISES", course / "exercises")
    monkeypatch.setenv("DLMAP_WORK", str(course / "exercises" / "work"))
    return lambda *arguments: CliRunner().invoke(cli.app, arguments)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The address of a Dask cluster that lives inside this process: one worker, no process to start."""
    with local_cluster(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster.scheduler_address


def local_cluster(folder: Path, workers: int = 1):
    from distributed import LocalCluster

    where = {"protocol": "tcp", "local_directory": str(folder), "dashboard_address": None}
    where["scheduler_kwargs"] = {"dashboard_address": "127.0.0.1:0"}
    return LocalCluster(n_workers=workers, threads_per_worker=1, processes=False, **where)


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium, driven by playwright; where there is none, what asks for it is skipped."""
    driver = pytest.importorskip("playwright.sync_api", reason="no playwright: `make site` installs it")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no browser: on Debian `apt install chromium`")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with driver.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=flags)
