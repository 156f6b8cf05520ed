"""`dlmap start` and `dlmap reset`: the learner's own copies of a lecture and its exercises.

Nothing here overwrites or deletes what a learner wrote. Plain JSON, so that the commands answer at once.
"""

import errno
import json
import os
import re
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from utils.authoring import merges
from utils.errors import UserError, choose

KINDS = {"lecture": "lectures", "exercises": "exercises"}  # what is copied, and the folder it comes from


def notebooks(folder: Path) -> dict[str, Path]:
    """Number -> notebook, of a folder of the course: {"01": "…/exercises/01_regression.ipynb"}."""
    return {path.stem[:2]: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}


def find(folder: Path, number: str, what: str) -> Path:
    """The notebook of a number, "1" or "01". Raises UserError."""
    known = notebooks(folder)
    key = number.zfill(2) if number else number
    if key not in known:
        raise choose(what, number, known)
    return known[key]


def copy_of(original: Path, work: Path) -> Path:
    """Where the learner's copy is, or would be: "…/work/01_exercises.ipynb"; other tabs have other names."""
    kind = {folder: kind for kind, folder in KINDS.items()}[original.parent.name]
    copy = work / f"{original.stem[:2]}_{kind}.ipynb"
    if kind == "exercises" and not copy.exists():
        # the first edition copied these only, some under other numbers
        return next(iter(sorted(work.glob(f"[0-9][0-9]_{original.stem[3:]}.ipynb"))), copy)
    return copy


def start(root: Path, work: Path, number: str) -> list[str]:
    """Copy a lecture and its exercises, unless a copy is there. Returns what to tell the learner, by line."""
    said = []
    for kind, original, copy in wanted(root, work, number):
        if not create(copy, fresh(root, original, work)):
            newer = original.stat().st_mtime > copy.stat().st_mtime
            mending = f"; the course's has changed since, `dlmap reset {original.stem[:2]} {kind}` takes it"
            said.append(f"your {kind}, there already, as you left it: {copy}{mending if newer else ''}")
        else:
            said.append(f"your {kind}: {copy}")
    return said


def reset(root: Path, work: Path, number: str, kind: str | None = None) -> list[str]:
    """Make fresh copies (of one kind, or both); the old ones stay under a new name. Returns lines to tell."""
    if kind not in (None, *KINDS):
        raise choose("copy", kind, KINDS)
    said = []
    for each, original, copy in wanted(root, work, number):
        if kind in (None, each):
            content = fresh(root, original, work)
            kept = keep(copy) if copy.exists() else None
            new = work / f"{original.stem[:2]}_{each}.ipynb"
            try:
                create(new, content)
            except UserError:
                if kept:
                    kept.replace(copy)
                raise
            said.append(f"fresh {each}: {new}" + (f"; the old copy is kept: {kept.name}" if kept else ""))
    return [*said, "a tab that is open still shows the old one: File, Reload Notebook from Disk"]


def stage(root: Path, number: str) -> Path:
    """Make a copy of a lecture to show on a projector, in a new folder under `build`; returns the copy.

    What draws is folded, the presenter's notes are left out. Raises UserError.
    """
    original = find(root / "lectures", number, "lecture")
    fresh(root, original, root / "build")  # says what is wrong with a broken one
    stored = json.loads(original.read_text(encoding="utf-8"))
    if "dlmap" not in stored["metadata"]:
        key = original.stem[:2]
        raise UserError(f"Lecture {key} is not built: `dlmap build {key} --run` builds it")
    drawn = {
        cell["id"]
        for cell in stored["cells"]
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
    }
    try:
        (root / "build").mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"stage-{original.stem[:2]}-", dir=root / "build"))
    except OSError as error:
        raise UserError(
            f"cannot write {root / 'build'}: {error.strerror}; a stage needs a checkout of your own"
        ) from None
    start(root, folder, number)
    copy = copy_of(original, folder)
    nb = json.loads(copy.read_text(encoding="utf-8"))
    nb["cells"] = [cell for cell in nb["cells"] if "notes" not in cell["metadata"].get("tags", [])]
    for cell in nb["cells"]:
        if cell["id"] in drawn:
            cell["metadata"]["jupyter"] = {"source_hidden": True}
    copy.write_text(json.dumps(nb, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return copy


def wanted(root: Path, work: Path, number: str) -> Iterator[tuple[str, Path, Path]]:
    """Kind, original and copy of what there is of a lecture."""
    lecture = find(root / "lectures", number, "lecture")
    for kind, folder in KINDS.items():
        if original := notebooks(root / folder).get(lecture.stem[:2]):
            yield kind, original, copy_of(original, work)


def fresh(root: Path, original: Path, work: Path) -> str:
    """A copy without outputs but the map, with links that lead where they led, and each outcome folded."""
    text = original.read_text(encoding="utf-8")
    try:
        nb = json.loads(text)
        own = {path: copy_of(path, work) for _, path, _ in wanted(root, work, original.stem[:2])}
        for cell in nb["cells"]:
            tags = cell["metadata"].get("tags", [])
            if cell["cell_type"] == "code":
                maps = cell["outputs"] if "concept_map.show(" in "".join(cell["source"]) else []
                for output in maps:
                    html = moved("".join(output["data"]["text/html"]), original, work, own)
                    output["data"]["text/html"] = html.splitlines(keepends=True)
                cell |= {"outputs": maps, "execution_count": None}
                if "reveals" in tags:
                    cell["metadata"]["jupyter"] = {"source_hidden": True}
            elif cell["cell_type"] == "markdown":
                prose = moved("".join(cell["source"]), original, work, own)
                if "navigation" in tags:
                    prose = prose.partition("\n\n")[0]  # it is theirs already
                if "reveals" in tags:
                    prose = f"<details><summary>After the run</summary>\n\n{prose}\n\n</details>"
                cell["source"] = prose.splitlines(keepends=True)
        nb["metadata"].pop("dlmap", None)
    except (ValueError, KeyError, TypeError, AttributeError):
        why = f"{original} is not a notebook; `git restore {original.name}` in its folder brings it back"
        raise UserError(merges.remedy(original, text) or why) from None
    return json.dumps(nb, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


LINK = re.compile(r"(?<=\]\()(?![a-z]+:|[#/])[^)#\s]+|(?<=href=\")(?![a-z]+:|[#/])[^\"#]+")


def moved(text: str, original: Path, work: Path, own: dict[Path, Path]) -> str:
    """Prose for a notebook in `work`: its links lead where they led, or to the copy of what is in `own`."""

    def target(link: re.Match) -> str:
        aim = Path(os.path.normpath(original.parent / link[0]))
        return Path(os.path.relpath(own.get(aim, aim), work)).as_posix() if aim.exists() else link[0]

    return LINK.sub(target, text)


def create(path: Path, content: str) -> bool:
    """Write a file that is not there, whole or not at all; False if it is there. Raises UserError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("x", encoding="utf-8", newline="\n")  # works where hard links do not
    except FileExistsError:
        if path.exists():
            return False
        raise UserError(f"{path.parent} is a file; remove it, or set DLMAP_WORK to a folder") from None
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        with file:
            file.write(content)
    except OSError as error:
        path.unlink()
        raise unwritable(path, error) from None
    except BaseException:  # Ctrl-C too leaves nothing half
        path.unlink()
        raise
    return True


def unwritable(path: Path, error: OSError) -> UserError:
    full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))
    return UserError(
        f"cannot write {path}: {error.strerror}; {'make room, or ' * full}set DLMAP_WORK to a folder you own"
    )


def keep(path: Path) -> Path:
    """Give a file a new name that no other has: 01_exercises.2026-11-29-1430.ipynb."""
    stamp = f"{datetime.now():%Y-%m-%d-%H%M}"
    names = (f"{path.stem}.{stamp}{more}{path.suffix}" for more in ("", *(f"-{n}" for n in range(2, 1000))))
    kept = next(path.with_name(name) for name in names if create(path.with_name(name), ""))
    try:
        return path.replace(kept)  # the name is ours now: renaming over it loses nothing
    except OSError as error:
        kept.unlink()
        raise unwritable(kept, error) from None
