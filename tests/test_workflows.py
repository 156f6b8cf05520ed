"""The workflows for the machines of a host: nobody here runs them, so their form and commands are held."""

import os
import re

import pytest
import yaml

from utils import paths

FOLDER = paths.ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))


def read(name: str) -> dict:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_workflow_has_what_it_needs(file):
    flow = read(file.name)
    assert {"name", True, "permissions", "jobs"} <= flow.keys()  # YAML 1.1 reads `on` as true
    for job in flow["jobs"].values():
        assert "runs-on" in job
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/none@v0")), step


def test_every_system_meets_every_python():
    job = read("tests.yml")["jobs"]["test"]
    assert job["strategy"]["matrix"] == {
        "os": ["ubuntu-latest", "macos-latest", "windows-latest"],
        "python": ["3.11", "3.12", "3.13"],
    }
    assert job["strategy"]["fail-fast"] is False and job["runs-on"] == "${{ matrix.os }}"


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile, as Windows needs them."""
    makefile = (paths.ROOT / "Makefile").read_text(encoding="utf-8")
    lines = re.search(rf"(?m)^{re.escape(target)}:.*\n((?:\t.*\n)+)", makefile)[1].splitlines()
    names = {"$(BIN)": ".venv/Scripts", "$(JOBS)": "2"}
    return [re.sub(r"\$\(\w+\)", lambda name: names.get(name[0], name[0]), line.strip()) for line in lines]


def test_windows_gets_what_make_would_do():
    steps = read("tests.yml")["jobs"]["test"]["steps"]
    make, *windows = [step for step in steps if "run" in step]
    assert make["run"] == "make test" and make["if"] == "runner.os != 'Windows'"
    install, test = (step["run"].splitlines() for step in windows)
    assert all(step["if"] == "runner.os == 'Windows'" and step["shell"] == "bash" for step in windows)
    assert test == recipe("test")
    made = [
        line.partition(" || ")[0]
        for line in recipe(".venv/ready")
        if line.startswith((".venv/Scripts", "cp "))
    ]
    assert len(made) == 3 and install == ["python -m venv .venv", *made]


def test_where_a_reader_holds_the_file_windows_waits(tmp_path, monkeypatch):
    """`atomic_write` meets a reader, whom Windows lets nobody rename under; elsewhere it is an error."""
    refused, replace = [], os.replace

    def busy(old, new):
        if len(refused) < 2:
            refused.append(new)
            raise PermissionError(13, "The process cannot access the file")
        replace(old, new)

    monkeypatch.setattr(paths.os, "replace", busy)
    with pytest.raises(PermissionError):
        paths.atomic_write(tmp_path / "a", "one")
    monkeypatch.setattr(paths.sys, "platform", "win32")
    refused.clear()
    paths.atomic_write(tmp_path / "a", "two")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "two" and len(refused) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a"], "nothing is left beside it"


def test_every_file_name_is_one_that_windows_can_have():
    tops = [top for top in paths.ROOT.iterdir() if top.name not in (".git", ".venv", "build")]
    files = [path for top in tops for path in [top, *top.rglob("*")]]
    names = {path.relative_to(paths.ROOT).as_posix() for path in files}
    device = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
    for name in names:
        assert not re.search(r'[<>:"|?*\\]', name) and not name.endswith((".", " ")), name
        assert not any(device.fullmatch(part) for part in name.split("/")), name
    assert len({name.lower() for name in names}) == len(names), "two names differ by capitals only"
