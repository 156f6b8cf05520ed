"""What a learner's server runs, as that learner: the newest course, then JupyterLab on it.

The course is a clone in their home, so that what they change in it is theirs; copies and progress lie in a
folder beside it, which no update touches. nbgitpuller makes and updates the clone: it keeps what was changed.
"""

import os
import subprocess
import sys
from pathlib import Path

COURSE, WORK = "deep-learning-map", "deep-learning-work"


def update(course: Path, repository: str, branch: str) -> None:
    """Get or renew the clone; without a network, the one that is there serves."""
    puller = Path(sys.executable).with_name("gitpuller")
    try:
        subprocess.run([puller, repository, branch, course], cwd=course.parent, check=True, timeout=60)
    except (subprocess.SubprocessError, OSError):
        print(f"{course} could not be updated from {repository}, branch {branch}", file=sys.stderr)


def command(home: Path, arguments: list[str]) -> list[str]:
    """JupyterLab as `dlmap lab` opens it; on the home alone where the course's folder is not the course."""
    course, work = home / COURSE, home / WORK
    server = [sys.executable, "-P", "-m", "jupyterhub.singleuser"]  # -P: nothing of theirs in its place
    if not (course / "utils" / "authoring" / "lab").is_dir():
        print(f"{course} is not the course: rename it, then stop and start the server", file=sys.stderr)
        return [*server, f"--ServerApp.root_dir={home}", *arguments]
    work.mkdir(exist_ok=True)
    os.environ |= {"DLMAP_WORK": str(work), "PYTHONPATH": str(course)}
    sys.path.insert(0, str(course))
    from utils.authoring.lab import options

    return [*server, *options(course, work), *arguments]


if __name__ == "__main__":
    home = Path.home()
    update(home / COURSE, os.environ["COURSE_REPOSITORY"], os.environ["COURSE_BRANCH"])
    os.execv(sys.executable, command(home, sys.argv[1:]))
