"""`dlmap doctor`: what this machine has, what is wrong with it for the course, and what to do."""

import os
import re
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from packaging.markers import Marker

from utils.authoring import merges

MENDING = "run `make lab` again, or `pip install -r requirements.lock`"
DISK_NEEDED = 2.0  # GB: the downloaded datasets and the caches of the generated ones


@dataclass(frozen=True)
class Finding:
    """One line of the report. `remedy` is empty where all is well."""

    what: str
    found: str
    remedy: str = ""


def examine(root: Path) -> list[Finding]:
    """Look at everything once."""
    looks = python, packages, frameworks, device, threads, kernel, shadows, notebooks, disk, datasets
    return [finding for look in looks for finding in look(root)]


def python(root: Path) -> list[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    remedy = "" if sys.version_info >= (3, 11) else "the course needs Python 3.11 or newer"
    return [Finding("Python", f"{found} in {sys.prefix}", remedy)]


def packages(root: Path) -> list[Finding]:
    """The installed versions against the lock."""
    return [compared("Packages", root / "requirements.lock", MENDING)]


def frameworks(root: Path) -> list[Finding]:
    """What lecture 18 runs where it is installed: none of it is no fault, a part of it is."""
    if not any(find_spec(name) for name in ("jax", "pytensor", "tensorflow")):
        found = "PyTorch and Keras; `make frameworks` adds TensorFlow, JAX and PyTensor"
        return [Finding("Frameworks", found)]
    return [compared("Frameworks", root / "requirements-frameworks.lock", "run `make frameworks` again")]


def compared(what: str, lock: Path, remedy: str) -> Finding:
    """The installed versions against a lock; a build of torch ("+cpu") counts as its version."""
    pinned = locked(lock.read_text(encoding="utf-8"))
    off = []
    for name, wanted in pinned.items():
        try:
            found = version(name).partition("+")[0]
        except PackageNotFoundError:
            found = "missing"
        if found != wanted:
            off.append(f"{name} {found} instead of {wanted}")
    more = f" and {len(off) - 3} more" if len(off) > 3 else ""
    if off:
        return Finding(what, "; ".join(off[:3]) + more, remedy)
    return Finding(what, f"{len(pinned)} as in {lock.name}")


def locked(lock: str) -> dict[str, str]:
    """Name -> version, of the lines of a lock that are meant for this machine."""
    lines = re.findall(r"(?m)^([\w.-]+)==([^\s;]+)[ ]*(?:;[ ]*(.+))?$", lock)
    return {name: pin for name, pin, marker in lines if not marker or Marker(marker).evaluate()}


def device(root: Path) -> list[Finding]:
    try:
        from utils import runtime

        return [Finding("Device", str(runtime.find_device("auto")))]
    except Exception as error:  # whatever stops torch from loading is the finding
        return [Finding("Device", f"torch does not load: {error}".splitlines()[0], MENDING)]


def threads(root: Path) -> list[Finding]:
    import torch

    from utils.authoring.execute import CORES

    asked = os.environ.get("DLMAP_THREADS") or os.environ.get("OMP_NUM_THREADS")
    used = asked or torch.get_num_threads()
    remedy = f"unset DLMAP_THREADS and OMP_NUM_THREADS, or set {CORES}" if int(used) > CORES else ""
    return [Finding("Threads", f"{used} on {CORES} cores", remedy)]


def kernel(root: Path) -> list[Finding]:
    """JupyterLab offers the kernel called python3; it must be this environment's."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        command = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return [Finding("Kernel", "no kernel called python3", MENDING)]
    same = not os.path.isabs(command) or Path(command).parent == Path(sys.executable).parent
    mending = f"another Python's kernel hides ours; run `{sys.executable} -m ipykernel install --sys-prefix`"
    return [Finding("Kernel", command, "" if same else mending)]


def shadows(root: Path) -> list[Finding]:
    """Notebooks say `from utils import …`: no other `utils` may stand in the way."""
    spec = find_spec("utils")
    ours = spec is not None and spec.origin and Path(spec.origin).parent == root / "utils"
    places = [root / folder for folder in ("lectures", "exercises", "exercises/work", "solutions")]
    strays = [path for place in places for path in (place / "utils.py", place / "utils") if path.exists()]
    if strays:
        names = ", ".join(str(path.relative_to(root)) for path in strays)
        return [
            Finding("Module utils", f"hidden by {names}", "rename it: notebooks there cannot import ours")
        ]
    if not ours:
        return [Finding("Module utils", f"is {spec and spec.origin}", f"run `pip install -e {root}`")]
    return [Finding("Module utils", "ours")]


def notebooks(root: Path) -> list[Finding]:
    """A merge that git could not end leaves its marks in the files."""
    books = [
        path for folder in ("lectures", "exercises", "solutions") for path in root.glob(f"{folder}/*.ipynb")
    ]
    caught = {path: merges.remedy(path, path.read_text(encoding="utf-8", errors="replace")) for path in books}
    findings = [
        Finding("Notebook", str(path.relative_to(root)), remedy) for path, remedy in caught.items() if remedy
    ]
    return findings or [Finding("Notebooks", f"{len(books)}, none caught in a merge")]


def disk(root: Path) -> list[Finding]:
    from utils import paths

    place = paths.cache()
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(there).free / 1e9
    finding = f"{free:.1f} GB free for {place}"
    if not os.access(there, os.W_OK):
        return [Finding("Disk", f"cannot write to {there}", "set DLMAP_CACHE to a folder you own")]
    short = free < DISK_NEEDED
    return [Finding("Disk", finding, f"free {DISK_NEEDED:g} GB or set DLMAP_CACHE" if short else "")]


def datasets(root: Path) -> list[Finding]:
    """The sets that only `PROFILE = "full"` needs may be missing: that is news, not a fault."""
    from utils import data

    missing = [row.name for row in data.status() if not row.ready]
    if missing:
        names = " ".join(missing)
        return [Finding("Data", f'missing, for PROFILE = "full" only: {names}. Get it: dlmap data {names}')]
    return [Finding("Data", "all there")]
