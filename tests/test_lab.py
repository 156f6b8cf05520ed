"""`dlmap lab`: what the server serves, that its terminal knows `dlmap`, that looking changes no notebook."""

import asyncio
import json
import os
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from ipykernel.ipkernel import IPythonKernel
from tornado.websocket import websocket_connect

from utils import paths
from utils.authoring import lab
from utils.authoring.lab.contents import Notebooks, as_shown
from utils.authoring.sources import dumps, pages, with_outputs
from utils.errors import UserError

# --- what the server is started with -------------------------------------------------------------------


def test_the_root_holds_the_course_and_the_learners_folder(tmp_path):
    course, ana = tmp_path / "course", tmp_path / "home" / "ana"
    inside = lab.options(course, course / "exercises" / "work")
    assert f"--ServerApp.root_dir={course}" in inside
    assert "--LabApp.default_url=/lab/tree/lectures/00_the_map.ipynb" in inside
    outside = lab.options(course, ana)
    assert f"--ServerApp.root_dir={tmp_path}" in outside
    assert "--LabApp.default_url=/lab/tree/course/lectures/00_the_map.ipynb" in outside
    assert "--ContentsManager.preferred_dir=course" in outside
    hidden = "--ContentsManager.allow_hidden=True"
    assert hidden not in outside and hidden in lab.options(course, ana / ".share" / "work")


def test_a_folder_on_another_drive(tmp_path, monkeypatch):
    def differ(_):
        raise ValueError("Paths don't have the same drive")

    monkeypatch.setattr(os.path, "commonpath", differ)
    with pytest.raises(UserError, match="choose a folder on the drive of"):
        lab.options(tmp_path, Path("D:/work"))


def test_on_windows_a_path_with_spaces_stays_one_argument(tmp_path, monkeypatch):
    """There `execv` joins its arguments by spaces."""
    calls = []
    windows = SimpleNamespace(name="nt", environ={}, pathsep=";", defpath="")
    monkeypatch.setattr(lab, "os", windows)
    monkeypatch.setattr(lab, "options", lambda *_: ["--ServerApp.root_dir=C:/Users/Hong Gil Dong"])
    monkeypatch.setattr(lab.subprocess, "call", lambda command: calls.append(command) or 3)
    with pytest.raises(SystemExit, match="3"):
        lab.open_lab(tmp_path, tmp_path, ["--port=1"])
    assert calls[0][1:] == [
        "-P",
        "-m",
        "jupyterlab",
        "--ServerApp.root_dir=C:/Users/Hong Gil Dong",
        "--port=1",
    ]


# --- the server ----------------------------------------------------------------------------------------


@pytest.fixture
def server(serving):
    """A running `dlmap lab` of a learner whose folder lies outside the course: its address, and its port."""
    with serving() as running:
        yield running


def ask(port: int, path: str, method: str = "GET") -> str:
    """Ask the server; it prints its address a moment before it listens."""
    asked = urllib.request.Request(f"http://localhost:{port}/{path}", method=method)
    asked.add_header("Authorization", "token secret")
    for _ in range(100):
        try:
            with urllib.request.urlopen(asked, timeout=30) as reply:
                return reply.read().decode()
        except ConnectionError:
            time.sleep(0.2)
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionError):
                raise
            time.sleep(0.2)
    raise AssertionError("no answer")


def test_lab_serves_the_course_and_its_terminal_knows_dlmap(server, tmp_path):
    address, port = server
    top = os.path.commonpath([paths.ROOT, tmp_path])
    course, work = (Path(place).relative_to(top).as_posix() for place in (paths.ROOT, tmp_path / "work"))
    assert address.partition("?")[0] == f"/lab/tree/{course}/lectures/00_the_map.ipynb"
    assert '"default": "false"' in ask(port, "lab/api/settings/@jupyterlab/apputils-extension:notification")
    listed = {entry["name"] for entry in json.loads(ask(port, f"api/contents/{course}"))["content"]}
    assert {"lectures", "exercises", "README.md"} <= listed and not {"tests", "benchmarks"} & listed
    terminal = json.loads(ask(port, "api/terminals", "POST"))["name"]
    said = asyncio.run(type_in(port, terminal, "command -v dlmap && dlmap start 01 && echo do''ne\r", "done"))
    assert str(Path(sys.executable).parent / "dlmap") in said
    assert json.loads(ask(port, f"api/contents/{work}/01_exercises.ipynb?content=0"))["type"] == "notebook"


async def type_in(port: int, terminal: str, line: str, end: str) -> str:
    """Type a line in a terminal; returns what it showed up to `end`."""
    socket = await websocket_connect(f"ws://localhost:{port}/terminals/websocket/{terminal}?token=secret")
    await socket.write_message(json.dumps(["stdin", line]))
    shown = ""
    while end not in shown:
        kind, *content = json.loads(await asyncio.wait_for(socket.read_message(), 30))
        shown += content[0] if kind == "stdout" else ""
    return shown


# --- looking changes nothing ---------------------------------------------------------------------------


def in_a_browser(nb: dict, version: str) -> dict:
    """What JupyterLab sends back: numbers as JavaScript has them, and the language that the kernel told.

    Only the class is asked: to make a kernel would load its debugger, which traces the process of the tests.
    """
    whole = lambda text: int(float(text)) if float(text).is_integer() else float(text)  # noqa: E731
    nb = json.loads(json.dumps(nb), parse_float=whole)
    nb["metadata"]["language_info"] = IPythonKernel.language_info | {"version": version}
    return nb


@pytest.fixture(params=["lectures", "exercises", "solutions"])
def page(request, tmp_path, monkeypatch):
    """The path of a notebook of lecture 01 in a course of its own, and its text."""
    (wanted,) = (page for page in pages(paths.ROOT, ["01"]) if page.path.parent.name == request.param)
    stored = wanted.stored()
    text = dumps(with_outputs(wanted.build(), stored) if stored and wanted.executed else wanted.build())
    folder = tmp_path / request.param
    folder.mkdir()
    (folder / wanted.path.name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(paths, request.param.upper(), folder)
    return f"{request.param}/{wanted.path.name}", text


@pytest.mark.parametrize("version", ["3.11.2", "3.99.0"])
def test_open_unfold_and_save_leaves_no_difference(page, tmp_path, version):
    path, text = page

    async def look() -> None:
        files = Notebooks(root_dir=str(tmp_path))
        model = await files.get(path)
        nb = in_a_browser(model["content"], version)
        for cell in nb["cells"]:
            cell["metadata"].pop("jupyter", None)  # unfolded
        await files.save({"type": "notebook", "format": "json", "content": nb}, path)

    asyncio.run(look())
    assert (tmp_path / path).read_text(encoding="utf-8") == text


def test_a_tab_is_clean_after_opening(page):
    """JupyterLab marks a notebook as changed if the kernel's language is not what the file says."""
    nb = json.loads(page[1])
    as_shown(nb)
    assert nb["metadata"]["language_info"] == IPythonKernel.language_info


def test_an_edit_is_saved(page, tmp_path):
    path, _ = page

    async def edit() -> None:
        files = Notebooks(root_dir=str(tmp_path))
        nb = (await files.get(path))["content"]
        nb["cells"][1]["source"] = "x = 1"
        nb["cells"][1]["metadata"]["tags"] = ["mine"]
        await files.save({"type": "notebook", "format": "json", "content": nb}, path)

    asyncio.run(edit())
    assert json.loads((tmp_path / path).read_text())["cells"][1]["metadata"]["tags"] == ["mine"]


def test_every_picture_is_described_where_it_is_shown():
    """JupyterLab prefers HTML, and takes no description of an image/png."""
    picture = {"image/png": "aGk=\n", "text/plain": "<picture>"}
    about = {"image/png": {"alt": 'a "line" & a < b', "width": 750}}
    output = {"output_type": "display_data", "data": picture, "metadata": about}
    nb = {"metadata": {}, "cells": [{"cell_type": "code", "outputs": [output]}]}
    as_shown(nb)
    assert picture["text/html"] == (
        '<img src="data:image/png;base64,aGk=" alt="a &quot;line&quot; &amp; a &lt; b" width="750">'
    )
