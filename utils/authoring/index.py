"""The lists of lectures, built from the lectures' own headers so that they cannot drift.

Two pages: the table in README.md, and lectures/README.md with the path through the map.
"""

import re
from pathlib import Path

from utils import concept_map
from utils.errors import UserError
from utils.paths import atomic_write

BEGIN, END = "<!-- lectures: built by `dlmap build` -->", "<!-- end of lectures -->"
HEADER = re.compile(
    r"# # (?P<number>\d\d) · (?P<title>.+)\n#\n"
    r"# \*\*Question\.\*\* (?P<question>.+)\n#\n"
    r"# \*\*You will be able to\*\* (?P<able>.+)\n#\n"
    r"# \*\*Needs\*\* (?P<needs>.+) · \*\*Minutes\*\* (?P<minutes>.+) · \*\*CPU\*\* (?P<cpu>.+)\n#\n"
    r"# On the map: (?P<ids>.+)\n"
)


def headers(root: Path) -> dict[str, dict[str, str]]:
    """What each lecture's first cell says, by the notebook's name. Raises UserError if a line is missing."""
    heads = {}
    for source in sorted((root / "lectures/src").glob("[0-9][0-9]_*.py")):
        found = HEADER.search(source.read_text(encoding="utf-8"))
        if found is None:
            raise UserError(
                f"{source.name}: the header needs `# NN · Title`, **Question.**, **You will be able to**, "
                "**Needs** … · **Minutes** … · **CPU** …, On the map: …: a paragraph each, as in lecture 01"
            )
        heads[source.stem] = found.groupdict()
    return heads


def table(root: Path) -> str:
    """One row a lecture, in Markdown."""
    rows = ["| | lecture | question | needs | minutes |", "|---|---|---|---|---|"]
    for stem, head in headers(root).items():
        title = f"[{head['title']}](lectures/{stem}.ipynb)"
        cells = head["number"], title, head["question"], head["needs"], head["minutes"]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def path(root: Path) -> str:
    """Which lecture needs which, as a Mermaid graph, and what each one is for."""
    heads, nodes = headers(root), concept_map.load().nodes
    graph = [f'  {head["number"]}["{head["number"]} {head["title"]}"]' for head in heads.values()]
    graph += [
        f"  {needed} --> {head['number']}"
        for head in heads.values()
        for needed in re.findall(r"\b\d\d\b", head["needs"])
    ]
    sections = []
    for stem, head in heads.items():
        names = [nodes[id].name for id in re.findall(r"`([^`]+)`", head["ids"])]
        sections += [
            f"### {head['number']} · {head['title']}\n",
            f"{head['question']}\n",
            f"**You will be able to** {head['able']}\n",
            "**On the map** " + " · ".join(f"{name['en']} ({name['ko']})" for name in names) + "\n",
            f"**Needs** {head['needs']} · **Minutes** {head['minutes']} · **CPU** {head['cpu']} · "
            f"[lecture]({stem}.ipynb) · [exercise](../exercises/{stem}.ipynb) · "
            f"[solution](../solutions/{stem}.ipynb)\n",
        ]
    return "\n".join(["```mermaid\ngraph LR", *graph, "```\n", *sections])


def between_marks(page: Path, built: str) -> str:
    """The page as it should be: what stands between the two marks is built, the rest is as it was."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError(f"{page.parent.name}/{page.name} lacks the marks of the lectures: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{built}\n{END}{after}"


def stale(root: Path) -> dict[Path, str]:
    """Each page that is not as it should be, and the text that it should have; no page is made anew."""
    pages = {root / "README.md": table, root / "lectures/README.md": path}
    texts = {page: between_marks(page, build(root)) for page, build in pages.items() if page.exists()}
    return {page: text for page, text in texts.items() if page.read_text(encoding="utf-8") != text}


def write(root: Path) -> list[Path]:
    """Bring the pages up to date; returns those that changed."""
    outdated = stale(root)
    for page, text in outdated.items():
        atomic_write(page, text)
    return list(outdated)
