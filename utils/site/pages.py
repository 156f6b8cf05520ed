"""The pages beside the lectures: the map, the list of lectures, the glossary, the claims, the surprises."""

import re
from html import escape

from utils import concept_map
from utils.site import lectures
from utils.site.course import SECTION, Course, facts, section

NEGATIVE = re.compile(r"\b(not|no|none|never|nothing|nearly none|worse|behind|loses?|fails?)\b")
PREDICT = "**Predict first.**"
# What a presenter's note calls the usual answer.
USUAL = re.compile(r"(?i)\b(wrong answers?|most (?:say|expect|guess|trust)|at (?:the|\*).*predict|nearly everybody|many trust|votes? for|usual)\b")


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
        f'<div class="map">\n{picture}</div>\n\n## The lectures\n\n{rows}\n\n'
        "```{toctree}\n:hidden:\n\nLectures <lectures/index>\nExercises <exercises/index>\nGlossary <glossary>\n"
        "Claims <claims>\nSurprises <surprises>\nGuide <guide/index>\nInstall and use <start>\nData <data>\n```\n"
    )


def lecture_list(course: Course) -> str:
    """What each lecture is for, and the list that "previous" and "next" follow."""
    parts = ["# Lectures"]
    for stem, head in course.heads.items():
        needs = re.sub(
            r"\b\d\d\b", lambda n: next((f"[{n[0]}]({s}.md)" for s in course.heads if s[:2] == n[0]), n[0]), head["needs"]
        )
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
        tasks = [cell for cell in course.cells(f"exercises/{stem}") if SECTION.match(cell.source)]
        parts.append(f"## [{course.heads[stem]['number']} · {course.heads[stem]['title']}]({stem}.md)")
        parts.append("\n".join(f"{head[1]}. {head[2]}" for cell in tasks if (head := SECTION.match(cell.source))))
    return lectures.joined([*parts, listed(stems)])


def listed(documents) -> str:
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
        stem = next(stem for stem, head in course.heads.items() if head["number"] == term.lecture)
        aim = f"lectures/{stem}.html" + (f"#{section(term.lecture, str(term.section))}" if term.section else "")
        entries.append(
            f'<div id="{lectures.anchor(term)}"><dt>{escape(term.term)} <span lang="ko">{escape(term.ko)}</span></dt>'
            f'<dd>{escape(term.means)} <a href="{aim}">{term.lecture} · {escape(course.heads[stem]["title"])}</a></dd></div>'
        )
    return lectures.joined(
        ["# Glossary", searched("terms", ".glossary > div"), '<dl class="glossary">\n' + "\n".join(entries) + "\n</dl>"]
    )


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
        aim = where.get((stem, claim), f"lectures/{stem}.html" if stem in course.heads else "")
        number = f'<a href="{aim}">{stem[:2]}</a>' if aim else stem[:2]
        rows.append("".join(f"<td>{cell}</td>" for cell in (number, *map(escape, (claim, *cells)))))
    titles = [cell.strip() for cell in lines[head].strip("|").split(" | ")]
    table = (
        '<div class="wide"><table class="claims table"><thead><tr>'
        + "".join(f"<th>{escape(title)}</th>" for title in titles)
        + "</tr></thead>\n<tbody>\n" + "\n".join(f"<tr>{row}</tr>" for row in rows) + "\n</tbody></table></div>"
    )
    intro = "\n".join(lines[1:head]).strip()
    return lectures.joined(["# Claims", intro, searched("claims", ".claims tbody tr"), table])


def places(course: Course) -> dict[tuple[str, str], str]:
    """The section of each claim: {("04_neural_networks", "it does not learn XOR"): "lectures/…#section-04-1"}."""
    return {
        (stem, fact["claim"]): f"lectures/{stem}.html" + (f"#{section(head['number'], part.place)}" if part.place else "")
        for stem, head in course.heads.items()
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
    where, rows = places(course), []
    for (stem, claim), aim in where.items():
        if NEGATIVE.search(claim):
            rows.append(f'<li><a href="{aim}">{stem[:2]}</a> {escape(claim)}</li>')
    parts += [
        "## Claims that say no",
        "What did not help, did not differ or did not work. [The table of claims](claims.md) says how much.",
        searched("claims that say no", ".negative li"),
        '<ul class="negative">\n' + "\n".join(rows) + "\n</ul>",
    ]
    return lectures.joined(parts)


def usual(course: Course, stem: str) -> list[str]:
    """The predictions of a lecture in whose section a note says what most answer."""
    name, found = f"lectures/{stem}", []
    open_: dict[str, str] = {}
    for part in course.sections(name):
        said, question = " ".join(line for line in part.notes if USUAL.search(line)), ""
        for cell in part.cells:
            if cell.cell_type == "markdown" and PREDICT in cell.source:
                question = cell.source.partition(PREDICT)[2].strip()
            for fact in facts(cell):
                if "prediction" in fact and said:
                    asked = f"{course.links(question, name)}\n\n*{' · '.join(fact['options'])}*\n\n"
                    open_[fact["prediction"]] = asked + lectures.folded("What rooms say", course.links(said, name))
                elif fact.get("outcome") in open_:
                    way = f"[Read the section]({name}.md#{section(stem[:2], part.place)})."
                    shows = lectures.folded("What the run shows", f"{fact['measured']}. {way}")
                    found.append(open_.pop(fact["outcome"]) + shows)
    return found
