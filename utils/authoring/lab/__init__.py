"""`dlmap lab`: JupyterLab on the course, with the environment's commands in its terminal.

`overrides.json` holds the settings of the page, `contents.py` how the server reads and writes notebooks;
`stage/` holds the settings and the style for a projector.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from utils.authoring import copies
from utils.errors import UserError


def open_lab(root: Path, work: Path, arguments: Sequence[str], stage: str | None = None) -> None:
    """Become JupyterLab; does not return. `stage`: the number of the lecture to show on a projector.

    Raises UserError where JupyterLab could not open the notebooks, or where there is nothing to show.
    """
    shown = copies.stage(root, stage) if stage is not None else None
    if shown:  # predictions made there are thrown away with the copy
        work = shown.parent
        os.environ |= {"DLMAP_WORK": str(work), "DLMAP_STAGE": "1"}
    # -P: what lies in the folder where one stands, a `utils` say, is not imported
    command = [sys.executable, "-P", "-m", "jupyterlab", *options(root, work, shown), *arguments]
    os.environ["PATH"] = sysconfig.get_path("scripts") + os.pathsep + os.environ.get("PATH", os.defpath)
    sys.stdout.flush()
    if os.name == "nt":  # execv there takes a path with a space for two arguments
        sys.exit(subprocess.call(command))
    os.execv(sys.executable, command)  # JupyterLab takes this process over, Ctrl-C included


def options(root: Path, work: Path, shown: Path | None = None) -> list[str]:
    """What JupyterLab is started with: on lecture 00, or for a stage on the notebook `shown` alone.

    Raises UserError where it could not open the learner's copies.
    """
    try:  # it opens nothing outside its root, so that holds the learner's folder too, wherever that is
        top = Path(os.path.commonpath([root, work]))
    except ValueError:
        raise UserError(f"DLMAP_WORK is {work}; choose a folder on the drive of {root}") from None
    course, here = root.relative_to(top), Path(__file__).parent
    first = shown.relative_to(top) if shown else course / "lectures" / "00_the_map.ipynb"
    given = [
        f"--ServerApp.root_dir={top}",
        f"--LabApp.default_url=/{'doc' if shown else 'lab'}/tree/{first.as_posix()}",
        f"--LabApp.app_settings_dir={here / 'stage' if shown else here}",
        "--ServerApp.contents_manager_class=utils.authoring.lab.contents.Notebooks",
    ]
    if shown:  # the server serves custom.css from there
        given += [
            "--custom-css",
            f"--ServerApp.tornado_settings={{'static_custom_path': [{str(here / 'stage')!r}]}}",
        ]
    if top != root:
        given.append(f"--ContentsManager.preferred_dir={course.as_posix()}")
    if any(part.startswith(".") for part in work.relative_to(top).parts + course.parts):
        given.append("--ContentsManager.allow_hidden=True")  # else it does not open what lies in there
    if os.name != "nt":
        # A login shell, which is the default, sets PATH anew in many systems' /etc/profile.
        shell = os.environ.get("SHELL") or shutil.which("bash") or "sh"
        given.append(f"--ServerApp.terminado_settings={{'shell_command': [{shell!r}]}}")
        given += ["--allow-root"] if os.geteuid() == 0 else []  # in a container
    return given
