"""The table of lectures in the README, built from the lectures' own headers so that the two cannot drift."""

import re
from pathlib import Path

from utils.errors import UserError
from utils.paths import atomic_write

BEGIN, END = "<!-- lectures: built by `dlmap build` -->", "<!-- end of lectures -->"
HEADER = re.compile(
    r"# # (?P<number>\d\d) · (?P<title>.+)\n#\n"
    r"# \*\*Question\.\*\* (?P<question>.+)\n(?:#.*\n)*?"
    r"# \*\*Needs\*\* (?P<needs>.+) · \*\*Minutes\*\* (?P<minutes>.+) · \*\*CPU\*\* (?P<cpu>.+)\n"
)


def table(root: Path) -> str:
    """One row a lecture, in Markdown. Raises UserError for a header that lacks one of its lines."""
    rows = ["| | lecture | question | needs | minutes |", "|---|---|---|---|---|"]
    for source in sorted((root / "lectures/src").glob("[0-9][0-9]_*.py")):
        found = HEADER.search(source.read_text(encoding="utf-8"))
        if found is None:
            raise UserError(
                f"{source.name}: the header needs `# NN · Title`, **Question.**, and "
                "**Needs** … · **Minutes** … · **CPU** …, each on a line, as in lecture 01"
            )
        head = found.groupdict()
        title = f"[{head['title']}](lectures/{source.stem}.ipynb)"
        cells = head["number"], title, head["question"], head["needs"], head["minutes"]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def readme(root: Path) -> str:
    """The README as it should be: what stands between the two marks is the table."""
    text = (root / "README.md").read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError(f"README.md lacks the marks of the table of lectures: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table(root)}\n{END}{after}"


def write(root: Path) -> bool:
    """Bring the README's table up to date; True if it changed."""
    text = readme(root)
    if (root / "README.md").read_text(encoding="utf-8") == text:
        return False
    atomic_write(root / "README.md", text)
    return True
