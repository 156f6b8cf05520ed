"""A merge that git could not end: its marks in a notebook, and the way out."""

import re
from pathlib import Path

MARKS = re.compile(r"(?m)^(<{7}|>{7})( |$)")


def remedy(path: Path, text: str) -> str | None:
    """How to end the merge that the file at `path`, with this text, is caught in; None if it is in none."""
    if not MARKS.search(text):
        return None
    return (
        f"{path} holds the conflict marks of a merge; in its folder `git checkout --theirs {path.name}` "
        "takes the course's version (in a rebase: --ours), then `git add` and `git commit` end the merge"
    )
