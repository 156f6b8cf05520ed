"""A notebook -> a page in MyST Markdown: code folded, predictions that wait, solutions behind two clicks."""

import base64
import hashlib
import re
from collections.abc import Callable
from html import escape

from nbformat import NotebookNode

from utils import concept_map
from utils.authoring.sources import first_words
from utils.concept_map.links import listed
from utils.errors import UserError
from utils.glossary import Term, key
from utils.site.course import SECTION, Course, facts, section, tags

# What a term is not looked for in: code, formulas, links, HTML, headings, italics (titles of books).
SPARED = (
    r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$|\[[^\]\n]*\]\([^)\n]*\)"
    r"|<summary>.*?</summary>|<[^>\n]+>|^#[^\n]*|(?<!\*)\*(?!\*)[^*\n]+\*(?!\*)"
)
EVERYDAY = 8  # a term of one plain word that is shorter is an everyday word too: step, cell, gate


def lecture(course: Course, stem: str) -> str:
    """The page of a lecture."""
    name, head = f"lectures/{stem}", course.heads[stem]
    if name in course.missing:
        return f"# {head['number']} · {head['title']}\n\n{course.missing[name]}.\n"
    cells = [cell for cell in course.cells(name) if not tags(cell) & {"notes", "navigation"}]
    parts, prose = [], prose_of(course, name)
    asked = predictions(cells)
    for place, cell in enumerate(cells):
        if "jupyter" in cell.metadata:
            parts.append(setup(course, cells, cell))
        elif cell.cell_type == "markdown":
            parts.append(prose(cell.source))
            if SECTION.match(cell.source):  # an answer in a later section than its question: ask there again
                parts += [ask(*asked[again]) for again in reopened(cells, place)]
        else:
            parts.append(code(course, cell))
        if place == 0:
            parts.append(ways(course, stem, "lecture"))
    return joined(parts)


def exercises(course: Course, stem: str) -> str:
    """The exercises of a lecture, each with its solution behind two clicks."""
    name, solved = f"exercises/{stem}", f"solutions/{stem}"
    for each in (name, solved):
        if each in course.missing:
            head = course.heads[stem]
            return f"# {head['number']} · {head['title']}: exercises\n\n{course.missing[each]}.\n"
    parts, answer, prose = [], [], prose_of(course, name)
    wanted = [cell for cell in course.cells(name) if "navigation" not in tags(cell)]
    tasks = iter(wanted)
    for solution in course.cells(solved):
        if "navigation" in tags(solution):
            continue
        cell = solution if "solution-only" in tags(solution) else next(tasks, None)
        if cell is None:
            raise UserError(f"{name} and {solved} do not match: `dlmap build {stem[:2]}` makes them anew")
        if cell.source.startswith("## "):
            parts, answer = [*parts, *closed(answer)], []
        if "jupyter" in cell.metadata:
            parts.append(setup(course, wanted, cell))
            continue
        here = answer if cell is solution else parts
        here.append(prose(cell.source) if cell.cell_type == "markdown" else code(course, cell))
        if cell.cell_type == "code" and cell.source != solution.source:
            answer.append(fenced(solution.source) + outputs(course, solution))
        if len(parts) == 1:
            parts.append(ways(course, stem, "exercises"))
    return joined([*parts, *closed(answer)])


def joined(parts: list[str]) -> str:
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


# --- prose ----------------------------------------------------------------------------------------------


def prose_of(course: Course, name: str) -> Callable[[str], str]:
    """What makes Markdown of a notebook's cells, in order: its links, terms, concepts and anchors."""
    folder, number = name.partition("/")[0], name.partition("/")[2][:2]
    seen: set[str] = set()

    def prose(text: str) -> str:
        text = re.sub(r"<details><summary>(.*?)</summary>(?!\n)(.*?)</details>", opened, text)
        text = with_terms(course.links(text, name), course.terms, number, seen)
        text = re.sub(r"(?m)^On the map: (.+)$", lambda line: on_the_map(course, line[1]), text)
        head = re.match(r"## (\d+) · ", text)
        anchor = section(number, head[1]) if head else ""
        if folder == "exercises":
            anchor = anchor.replace("section", "exercise")
        return f"({anchor})=\n{text}" if head else text

    return prose


def opened(fold: re.Match) -> str:
    """A fold that is one line of HTML, as one whose words are Markdown."""
    words = re.sub(r"<code>(.*?)</code>", r"`\1`", fold[2].strip())
    return f"<details><summary>{fold[1]}</summary>\n\n{words}\n\n</details>\n"


def on_the_map(course: Course, ids: str) -> str:
    nodes = concept_map.load().nodes
    names = (
        f'<a href="../index.html#map-{node.id}" title="{escape(node.what)}">{escape(node.name["en"])}</a>'
        for node in (nodes[id] for id in re.findall(r"`([\w-]+)`", ids) if id in nodes)
    )
    return f'<p class="on-the-map">On the map: {" · ".join(names)}</p>\n'


def with_terms(text: str, terms: dict[str, Term], number: str, seen: set[str]) -> str:
    """Markdown in which the glossary's words lead to it.

    Every bold one does; of the others the first mention in a lecture (`seen` keeps count), where it is no
    everyday word and this is not the lecture that defines it.
    """

    def linked(found: re.Match) -> str:
        words = found["bold"] or found["word"]
        term = terms.get(key(words)) if words else None
        if term is None:
            return found[0]
        if found["word"]:
            if key(words) in seen or term.lecture == number:
                return found[0]
            seen.add(key(words))
        way = f'href="../glossary.html#{anchor(term)}" title="{escape(term.means)}"'
        return f'<a class="term" {way}>{found[0]}</a>'

    return pattern(tuple(terms.values())).sub(linked, text)


def pattern(terms: tuple[Term, ...]) -> re.Pattern:
    """What is spared, a bold word, or a term that is no everyday word."""
    rare = [t.term for t in terms if re.search(r"[A-Z \-]", t.term) or len(t.term) >= EVERYDAY]
    rare.sort(key=len, reverse=True)  # "linear regression" before "regression"
    words = "|".join(re.escape(t) if t != t.lower() else f"(?i:{re.escape(t)})" for t in rare) or "(?!)"
    bold = r"\*\*(?P<bold>[^*\n]+)\*\*"
    return re.compile(rf"(?:{SPARED})|{bold}|(?<![\w-])(?P<word>(?:{words})s?)(?![\w-])", re.S | re.M)


def anchor(term: Term) -> str:
    """Where the glossary holds a term: "learning rate" -> "term-learning-rate"."""
    return "term-" + re.sub(r"\W+", "-", key(term.term)).strip("-")


def ways(course: Course, stem: str, here: str) -> str:
    """One line: the other page of this lecture, and how to run it."""
    number = stem[:2]
    parts = []
    if here != "lecture":
        parts.append(f"[Lecture {number}](../lectures/{stem}.md)")
    elif any(f"exercises/{stem}" in known for known in (course.notebooks, course.missing)):
        parts.append(f"[Exercises](../exercises/{stem}.md)")
    if course.repository:
        file = f"{'lectures' if here == 'lecture' else 'exercises'}/{stem}.ipynb"
        parts.append(f"[Run it on Binder]({binder(course.repository, file)})")
    parts.append(f"on your machine: `dlmap start {number}`")
    return f"```{{container}} ways\n{' · '.join(parts)}\n```"


def binder(repository: str, file: str) -> str:
    """The address that opens a notebook of the course without an installation."""
    return f"https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab/tree/{file}"


# --- code and what it shows -----------------------------------------------------------------------------


def setup(course: Course, cells: list[NotebookNode], cell: NotebookNode) -> str:
    """The cells that set a notebook up, folded as one in the place of the first; nothing for the others."""
    mine = [each for each in cells if "jupyter" in each.metadata]
    return folded("Setup", "".join(code(course, each) for each in mine)) if cell is mine[0] else ""


def code(course: Course, cell: NotebookNode) -> str:
    """A code cell: its code, folded where a picture is the point, and its outputs."""
    shown = outputs(course, cell)
    if "concept_map.show(" in cell.source:
        return drawn_map(course, cell.source)
    if first_words(cell.source, "predict") or "predict(" in cell.source:
        return shown
    if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
        return folded("The code of this picture", fenced(cell.source)) + shown
    return fenced(cell.source) + shown


def fenced(source: str) -> str:
    return f"````python\n{source}\n````\n\n"


def folded(summary: str, content: str, kind: str = "code") -> str:
    return f'<details class="{kind}"><summary>{summary}</summary>\n\n{content}\n\n</details>\n\n'


def closed(answer: list[str]) -> list[str]:
    """A solution behind two clicks; none where there is none."""
    shown = folded("I have tried: show it", joined(answer), "shown")
    return [folded("Solution", shown, "solution")] if answer else []


def outputs(course: Course, cell: NotebookNode) -> str:
    return "".join(f"{output_html(course, output)}\n\n" for output in cell.get("outputs", []))


def output_html(course: Course, output: NotebookNode) -> str:
    """One stored output as HTML."""
    data, about = output.get("data", {}), output.get("metadata", {})
    fact = about.get("dlmap", {})
    if "prediction" in fact:
        return ask(fact["prediction"], fact["options"])
    if "outcome" in fact:
        name, measured = escape(fact["outcome"]), escape(fact["measured"])
        known = f'class="outcome" data-name="{name}" data-measured="{measured}"'
        return f"<p {known}>The run shows: <b>{measured}</b>.</p>"
    if "claim" in fact:
        mark, text = data["text/plain"][0], data["text/plain"][2:].removeprefix(fact["claim"]).strip(": ")
        return f'<p class="claim">{mark} {escape(fact["claim"])} <span>{escape(text)}</span></p>'
    if "image/png" in data:
        return picture(course, base64.b64decode(data["image/png"]), **about.get("image/png", {}))
    if "text/html" in data:  # an empty line would end it in Markdown
        return re.sub(r"\n\s*\n", "\n", f"<div>{data['text/html']}</div>")
    text = output.get("text") or data.get("text/plain", "")
    return f'<pre class="said">{escape(text.rstrip())}</pre>'


def picture(
    course: Course, content: bytes, alt: str = "", folder: str = "../_static/pictures", **size: object
) -> str:
    """An `<img>` of its own file, which a narrow page scrolls sideways; `folder`: the way to the file."""
    name = f"{hashlib.sha256(content).hexdigest()[:16]}.png"
    course.pictures[name] = content
    more = "".join(f' {side}="{value}"' for side, value in size.items())
    image = f'<img src="{folder}/{name}" alt="{escape(alt)}" loading="lazy"{more}>'
    return f'<div class="picture" tabindex="0">{image}</div>'


def drawn_map(course: Course, source: str) -> str:
    """The map that a cell shows, drawn anew: each concept opens its section; on a telephone it is a list."""
    number, simple = re.search(r'show\("(\d\d)"', source), "simple=True" in source
    nodes = concept_map.load().nodes.values()
    lit = [node.id for node in nodes if number and node.lecture == number[1]]
    ways = {id: f"../{way}" for id, way in course.places.items()}
    drawn = concept_map.svg(simple, lit=lit, lectures=ways).replace(' id="map-', ' data-id="')
    return f'<div class="map">\n{drawn}</div>\n\n<div>{"" if simple else listed(lit, "en", ways)}</div>\n\n'


# --- predictions ----------------------------------------------------------------------------------------


def ask(name: str, options: list[str]) -> str:
    """The choice that all after it in the section waits for: `course.js` and `course.css` see to that."""
    buttons = "".join(f'<button type="button" value="{escape(o)}">{escape(o)}</button>' for o in options)
    skip = '<button type="button" class="skip" value="">read on without a guess</button>'
    named = f'data-name="{escape(name)}" role="group" aria-label="Your prediction"'
    return f'<div class="prediction" {named}>{buttons}{skip}</div>'


def predictions(cells: list[NotebookNode]) -> dict[str, tuple[str, list[str]]]:
    """The predictions of these cells and their options, by name."""
    found = (fact for cell in cells for fact in facts(cell) if "prediction" in fact)
    return {fact["prediction"]: (fact["prediction"], fact["options"]) for fact in found}


def reopened(cells: list[NotebookNode], place: int) -> list[str]:
    """The predictions that are asked before a cell and answered after it."""
    before, after = predictions(cells[:place]), (fact for cell in cells[place:] for fact in facts(cell))
    return [fact["outcome"] for fact in after if fact.get("outcome") in before]
