"""The pages beside the lectures: the map, the list of lectures, the glossary, the claims, the surprises."""

import re
from html import escape

from nbformat import NotebookNode

from utils import concept_map
from utils.site import lectures
from utils.site.course import SECTION, Course, section

NEGATIVE = re.compile(r"\b(not|no|none|never|nothing|nearly none|worse|behind|loses?|fails?)\b")
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


def facts(cell: NotebookNode) -> list[dict]:
    """What the outputs of a cell say to tools."""
    return [output.get("metadata", {}).get("dlmap", {}) for output in cell.get("outputs", [])]


def places(course: Course) -> dict[tuple[str, str], str]:
    """The section of each claim: {("04_neural_networks", "it does not learn XOR"): "lectures/…#section-04-1"}."""
    found, aim = {}, ""
    for stem, head in course.heads.items():
        for cell in course.cells(f"lectures/{stem}"):
            if title := SECTION.match(cell.source):
                aim = f"lectures/{stem}.html#{section(head['number'], title[1])}"
            found |= {(stem, fact["claim"]): aim for fact in facts(cell) if "claim" in fact}
    return found


def surprises(course: Course) -> str:
    """What the notebooks hold of surprises: predictions that rooms get wrong, and claims that say no."""
    parts = [
        "# Surprises",
        "What the lectures asked, what rooms usually answer, and what the run showed. "
        "Guess first: the answers are folded.",
        "## Predictions that most get wrong",
        "Those of which the presenter's notes name a usual answer.",
    ]
    found = [surprise for stem in course.heads for surprise in usual(course, stem)]
    parts += found or ["None yet."]
    parts += ["## Claims that say no", "What did not help, did not differ or did not work, as it was measured."]
    where, rows = places(course), []
    for stem in course.heads:
        for cell in course.cells(f"lectures/{stem}"):
            for fact in facts(cell):
                if NEGATIVE.search(fact.get("claim", "")):
                    aim = where[stem, fact["claim"]]
                    rows.append(f'<li><a href="{aim}">{stem[:2]}</a> {escape(fact["claim"])}: {fact["measured"]:.3g}</li>')
    return lectures.joined([*parts, searched("claims that say no", ".negative li"), '<ul class="negative">\n' + "\n".join(rows) + "\n</ul>"])


def usual(course: Course, stem: str) -> list[str]:
    """The predictions of a lecture about which a note of the same section says what most answer."""
    name, number = f"lectures/{stem}", course.heads[stem]["number"]
    said, question, place, open_, found = [], "", "", {}, []
    cells = course.cells(name)
    for index, cell in enumerate(cells):
        if head := SECTION.match(cell.source):
            place, said = head[1], []
            for later in cells[index + 1 :]:
                if SECTION.match(later.source):
                    break
                if "notes" in lectures.tags(later):
                    said += [line for line in later.source.splitlines() if USUAL.search(line) and "<" not in line]
        if cell.cell_type == "markdown" and "**Predict first.**" in cell.source:
            question = cell.source[cell.source.index("**Predict first.**") :].removeprefix("**Predict first.**").strip()
        for fact in facts(cell):
            if "prediction" in fact:
                open_[fact["prediction"]] = (question, fact["options"], place, list(said))
            elif fact.get("outcome") in open_:
                asked, options, at, notes = open_.pop(fact["outcome"])
                if notes:
                    answer = f"{fact['measured']}. [Read the section]({name}.md#{section(number, at)})."
                    found.append(
                        f"### {course.heads[stem]['title']}\n\n{course.links(asked, name)}\n\n"
                        f"*{' · '.join(options)}*\n\n"
                        + lectures.folded("What rooms say", "\n".join(course.links(n, name) for n in notes), "note")
                        + lectures.folded("What the run shows", answer, "note")
                    )
    return found
