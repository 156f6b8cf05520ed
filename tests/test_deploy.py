"""The class server, as far as it can be tested where no JupyterHub is: settings, start, sizes, pins."""

import importlib.util
import os
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from traitlets.config import Config

from utils import paths

pytestmark = pytest.mark.skipif(os.name == "nt", reason="JupyterHub runs on Linux")

DEPLOY = paths.ROOT / "deploy"
PAGE = (DEPLOY / "README.md").read_text(encoding="utf-8")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DEPLOY / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def configured(monkeypatch, **settings: str) -> tuple[Config, dict]:
    """What JupyterHub reads, with these settings in /etc/default/jupyterhub."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    file, c = DEPLOY / "jupyterhub_config.py", Config()
    names = {"__file__": str(file), "get_config": lambda: c}
    exec(compile(file.read_text(encoding="utf-8"), file, "exec"), names)
    return c, names


def test_the_settings_are_those_of_the_page(monkeypatch):
    c, names = configured(monkeypatch)
    defaults = dict(re.findall(r"\| `(HUB_\w+)` \| `([^`]+)` \|", PAGE))
    used = re.findall(r'setting\(\s*"(HUB_\w+)"', (DEPLOY / "jupyterhub_config.py").read_text("utf-8"))
    assert list(defaults) == used
    assert defaults["HUB_MEMORY"] == names["MEMORY"] == c.SystemdSpawner.mem_limit
    assert float(defaults["HUB_CORES"]) == c.SystemdSpawner.cpu_limit
    assert defaults["HUB_THREADS"] == c.Spawner.environment["DLMAP_THREADS"]
    assert defaults["HUB_BRANCH"] == c.Spawner.environment["COURSE_BRANCH"]
    assert defaults["HUB_ADDRESS"] == c.JupyterHub.bind_url
    assert c.Spawner.environment["COURSE_REPOSITORY"] == f"file://{paths.ROOT}"
    assert f"--timeout={60 * int(defaults['HUB_IDLE_MINUTES'])}" in c.JupyterHub.services[0]["command"]


def test_the_limits_follow_the_memory(monkeypatch):
    c, names = configured(monkeypatch, HUB_MEMORY="1500M", HUB_CORES="0.5")
    assert c.SystemdSpawner.mem_limit == "1500M" and c.SystemdSpawner.cpu_limit == 0.5
    assert int(c.SystemdSpawner.unit_extra_properties["LimitDATA"]) == 1500 * 2**20 * 7 // 8
    assert names["bytes_of"]("2G") == 2**31
    assert {"learners", "teachers"} == c.PAMAuthenticator.allowed_groups
    assert Path(c.Spawner.cmd[1]).is_file() and c.SystemdSpawner.slice == "learners.slice"


@pytest.mark.parametrize(
    "name, value",
    [
        ("HUB_MEMORY", "2GB"),
        ("HUB_MEMORY", "0G"),
        ("HUB_MEMORY", "-1G"),
        ("HUB_CORES", "0"),
        ("HUB_CORES", "two"),
        ("HUB_THREADS", "1.5"),
        ("HUB_IDLE_MINUTES", "1h"),
        ("HUB_REPOSITORY", "/srv/course"),
        ("HUB_BRANCH", "main --force"),
        ("HUB_ADDRESS", "8000"),
    ],
)
def test_a_setting_that_cannot_be_is_one_line(monkeypatch, name, value):
    with pytest.raises(SystemExit) as stopped:
        configured(monkeypatch, **{name: value})
    said = str(stopped.value)
    assert said.startswith(f"{name} is {value!r}; expected ") and said.endswith("/etc/default/jupyterhub")


def test_everything_is_pinned_and_nothing_otherwise_than_in_the_lock():
    def pins(file: Path) -> dict[str, str]:
        return dict(re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", file.read_text(encoding="utf-8")))

    lines = (DEPLOY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    own, locked = pins(DEPLOY / "requirements.txt"), pins(paths.ROOT / "requirements.lock")
    assert len(own) == len([line for line in lines if not line.startswith("#")])
    assert {"jupyterhub", "jupyterhub-idle-culler", "jupyterhub-systemdspawner", "nbgitpuller"} <= own.keys()
    assert {name: own[name] for name in own.keys() & locked} == {
        name: locked[name] for name in own.keys() & locked
    }
    assert re.search(r"configurable-http-proxy@\d+\.\d+\.\d+", PAGE)


def test_a_learners_server_opens_the_course_of_their_home(tmp_path, monkeypatch):
    server = load("server")
    for name in ("DLMAP_WORK", "PYTHONPATH"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(sys, "path", sys.path.copy())
    (tmp_path / server.COURSE).symlink_to(paths.ROOT)
    command = server.command(tmp_path, ["--more"])
    assert command[1:4] == ["-P", "-m", "jupyterhub.singleuser"] and command[-1] == "--more"
    assert f"--ServerApp.root_dir={tmp_path}" in command
    assert "--ServerApp.contents_manager_class=utils.authoring.lab.contents.Notebooks" in command
    assert (tmp_path / server.WORK).is_dir()
    assert server.os.environ["DLMAP_WORK"] == str(tmp_path / server.WORK)
    assert server.os.environ["PYTHONPATH"] == str(tmp_path / server.COURSE)


def test_without_the_course_the_home_is_served_and_a_line_says_why(tmp_path, capsys):
    server = load("server")
    (tmp_path / server.COURSE).mkdir()
    server.update(tmp_path / server.COURSE, f"file://{tmp_path}/nowhere", "main")
    assert server.command(tmp_path, []) == [
        *(sys.executable, "-P", "-m", "jupyterhub.singleuser", f"--ServerApp.root_dir={tmp_path}")
    ]
    updated, named = capsys.readouterr().err.splitlines()[-2:]
    assert updated.endswith(f"could not be updated from file://{tmp_path}/nowhere, branch main")
    assert named.endswith("is not the course: rename it, then stop and start the server")


def test_the_pages_table_is_what_the_numbers_give():
    sizes = load("sizes")
    assert sizes.table([8, 30, 100]) in PAGE
    assert sizes.memory(8, 1.0) < sizes.memory(30, 1.0) and sizes.cores(30, 0.3) < sizes.cores(30, 1.0)
    assert "several machines" in sizes.table([5000])


def test_the_service_starts_what_is_here():
    unit = (DEPLOY / "jupyterhub.service").read_text(encoding="utf-8")
    (config,) = re.findall(r"--config /srv/deep-learning-map/(\S+)", unit)
    assert (paths.ROOT / config).is_file() and "MemoryMax=" in (DEPLOY / "learners.slice").read_text("utf-8")


def test_the_rehearsal_asks_for_two_names():
    with pytest.raises(RuntimeError, match="two learners' accounts"):
        load("rehearsal").main(["ada"])
