"""What the builder adds to every notebook: where it leads on to, and what kind of notebook it is.

Authors write none of it, so that it is the same everywhere and no link is forgotten.
"""

import os
import re
from pathlib import Path

KINDS = {"lectures": "lecture", "exercises": "exercises", "solutions": "solutions"}
TITLE = re.compile(r"(?m)^# # (\d\d) · (.+)$")

MINE = (
    "*For a copy of your own, in `exercises/work`: "
    "`dlmap start {number}` in a terminal (File, New, Terminal).*"
)
# How a notebook is used, below its links.
USE = {
    "lectures": MINE,
    "exercises": MINE,
    "solutions": "*The answers, each with what there is to say about it. Do the exercises first.*",
}
ANSWERING = [
    "Write your code where a cell says `# your code here`, run the cell, then run the check below it.",
    "○ is not written yet, ✗ says what is wrong and which hint helps, ✔ is right, and saved.",
    "Nothing here can break: change what you like.",
]


def added(text: str, source: Path, path: Path) -> str:
    """The source of a notebook with what the builder adds; `path` says where it will lie."""
    folder = path.parent.name
    way = navigation(source, path)
    if folder == "solutions":
        text = re.sub(
            r"^(# %% \[markdown\]\n# # .*): exercises$", r"\1: solutions", text, count=1, flags=re.M
        )
    first, cut, rest = text.partition("\n\n# %%")
    top = [way, USE[folder].format(number=source.stem[:2])]
    if folder == "exercises":
        first += "".join(f"\n# {line}" for line in ANSWERING)
    return "\n\n".join([first, cell("\n\n".join(top)), f"{cut}{rest}".strip("\n"), cell(way)]) + "\n"


def cell(text: str) -> str:
    """A Markdown cell of a source."""
    lines = "\n".join(f"# {line}".rstrip() for line in text.splitlines())
    return f'# %% [markdown] tags=["navigation"]\n{lines}'


def navigation(source: Path, path: Path) -> str:
    """One line: the lecture before, this one's lecture, exercises and solutions, the lecture after."""
    root, here = source.parents[2], path.parent.name
    stems = sorted(lecture.stem for lecture in root.glob("lectures/src/[0-9][0-9]_*.py"))
    place = stems.index(source.stem) if source.stem in stems else None
    parts = []
    for folder, name in KINDS.items():
        written = "lectures" if folder == "lectures" else "solutions"
        if folder == here:
            parts.append(f"**{name}**")
        elif (root / written / "src" / source.name).exists():
            parts.append(link(name, path, root / folder / path.name))
    if place is not None:
        to = {stem: link(title(root, stem), path, root / "lectures" / f"{stem}.ipynb") for stem in stems}
        parts[:0] = [f"← {to[stem]}" for stem in stems[:place][-1:]]
        parts += [f"{to[stem]} →" for stem in stems[place + 1 :][:1]]
    return " · ".join(parts)


def link(name: str, path: Path, target: Path) -> str:
    return f"[{name}]({Path(os.path.relpath(target, path.parent)).as_posix()})"


def title(root: Path, stem: str) -> str:
    """ "01 Regression", from the heading of a lecture."""
    found = TITLE.search((root / "lectures" / "src" / f"{stem}.py").read_text(encoding="utf-8"))
    return " ".join(found.groups()) if found else stem
