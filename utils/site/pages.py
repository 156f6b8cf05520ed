"""The pages beside the lectures: the map, the list of lectures, the glossary, the claims, the surprises."""

import re
from collections.abc import Iterable
from html import escape

from utils import concept_map
from utils.site import lectures
from utils.site.course import PREDICT, USUAL, Course, aim, facts

NEGATIVE = re.compile(r"\b(not|no|none|never|nothing|nearly none|worse|behind|loses?|fails?)\b")
MENU = {
    "Lectures": "lectures/index",
    "Exercises": "exercises/index",
    "Glossary": "glossary",
    "Claims": "claims",
    "Surprises": "surprises",
    "Guide": "guide/index",
    "Install and use": "start",
    "Data": "data",
}


def home(course: Course) -> str:
    """The map, and the lectures as a list: the whole of it on a telephone."""
    picture = concept_map.svg(lectures=course.places)
    rows = "\n".join(
        f"- **[{head['number']} · {head['title']}](lectures/{stem}.md)**\\\n  {head['question']}"
        for stem, head in course.heads.items()
    )
    words = concept_map.WORDS["en"]
    return (
        f"---\nhtml_theme.sidebar_secondary.remove: true\n---\n\n# {words['title']}\n\n"
        "What deep learning is made of, measured.\n"
        "A click on a concept opens the section that teaches it.\n\n"
        f'<div class="map home">\n{picture}</div>\n\n## The lectures\n\n{rows}\n\n'
        f"{listed(f'{title} <{document}>' for title, document in MENU.items())}\n"
    )


def lecture_list(course: Course) -> str:
    """What each lecture is for, and the list that "previous" and "next" follow."""
    parts = ["# Lectures"]
    ways = {stem[:2]: f"[{stem[:2]}]({stem}.md)" for stem in course.heads}
    for stem, head in course.heads.items():
        needs = re.sub(r"\b\d\d\b", lambda number: ways.get(number[0], number[0]), head["needs"])
        parts += [
            f"## [{head['number']} · {head['title']}]({stem}.md)",
            head["question"],
            f"**You will be able to** {head['able']}",
            f"**Needs** {needs} · **Minutes** {head['minutes']}",
        ]
    return lectures.joined([*parts, listed(course.heads)])


def exercise_list(course: Course) -> str:
    """The exercises of each lecture."""
    stems = [stem for stem in course.heads if f"exercises/{stem}" in {**course.notebooks, **course.missing}]
    parts = ["# Exercises", "Each task with its hints folded, and its solution behind two clicks."]
    for stem in stems:
        parts.append(f"## [{course.heads[stem]['number']} · {course.heads[stem]['title']}]({stem}.md)")
        tasks = (task for task in course.sections(f"exercises/{stem}") if task.place)
        parts.append("\n".join(f"{task.place}. {task.title}" for task in tasks))
    return lectures.joined([*parts, listed(stems)])


def listed(documents: Iterable[str]) -> str:
    """What Sphinx follows from page to page, and what the menu shows."""
    return "```{toctree}\n:hidden:\n\n" + "\n".join(documents) + "\n```"


def searched(what: str, rows: str) -> str:
    """A field that leaves of `rows`, a CSS selector, those that hold the words typed."""
    return (
        f'<p class="finder"><input type="search" data-rows="{rows}" placeholder="Search the {what}" '
        f'aria-label="Search the {what}"> <span aria-live="polite"></span></p>'
    )


def glossary(course: Course) -> str:
    """The words of the course, in the order of the alphabet, each with a link to where it is defined."""
    entries = []
    for term in sorted(course.terms.values(), key=lambda term: term.term.lower()):
        stem = next(stem for stem in course.heads if stem[:2] == term.lecture)
        lecture = f"{stem[:2]} · {escape(course.heads[stem]['title'])}"
        way = f'<a href="{aim(stem, str(term.section))}">{lecture}</a>'
        entries.append(
            f'<div id="{lectures.anchor(term)}">'
            f'<dt>{escape(term.term)} <span lang="ko">{escape(term.ko)}</span></dt>'
            f"<dd>{escape(term.means)} {way}</dd></div>"
        )
    words = '<dl class="glossary">\n' + "\n".join(entries) + "\n</dl>"
    return lectures.joined(["# Glossary", searched("terms", ".glossary > div"), words])


def claims(course: Course) -> str:
    """The table of claims, with a link from each to its section, and a field to search it."""
    path = course.root / "lectures/CLAIMS.md"
    if not path.exists():
        return "# Claims\n\n`lectures/CLAIMS.md` is not there yet: `dlmap claims` writes it.\n"
    lines, where, rows = path.read_text(encoding="utf-8").splitlines(), places(course), []
    head = next(index for index, line in enumerate(lines) if line.startswith("| lecture | claim"))
    for line in lines[head + 2 :]:
        if not line.startswith("| "):
            break
        stem, claim, *cells = (cell.strip() for cell in line.strip("|").split(" | "))
        way = where.get((stem, claim), aim(stem) if stem in course.heads else "")
        number = f'<a href="{way}">{stem[:2]}</a>' if way else stem[:2]
        rows.append("".join(f"<td>{cell}</td>" for cell in (number, *map(escape, (claim, *cells)))))
    titles = "".join(f"<th>{escape(cell.strip())}</th>" for cell in lines[head].strip("|").split(" | "))
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    table = (
        f'<div class="wide"><table class="claims table"><thead><tr>{titles}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )
    intro = "\n".join(lines[1:head]).strip()
    return lectures.joined(["# Claims", intro, searched("claims", ".claims tbody tr"), table])


def places(course: Course) -> dict[tuple[str, str], str]:
    """The section of each claim: {("04_…", "it does not learn XOR"): "lectures/04_….html#section-04-1"}."""
    return {
        (stem, fact["claim"]): aim(stem, part.place)
        for stem in course.heads
        for part in course.sections(f"lectures/{stem}")
        for cell in part.cells
        for fact in facts(cell)
        if "claim" in fact
    }


def surprises(course: Course) -> str:
    """What the notebooks hold of surprises: predictions that rooms get wrong, and claims that say no."""
    parts = [
        "# Surprises",
        "What the lectures asked, what rooms usually answer, and what the run showed. "
        "Guess first: the answers are folded.",
        "## Predictions that most get wrong",
        "Those of whose sections the presenter's notes name a usual answer.",
    ]
    for stem, head in course.heads.items():
        if found := usual(course, stem):
            parts += [f"### [{head['number']} · {head['title']}](lectures/{stem}.md)", *found]
    rows = [
        f'<li><a href="{way}">{stem[:2]}</a> {escape(claim)}</li>'
        for (stem, claim), way in places(course).items()
        if NEGATIVE.search(claim)
    ]
    parts += [
        "## Claims that say no",
        "What did not help, did not differ or did not work. [The table of claims](claims.md) says how much.",
        searched("claims that say no", ".negative li"),
        '<ul class="negative">\n' + "\n".join(rows) + "\n</ul>",
    ]
    return lectures.joined(parts)


def usual(course: Course, stem: str) -> list[str]:
    """The predictions of each section of a lecture of which a note says what most answer."""
    name, found = f"lectures/{stem}", []
    for part in course.sections(name):
        said = course.links(" ".join(line for line in part.notes if USUAL.search(line)), name, "surprises")
        asked, shown, question = [], [], ""
        for cell in part.cells:
            if cell.cell_type == "markdown" and PREDICT in cell.source:
                question = course.links(cell.source.partition(PREDICT)[2].strip(), name, "surprises")
            for fact in facts(cell):
                if "prediction" in fact:
                    asked.append(f"{question}\n\n*{' · '.join(fact['options'])}*")
                elif "outcome" in fact:
                    shown.append(f"**{fact['measured']}**")
        if said and asked and shown:
            way = f"[Read the section]({aim(stem, part.place, 'md')})."
            found += [*asked, lectures.folded("What rooms say", said)]
            found += [lectures.folded("What the run shows", f"{', '.join(shown)}. {way}")]
    return found
