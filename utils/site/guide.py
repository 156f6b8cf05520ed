"""The facilitator's guide: a page a lecture from its presenter's notes, and schedules of the whole course."""

import re

from utils.site import lectures
from utils.site.course import PREDICT, USUAL, Course, Section, aim, facts, tags

SESSIONS = (8, 12, 20)
TASK = re.compile(r"\*\*(\w+)\*\* · level (\S+) · (\d+) minutes")
ROOM = re.compile(r"(?s)\*\*Ask the room\.\*\*(.*?)<details><summary>One answer</summary>(.*?)</details>")


def documents(course: Course) -> dict[str, str]:
    """Every page of the guide, by its name."""
    built = [stem for stem in course.heads if f"lectures/{stem}" in course.notebooks]
    return {"guide/index": schedule(course), **{f"guide/{stem}": page(course, stem) for stem in built}}


# --- the whole course -----------------------------------------------------------------------------------


def schedule(course: Course) -> str:
    """The course in 8, 12 and 20 sessions, in order, the longest as short as it can be."""
    teach = {stem: int(re.findall(r"\d+", head["minutes"])[0]) for stem, head in course.heads.items()}
    parts = [
        "# Guide",
        "For whoever leads a study group or teaches: a page a lecture, made from its notes for the room. "
        "Minutes are those of teaching; the exercises are for home.",
    ]
    for count in SESSIONS:
        if count <= len(teach):
            rows = ["| session | lectures | minutes | exercises for home |", "|---|---|---|---|"]
            for place, stems in enumerate(sessions(teach, count), 1):
                names = "<br>".join(linked(course, stem) for stem in stems)
                home = sum(minutes for stem in stems for *_, minutes in tasks(course, stem))
                rows.append(f"| {place} | {names} | {sum(teach[s] for s in stems)} | {home or '–'} |")
            parts += [f"## In {count} sessions", "\n".join(rows)]
    return lectures.joined([*parts, "## A page a lecture", pages(course)])


def pages(course: Course) -> str:
    built = [stem for stem in course.heads if f"lectures/{stem}" in course.notebooks]
    return "```{toctree}\n:maxdepth: 1\n\n" + "\n".join(built) + "\n```"


def linked(course: Course, stem: str) -> str:
    name = f"{course.heads[stem]['number']} {course.heads[stem]['title']}"
    return f"[{name}]({stem}.md)" if f"lectures/{stem}" in course.notebooks else name


def sessions(minutes: dict[str, int], count: int) -> list[list[str]]:
    """Lectures in order, in so many sessions, the longest of them as short as it can be."""
    for limit in range(max(minutes.values()), sum(minutes.values()) + 1):
        filled: list[list[str]] = [[]]
        for left, stem in zip(range(len(minutes), 0, -1), minutes, strict=True):
            full = sum(minutes[each] for each in filled[-1]) + minutes[stem] > limit
            if filled[-1] and (full or left <= count - len(filled)):  # each session gets one at least
                filled.append([])
            filled[-1].append(stem)
        if len(filled) <= count:
            return filled
    return []


# --- one lecture ----------------------------------------------------------------------------------------


def page(course: Course, stem: str) -> str:
    """The plan of a lecture, what to say in each section, its questions with their answers, its exercises."""
    head, name = course.heads[stem], f"lectures/{stem}"
    parts = [
        f"# {head['number']} · {head['title']}: guide",
        f"**Question.** {head['question']}",
        f"**They will be able to** {head['able']}",
        f"**Needs** {head['needs']} · **Minutes** {head['minutes']} · [lecture](../lectures/{stem}.md)",
        "## Plan",
        plan(course.sections(name)),
    ]
    for part in course.sections(name):
        if part.place:
            way = f"[the section](../{aim(stem, part.place, 'md')})"
            parts += [f"## {part.place} · {part.title}", f"{part.minutes} minutes · {way}"]
            parts += [course.links(text, name, f"guide/{stem}") for text in room(part)]
    return lectures.joined([*parts, *homework(course, stem)])


def plan(parts: list[Section]) -> str:
    """The sections with their minutes, and what the clock shows when each begins."""
    rows, clock = ["| begins | section | minutes |", "|---|---|---|"], 0
    for part in parts:
        if part.minutes:
            rows.append(f"| {clock // 60}:{clock % 60:02} | {part.place} · {part.title} | {part.minutes} |")
            clock += part.minutes
    return "\n".join([*rows, f"| {clock // 60}:{clock % 60:02} | the end | **{clock}** |"])


def room(part: Section) -> list[str]:
    """What the room needs in a section: the notes, the predictions, the questions."""
    expect = [line for line in part.notes if USUAL.search(line)]
    said = ["\n".join(line for line in part.notes if line not in expect)]
    said += [f"**Expect.** {line}" for line in expect]
    for cell in part.cells:
        for fact in facts(cell):
            if "prediction" in fact:
                said.append(f"*{' · '.join(fact['options'])}*")
            elif "outcome" in fact:
                said.append(f"> **The run shows:** {fact['measured']}.")
        if cell.cell_type == "markdown" and "notes" not in tags(cell):
            said += [PREDICT + question for question in cell.source.split(PREDICT)[1:]]
            for question, answer in ROOM.findall(cell.source):
                said.append(f"**Ask the room.** {question.strip()}\n\n> **One answer.** " + quoted(answer))
    return said


def quoted(text: str) -> str:
    return text.strip().replace("\n", "\n> ")


def tasks(course: Course, stem: str) -> list[tuple[str, str, str, int]]:
    """The exercises of a lecture: title, kind, level, minutes."""
    found = []
    for part in course.sections(f"exercises/{stem}"):
        for kind, level, minutes in part.prose(TASK.pattern):
            found.append((f"{part.place} · {part.title}", kind, level, int(minutes)))
    return found


def homework(course: Course, stem: str) -> list[str]:
    """The exercises, and what there is to say about each when all have tried."""
    given = tasks(course, stem)
    if not given:
        return []
    rows = ["| task | kind | level | minutes |", "|---|---|---|---|"]
    rows += [f"| {' | '.join(map(str, task))} |" for task in given]
    rows.append(f"| all | | | **{sum(minutes for *_, minutes in given)}** |")
    parts = ["## Exercises", f"[Exercises](../exercises/{stem}.md), for home.", "\n".join(rows)]
    for part in course.sections(f"solutions/{stem}"):
        said = [c.source for c in part.cells if c.cell_type == "markdown" and "solution-only" in tags(c)]
        if said and part.place:
            parts.append(f"### To discuss: {part.title}")
            parts += [course.links(text, f"solutions/{stem}", f"guide/{stem}") for text in said]
    return parts


def paper(course: Course, stem: str) -> str:
    """The page of a lecture to print: alone, so that its links have nowhere to lead."""
    text = re.sub(r" · \[[^\]\n]*\]\(\.\.[^)\s]+\)", "", page(course, stem))
    return re.sub(r"\[([^\]\n]*)\]\((?![a-z]+:)[^)\s]+\)", r"\1", text)
