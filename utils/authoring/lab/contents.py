"""How the server of `dlmap lab` reads and writes notebooks, so that looking at one never changes it.

JupyterLab writes the kernel's Python version into every notebook that it opens, and gives no description of
an `image/png` to the reader who cannot see it. Both are added when a notebook is read and taken out when it
is saved: an unchanged notebook is saved byte for byte, and the page is right all the same.
"""

import json
import platform
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from traitlets import default

from utils import paths
from utils.pictures import tag

# What a learner does not open: the browser of files shows the rest.
HIDDEN = ["src", "tests", "benchmarks", "deploy", "build", "conftest.py", "dlmap.py", "pyproject.toml"]
HIDDEN += ["requirements.lock", "environment.yml", "Makefile", "*.egg-info", "progress.lock", "__pycache__"]
HIDDEN += ["*.pyc", "*~"]


class Notebooks(AsyncLargeFileManager):
    """The course's folder as JupyterLab sees it."""

    @default("hide_globs")
    def _hide_globs(self) -> list[str]:
        return HIDDEN

    async def get(self, path: str, content: bool = True, *args: Any, **options: Any) -> dict:
        model = await super().get(path, content, *args, **options)
        if content and model["type"] == "notebook":
            as_shown(model["content"])
        return model

    async def save(self, model: dict, path: str = "") -> dict:
        if model.get("type") == "notebook" and model.get("content"):
            as_stored(model["content"])
            place = Path(self._get_os_path(path))
            if place.parent in (paths.LECTURES, paths.EXERCISES, paths.SOLUTIONS):
                keep_metadata(model["content"], place)
        return await super().save(model, path)


def as_shown(nb: dict) -> None:
    """Add what JupyterLab would write, and the descriptions it would leave out; in place."""
    language = nb["metadata"].get("language_info", {})
    if language.get("name") == "python":
        language.setdefault("version", platform.python_version())  # as the kernel, which is this Python, says
    for data, html in described(nb):
        data.setdefault("text/html", html)


def as_stored(nb: dict) -> None:
    """Take out what changes from machine to machine, and the second copy of each picture; in place."""
    nb["metadata"].get("language_info", {}).pop("version", None)
    for data, html in described(nb):
        if "".join(data.get("text/html", "")) == html:
            del data["text/html"]


def keep_metadata(nb: dict, place: Path) -> None:
    """In a notebook of the course, to unfold a cell is to look, not to change; in place."""
    with suppress(OSError, ValueError, KeyError):  # no file, or none of ours: nothing to keep
        cells = json.loads(place.read_text(encoding="utf-8"))["cells"]
        known = {(cell["id"], "".join(cell["source"])): cell["metadata"] for cell in cells}
        for cell in nb["cells"]:
            trust = {key: value for key, value in cell["metadata"].items() if key == "trusted"}
            kept = known.get((cell.get("id"), "".join(cell["source"])), cell["metadata"])
            cell["metadata"] = kept | trust


def described(nb: dict) -> Iterator[tuple[dict, str]]:
    """The data of each output with a described picture, and that picture as HTML."""
    for cell in nb["cells"]:
        for output in cell.get("outputs", []):
            data, about = output.get("data", {}), output.get("metadata", {}).get("image/png", {})
            if "image/png" in data and about.get("alt"):
                yield data, tag("".join(data["image/png"]), **about)
