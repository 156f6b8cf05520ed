"""What the environment variables ask for. One that cannot be used is a line here, not a traceback later.

Those of the course begin with DLMAP_. Three name folders (`utils/paths.py`), DLMAP_THREADS is a number, the
others are 1 or 0; any other is a slip of the pen.
"""

import atexit
import difflib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from utils import paths
from utils.errors import UserError

FLAGS = ("DLMAP_BATCH", "DLMAP_OFFLINE", "DLMAP_STAGE", "DLMAP_STRICT")
FOLDERS = ("DLMAP_WORK", "DLMAP_CACHE", "DLMAP_DATA")
NAMES = (*FLAGS, *FOLDERS, "DLMAP_THREADS")
MOST_THREADS = 4096
# Where Jupyter, IPython and Matplotlib write beside what they are asked for; in the home folder, if unset.
HOMES = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR")


def flag(name: str) -> bool:
    """Whether a variable is 1; unset, empty and 0 are no. Raises UserError for anything else."""
    value = os.environ.get(name, "").strip()
    if value not in ("", "0", "1"):
        raise UserError(f"{name} is {value!r}; expected 1 or 0")
    return value == "1"


def threads() -> int | None:
    """DLMAP_THREADS: how many threads a notebook may use at most; None where nothing limits them.

    Raises UserError for what is no whole number from 0, which is no limit, to MOST_THREADS.
    """
    value = os.environ.get("DLMAP_THREADS", "").strip()
    if not re.fullmatch(r"[0-9]{0,9}", value) or int(value or 0) > MOST_THREADS:
        raise UserError(f"DLMAP_THREADS is {value!r}; expected a whole number from 0 to {MOST_THREADS}")
    return int(value or 0) or None


def problems() -> Iterator[str]:
    """A line for each variable of the course that cannot be used, or that it does not have."""
    for name in sorted(os.environ):
        if name.startswith("DLMAP_") and name not in NAMES:
            meant = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.8)
            yield f"the course has no variable {name}; " + (f"is {meant[0]} meant?" if meant else "unset it")
    for ask in (threads, *(partial(flag, name) for name in FLAGS)):
        try:
            ask()
        except UserError as error:
            yield str(error)
    for name in FOLDERS:
        folder = paths.named(name)
        if folder and folder.exists() and not folder.is_dir():
            yield f"{name} is {str(folder)!r}, a file; expected a folder"
        elif folder and name == "DLMAP_DATA" and not folder.exists():
            yield f"{name} is {str(folder)!r}, which is not there; expected the folder that holds the data"


def prepare() -> None:
    """Make the environment fit for the kernels that this process starts.

    A notebook draws in its page, whatever MPLBACKEND says. Where Jupyter cannot write its own files, it has
    a folder that is thrown away: they are by-products, without which a notebook runs as well.
    Raises UserError for the first variable that cannot be used.
    """
    for problem in problems():
        raise UserError(problem)
    os.environ.pop("MPLBACKEND", None)
    _lend_home()


def _lend_home() -> None:
    from jupyter_core.paths import jupyter_config_dir, jupyter_data_dir, jupyter_runtime_dir

    places = (jupyter_config_dir(), jupyter_data_dir(), jupyter_runtime_dir())
    if not all(writable(Path(place)) for place in places):
        lent = tempfile.mkdtemp(prefix="dlmap-home-")
        atexit.register(shutil.rmtree, lent, ignore_errors=True)
        os.environ.update({name: os.path.join(lent, name.lower()) for name in HOMES})


def writable(folder: Path) -> bool:
    """Whether a file can be made in a folder, which is made first. To ask for the rights deceives root."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True
