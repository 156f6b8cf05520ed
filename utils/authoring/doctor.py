"""`dlmap doctor`: what this machine has, what is wrong with it for the course, and what to do."""

import json
import os
import platform
import re
import shutil
import site
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten

from packaging.markers import Marker
from packaging.tags import platform_tags

from utils import environment, paths
from utils.authoring import merges

MENDING = "run `make lab` again, or `pip install -r requirements.lock`"
# What the wheels of the pinned torch and torchvision are made for; the other packages have more.
PYTHONS = (3, 11), (3, 14)
WHEELS = {"manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "macosx_14_0_arm64", "win_amd64"}
NAMES = (
    "Linux with glibc 2.28 or newer (x86-64, ARM), macOS 14 or newer on Apple silicon, 64-bit Windows (x86)"
)
# What the first cells of a notebook import.
IMPORTS = "import utils.plots, utils.data, matplotlib.pyplot, numpy, scipy, sklearn, torch, tqdm.auto"
DISK_NEEDED = 2.0  # GB: the downloaded datasets and the caches of the generated ones


@dataclass(frozen=True)
class Finding:
    """One line of the report. `remedy` is empty where all is well."""

    what: str
    found: str
    remedy: str = ""


def examine(root: Path) -> list[Finding]:
    """Look at everything once. What keeps one look from ending is its finding, and the others go on."""
    looks = (
        machine,
        python,
        variables,
        packages,
        user_site,
        frameworks,
        device,
        threads,
        kernel,
        shadows,
        modules,
    )
    looks += notebooks, pairs, disk, datasets
    return [finding for look in looks for finding in looked(look, root)]


def looked(look: Callable[[Path], list[Finding]], root: Path) -> list[Finding]:
    try:
        return look(root)
    except Exception as error:
        return [stopped(look.__name__.capitalize(), f"{type(error).__name__}: {error}")]


def stopped(what: str, error: str) -> Finding:
    """The finding for an error. Where it quotes the value of an environment variable, that one is blamed."""
    values = {name: value for name, value in os.environ.items() if len(value) > 1 and os.sep not in value}
    names = [name for name, value in values.items() if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", error)]
    found = shorten(error, 160, placeholder=" …")
    return Finding(what, found, f"unset {' or '.join(names)}" if names else MENDING)


def machine(root: Path) -> list[Finding]:
    """Whether there are wheels of PyTorch for this system."""
    found = f"{platform.system()} {platform.release()}, {platform.machine()}"
    remedy = (
        "" if WHEELS.intersection(platform_tags()) else f"PyTorch has no wheel for it; it has for {NAMES}"
    )
    return [Finding("Machine", found, remedy)]


def python(root: Path) -> list[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    first, last = (".".join(map(str, bound)) for bound in PYTHONS)
    fits = PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1] and sys.version_info[:3] != (3, 14, 1)
    remedy = "" if fits else f"the course needs Python {first} to {last}, and not 3.14.1"
    return [Finding("Python", f"{found} in {sys.prefix}", remedy)]


def variables(root: Path) -> list[Finding]:
    """The environment variables: the course's own, and the one that NumPy and PyTorch would pass over."""
    lines = list(environment.problems())
    value = os.environ.get("OMP_NUM_THREADS") or "1"  # a list, 4,2, is for threads inside of threads
    if not re.fullmatch(r"\s*[1-9][0-9]*\s*(,\s*[1-9][0-9]*\s*)*", value):
        lines.append(
            f"OMP_NUM_THREADS is {value!r}, which stands for nothing; expected a whole number from 1"
        )
    found = [Finding("Variable", line, "unset it, or give it such a value") for line in lines]
    return found or [Finding("Variables", "can be used")]


def packages(root: Path) -> list[Finding]:
    """The installed versions against the lock."""
    return [compared("Packages", root / "requirements.lock", MENDING)]


def user_site(root: Path) -> list[Finding]:
    """What `pip install --user` put into the home folder comes before what an environment of conda's has."""
    own, others = Path(site.getusersitepackages()), [Path(folder) for folder in site.getsitepackages()]
    both = [
        name
        for name in ("numpy", "torch", "matplotlib", "sklearn", "ipykernel")
        if site.ENABLE_USER_SITE and (own / name).exists() and any((at / name).exists() for at in others)
    ]
    mending = "set PYTHONNOUSERSITE=1, or uninstall them there"
    return (
        [Finding("Packages", f"{', '.join(both)} of {own} hide the environment's", mending)] if both else []
    )


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
    from utils import runtime

    return [Finding("Device", str(runtime.find_device("auto")))]


def threads(root: Path) -> list[Finding]:
    import torch

    from utils.authoring.execute import CORES

    used = environment.threads() or torch.get_num_threads()  # the latter minds OMP_NUM_THREADS
    remedy = f"unset DLMAP_THREADS and OMP_NUM_THREADS, or set {CORES}" if used > CORES else ""
    return [Finding("Threads", f"{used} on {CORES} cores", remedy)]


def kernel(root: Path) -> list[Finding]:
    """JupyterLab offers the kernel called python3; it must be this environment's."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        command = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return [Finding("Kernel", "no kernel called python3", MENDING)]
    # The folders are resolved, as a link may lead to them; the programs are not: each leads to the system's.
    ours = Path(sys.executable).parent.resolve()
    same = not os.path.isabs(command) or Path(command).parent.resolve() == ours
    mending = f"another Python's kernel hides ours; run `{sys.executable} -m ipykernel install --sys-prefix`"
    return [Finding("Kernel", command, "" if same else mending)]


def places(root: Path) -> list[Path]:
    """The folders in which notebooks lie: what lies beside one is imported first."""
    here = [root / folder for folder in ("lectures", "exercises", "solutions")] + [paths.work()]
    return [folder for folder in here if folder.is_dir()]


def shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def shadows(root: Path) -> list[Finding]:
    """No file beside the notebooks, or on PYTHONPATH, may have the name of a module: it would be imported."""
    known = sys.stdlib_module_names | packages_distributions().keys() | {"utils"}
    first = [Path(folder) for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    folders = places(root) + [folder for folder in first if folder.is_dir() and folder.resolve() != root]
    beside = [path for folder in folders for path in sorted(folder.iterdir())]
    strays = [path for path in beside if path.stem in known and (path.suffix == ".py" or path.is_dir())]
    mending = "rename it, or take its folder out of PYTHONPATH: notebooks import it in place of the module"
    found = [Finding(f"Module {path.stem}", f"hidden by {shown(path, root)}", mending) for path in strays[:5]]
    return found or [Finding("Names", "no file hides a module")]


def modules(root: Path) -> list[Finding]:
    """What a notebook would import, asked of another Python that stands where the learner's copies lie."""
    code = f"import utils; print(utils.__file__)\ntry:\n    {IMPORTS}\n"
    code += "except Exception as error:\n    raise SystemExit(f'{type(error).__name__}: {error}')"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=places(root)[-1],
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    origin = ran.stdout.partition("\n")[0]
    if origin and Path(origin).resolve() != root / "utils" / "__init__.py":
        mending = f"take its folder out of PYTHONPATH, or run `pip install --editable {root}`"
        return [Finding("Module utils", f"is {origin}", mending)]
    if ran.returncode:
        return [stopped("Imports", ran.stderr.strip() or f"ended with {ran.returncode}")]
    return [Finding("Imports", "what notebooks import is there, and `utils` is ours")]


def notebooks(root: Path) -> list[Finding]:
    """A merge that git could not end leaves its marks in the files."""
    books = [path for folder in places(root) for path in sorted(folder.glob("*.ipynb"))]
    caught = {path: merges.remedy(path, path.read_text(encoding="utf-8", errors="replace")) for path in books}
    findings = [Finding("Notebook", shown(path, root), remedy) for path, remedy in caught.items() if remedy]
    mending = "open and save it in JupyterLab, which gives each cell an id of its own"
    findings += [
        Finding("Notebook", f"cells of {shown(path, root)} share an id", mending) for path in twins(books)
    ]
    return findings or [Finding("Notebooks", f"{len(books)}, none caught in a merge")]


def twins(books: list[Path]) -> list[Path]:
    """The notebooks in which two cells have the same id, as copying outside of JupyterLab makes them."""
    found = []
    for path in books:
        try:
            ids = Counter(cell.get("id") for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])
        except (ValueError, KeyError, TypeError, AttributeError):  # no notebook; other looks tell
            continue
        if any(count > 1 for name, count in ids.items() if name):
            found.append(path)
    return found


def pairs(root: Path) -> list[Finding]:
    """Jupytext can keep a script beside each notebook, and let the newer one win."""
    scripts = [
        path for folder in places(root) for kind in (".py", ".md") for path in sorted(folder.glob(f"*{kind}"))
    ]
    strays = [path for path in scripts if path.with_suffix(".ipynb").exists()]
    mending = "a pair made by Jupytext, which nothing here reads; keep it elsewhere, or remove it"
    return [Finding("Pair", shown(path, root), mending) for path in strays]


def disk(root: Path) -> list[Finding]:
    place = paths.cache()
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(there).free / 1e9
    finding = f"{free:.1f} GB free for {place}"
    if not environment.writable(there):
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
