"""The words of the course: `data/glossary.yaml`, each with its Korean and its meaning in one sentence.

    python -m utils.glossary        what the glossary lacks of the lectures' words; `... 04`: of lecture 04's

A word is due where a lecture puts it in bold. Bold is also a lead-in, and the bold of a lead-in ends like a
sentence: with a full stop, a colon, a question or an exclamation mark (**Predict first.**). So every bold
that does not, and that is none of LABELS, is a term. Presenter's notes and links are not read.
"""

import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import yaml
from nbformat import NotebookNode

from utils import concept_map, paths
from utils.errors import UserError, choose

PATH = paths.DATA / "glossary.yaml"
FIELDS = {"term": str, "ko": str, "means": str, "lecture": str, "section": int}
# In bold as a name of a part of the lecture, whatever stands behind it.
LABELS = {"you will be able to", "needs", "minutes", "cpu", "the library's way"}


@dataclass(frozen=True)
class Term:
    """One entry. `section` of `lecture` defines it, 0 is the header; `node` is its concept on the map."""

    term: str
    ko: str
    means: str
    lecture: str
    section: int
    node: str | None = None


def key(term: str) -> str:
    """What a term is found under: small letters, singular. "Weights" -> "weight"."""
    return re.sub(r"(?<=[^s])s$", "", term.strip().lower())


def load() -> dict[str, Term]:
    """The glossary of the course, by `key`. Raises UserError, one line that names the entry."""
    return parse(PATH.read_text(encoding="utf-8"), sections())


def parse(text: str, places: Mapping[str, Collection[int]]) -> dict[str, Term]:
    """The entries of a glossary's text; `places` are the sections that there are, by lecture.

    Raises UserError for what is no list of entries, a field that is missing, unknown or of another type, a
    lecture, section or node that does not exist, more than one sentence, and a term that is defined twice.
    """
    try:
        entries = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"data/glossary.yaml is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError("data/glossary.yaml is not a list of entries `- {term: …, ko: …, …}`")
    nodes, terms = concept_map.load().nodes, {}
    for entry in entries:
        where = f"data/glossary.yaml, {entry.get('term', entry)!r}"
        for field, kind in FIELDS.items():
            if type(entry.get(field)) is not kind or entry[field] == "":
                raise UserError(f"{where}: `{field}` is {entry.get(field)!r}, expected a {kind.__name__}")
        if unknown := set(entry) - set(FIELDS) - {"node"}:
            raise choose(f"field of {where}", unknown.pop(), [*FIELDS, "node"])
        term = Term(**entry)
        if term.lecture not in places:
            raise choose(f"lecture of {where}", term.lecture, places)
        if term.section not in places[term.lecture]:
            raise choose(f"section of {where}", term.section, sorted(places[term.lecture]))
        if term.node is not None and term.node not in nodes:
            raise choose(f"node of {where}", term.node, nodes)
        if not term.means.endswith(".") or re.search(r"[.?!] [A-Z]", term.means):
            raise UserError(f"{where}: `means` is to be one sentence that ends with a full stop")
        if key(term.term) in terms:
            other = terms[key(term.term)]
            raise UserError(f"{where} is defined twice; first in lecture {other.lecture} as {other.term!r}")
        terms[key(term.term)] = term
    return terms


def find(name: str) -> Term:
    """The entry of a term. Raises UserError for one that is not in the glossary."""
    terms = load()
    if key(name) not in terms:
        raise choose("term", name, sorted(term.term for term in terms.values()))
    return terms[key(name)]


# --- what the lectures say ------------------------------------------------------------------------------


def sections() -> dict[str, set[int]]:
    """The numbers of each lecture's sections, with 0 for its header."""
    head = re.compile(r"(?m)^# ## (\d+) · ")
    texts = {number: (paths.LECTURES / f"src/{stem}.py") for number, stem in paths.units().items()}
    return {
        number: {0, *map(int, head.findall(path.read_text(encoding="utf-8")))}
        for number, path in texts.items()
    }


def bold(nb: NotebookNode) -> list[tuple[str, int, str]]:
    """The terms that a lecture puts in bold, in order: term, section, what the brackets behind it hold."""
    found, section = [], 0
    for cell in nb.cells:
        if cell.cell_type != "markdown" or {"notes", "navigation"} & set(cell.metadata.get("tags", [])):
            continue
        if head := re.match(r"## (\d+) · ", cell.source):
            section = int(head[1])
        prose = re.sub(r"`[^`\n]*`|\$[^$]*\$", lambda code: code[0].replace("*", ""), cell.source)
        for term, brackets in re.findall(r"\*\*([^*\n]+)\*\*(?: \(([^)\n]*)\))?", prose):
            if term[-1] not in ".:?!" and term.lower() not in LABELS and re.search(r"[^\W\d]", term):
                found.append((term, section, brackets))
    return found


def gaps(nb: NotebookNode, number: str, terms: Mapping[str, Term], before: Collection[str]) -> list[str]:
    """What is wrong with the terms of lecture `number`, a line each.

    Each is in the glossary, is bold nowhere before it is defined, in this lecture or in one of `before` (its
    path along *Needs*), and its Korean, where the lecture gives it, is the glossary's. What the glossary says
    to be defined in this lecture is bold for the first time in that very section.
    """
    problems, first = [], {}
    for name, section, brackets in bold(nb):
        where, found = f"section {section}, **{name}**", terms.get(key(name))
        known = key(name) in first
        first.setdefault(key(name), section)
        if found is None:
            problems += [] if known else [f"{where}: not in data/glossary.yaml"]
            continue
        if found.lecture not in {number, *before}:
            path = ", ".join(sorted(before)) or "none"
            problems.append(f"{where}: defined in lecture {found.lecture}, not on the path here ({path})")
        if re.search("[가-힣]", brackets) and found.ko not in brackets:
            problems.append(f"{where}: its Korean is ({brackets}) here and {found.ko} in data/glossary.yaml")
    problems += [
        f"section {term.section}: the glossary says that it defines {term.term!r}, "
        + (f"which is bold in section {first[name]} first" if name in first else "which is never bold")
        for name, term in terms.items()
        if term.lecture == number and first.get(name) != term.section
    ]
    return problems


def before(number: str) -> set[str]:
    """The lectures that lecture `number` needs, and those that they need, and so on."""
    from utils.authoring import index

    heads = {head["number"]: head["needs"] for head in index.headers(paths.ROOT).values()}
    path, todo = set(), [number]
    while todo:
        needs = set(re.findall(r"\b\d\d\b", heads[todo.pop()])) - path
        path |= needs
        todo += needs
    return path


def missing(numbers: Collection[str] = ()) -> dict[str, list[str]]:
    """The `gaps` of the given lectures, of all if none is given. Raises UserError for one that is unknown."""
    from utils.authoring.sources import pages

    terms = load()
    return {
        page.source.stem[:2]: gaps(page.build(), page.source.stem[:2], terms, before(page.source.stem[:2]))
        for page in pages(paths.ROOT, list(numbers))
        if page.path.parent == paths.LECTURES
    }


if __name__ == "__main__":
    try:
        paths.course()
        for lecture, lines in missing(sys.argv[1:]).items():
            print(f"{lecture}: {len(lines)} to mend", *lines, sep="\n  ")
    except UserError as error:
        sys.exit(f"glossary: {error}")
