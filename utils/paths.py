"""Where things are. Nothing in `utils` reads the current directory; it asks here."""

import os
import sys
import tempfile
import time
from pathlib import Path

from utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
LECTURES, EXERCISES, SOLUTIONS = ROOT / "lectures", ROOT / "exercises", ROOT / "solutions"
DATA, BUILD = ROOT / "data", ROOT / "build"


def course() -> Path:
    """ROOT. Raises UserError where only `utils` lies there, which is all that `pip install .` copies."""
    if not (ROOT / "lectures" / "src").is_dir():
        raise UserError(
            f"this is a copy of the course's code alone, in {ROOT}, without its lectures and data; "
            "in the course's own folder run `make lab`, or `pip install --editable .`"
        )
    return ROOT


def named(variable: str) -> Path | None:
    """The folder that a variable of the environment names: ~ is home, a relative one counts from ROOT."""
    value = os.environ.get(variable)
    return Path(os.path.abspath(ROOT / os.path.expanduser(value))) if value else None


def work() -> Path:
    """The learner's own folder: copies of exercises and progress. `$DLMAP_WORK` moves it."""
    return named("DLMAP_WORK") or course() / "exercises" / "work"


def cache() -> Path:
    """Where generated and downloaded data is kept. `$DLMAP_CACHE` moves it."""
    return named("DLMAP_CACHE") or course() / "data" / "cache"


def units() -> dict[str, str]:
    """The lectures that exist, in order: {"00": "00_the_map", "01": "01_regression", ...}."""
    return {path.stem[:2]: path.stem for path in sorted((LECTURES / "src").glob("[0-9][0-9]_*.py"))}


def unit(number: str) -> str:
    """The name of a lecture from its number: "1" or "01" -> "01_regression". Raises UserError."""
    known = units()
    key = str(number).zfill(2)
    if key not in known:
        raise UserError(f"unknown lecture {number!r}; choose one of: {', '.join(known)}")
    return known[key]


def notebook() -> Path | None:
    """The notebook that runs here, where the front end says so: JupyterLab and VS Code do."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    path = getattr(shell, "user_ns", {}).get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    # resolved, as LECTURES is: the course may have been reached through a link
    return Path(path).resolve() if path and os.path.isabs(path) else None


def beside(notebook: Path | None) -> str:
    """The way from a notebook to the lectures; None stands for one in a folder beside them."""
    way = os.path.relpath(LECTURES, notebook.parent) if notebook else f"../{LECTURES.name}"
    return Path(way).as_posix()


def _replace(new: str, path: Path) -> None:
    """Rename over a file. As long as somebody reads the old one Windows refuses that: wait a moment."""
    for pause in (0.02, 0.1, 0.5, None):
        try:
            os.replace(new, path)
            return
        except PermissionError:
            if sys.platform != "win32" or pause is None:
                raise
            time.sleep(pause)


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a file so that nobody ever reads half of it: to a neighbour first, then renamed into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)  # mkstemp makes a private file; a shared one is what readers expect
        _replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
