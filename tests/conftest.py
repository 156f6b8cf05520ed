"""What several test files share."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
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


@pytest.fixture
def visit(browser, request):
    """Open a page in a context of its own. What it asks of other hosts or complains of fails the test."""
    wrong, contexts = [], []

    def opened(at: Path, page: str, width=1280, height=720, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        contexts[-1].set_default_timeout(120_000)  # a machine that is busy is slow, not wrong
        tab = contexts[-1].new_page()
        tab.on("request", lambda r: wrong.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
        tab.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on(
            "requestfailed", lambda r: wrong.append(f"{r.url}: {r.failure}") if r.failure != "csp" else None
        )
        tab.goto(f"{at.as_uri()}/{page}")
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def serving(tmp_path):
    """Start a `dlmap lab` with these arguments and a home of its own: the address it opens, and its port."""

    @contextmanager
    def started(*arguments: str):
        home = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
        home |= {"JUPYTERLAB_WORKSPACES_DIR": str(tmp_path), "JUPYTERLAB_SETTINGS_DIR": str(tmp_path)}
        home |= {
            "HOME": str(tmp_path),
            "DLMAP_WORK": str(tmp_path / "work"),
            "SHELL": shutil.which("bash") or "sh",
        }
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "utils.cli", "lab", "--no-browser", f"--port={port}"]
        command += ["--IdentityProvider.token=secret", *arguments]
        process = subprocess.Popen(command, env=os.environ | home, stderr=subprocess.PIPE, text=True)
        try:
            addresses = (re.search(rf"http://localhost:{port}(/\S+)", line) for line in process.stderr)
            yield next(filter(None, addresses))[1], port
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)

    return started
