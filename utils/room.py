"""What the members of a room are willing to share of their progress, and what the room got wrong most.

`share` writes a member's file: tasks done and tries, predictions and their outcomes, the day, a name if they
give one. `gather` reads a folder of such files, `picture` draws them. A file holds nothing but that: no time
of day, no path, no user name, nothing that a learner wrote into a cell.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from utils import checks, paths, progress
from utils.concept_map.drawing import BLUE, FONTS, GREEN, GREY, INK, ORANGE
from utils.errors import UserError

FORMAT, VERSION = "deep-learning-map progress", 1
LARGEST = 1_000_000  # bytes; a file of a member who has done everything has 20 thousand
MOST_TRIES = 100_000
ANONYMOUS = "without a name"


@dataclass(frozen=True)
class Guess:
    """A prediction of a member; `measured` is None as long as they have not seen the outcome."""

    choice: str
    measured: str | None


@dataclass(frozen=True)
class Member:
    """A member's file. `tries`: task -> how often it was checked until it was right; `done`: those right."""

    word: str
    name: str | None
    day: date
    tries: Mapping[str, int]
    done: frozenset[str]
    guesses: Mapping[str, Guess]

    @property
    def age(self) -> tuple:
        """Grows from file to file of one member, within a day too: what is done once stays done."""
        seen = sum(guess.measured is not None for guess in self.guesses.values())
        return self.day, sum(self.tries.values()), len(self.done), len(self.guesses), seen

    @property
    def right(self) -> tuple[int, int]:
        """How many predictions were right, of how many whose outcome was seen."""
        seen = [guess for guess in self.guesses.values() if guess.measured is not None]
        return sum(guess.choice == guess.measured for guess in seen), len(seen)


# ---------------------------------------------------------------------- one member


def share(path: Path, name: str | None = None) -> Member:
    """Write what this learner shares to `path`, over nothing but an older one of theirs. Raises UserError."""
    if name is not None and not _is_name(name):
        raise UserError(f"the name is {name!r}; expected one line of 1 to 40 letters, or no --name")
    known = _known()
    guesses = {
        name: Guess(guess["choice"], guess["measured"])
        for name, guess in progress.predictions().items()
        if name in known
    }
    tries = {task: count for task, count in progress.tries().items() if task in known}
    if not tries and not guesses:
        raise UserError("nothing to share yet: no task was checked and nothing predicted")
    done = frozenset(progress.done() & tries.keys())
    own = Member(progress.member(), name, date.today(), tries, done, guesses)
    content = json.dumps(_as_json(own), indent=1, ensure_ascii=False) + "\n"
    if not path.parent.is_dir():
        raise UserError(f"no folder {path.parent}; make it, or choose another place")
    new = False
    try:
        try:
            path.open("x", encoding="utf-8").close()  # the name is ours now, or was taken before
            new = True
        except FileExistsError:
            if not _is_of(path, own.word, known):
                why = "is there and is not a file that you shared; choose another name"
                raise UserError(f"{path} {why}") from None
        paths.atomic_write(path, content)
    except OSError as error:
        if new:
            path.unlink()
        raise UserError(f"cannot write {path}: {error.strerror}; choose another place") from None
    return own


def _is_of(path: Path, word: str, known: set[str]) -> bool:
    """Whether a file is an older one of this member."""
    try:
        return _read(path, known).word == word
    except ValueError:
        return False


def _as_json(member: Member) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "member": member.word,
        "name": member.name,
        "day": member.day.isoformat(),
        "tasks": {
            task: {"tries": count, "done": task in member.done}
            for task, count in sorted(member.tries.items())
        },
        "predictions": {name: vars(guess) for name, guess in sorted(member.guesses.items())},
    }


def tasks() -> list[str]:
    """The tasks of the course, in its order."""
    return [task.name for number in paths.units() for task in checks.tasks(number)]


def _known() -> set[str]:
    """The tasks and predictions of the course. What somebody asks in their own notebook is not shared."""
    sources = (paths.LECTURES / "src" / f"{stem}.py" for stem in paths.units().values())
    texts = (source.read_text(encoding="utf-8") for source in sources)
    return {name for text in texts for name in re.findall(r'(?m)^predict\("([^"]+)"', text)} | set(tasks())


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= 40 and name.isprintable() and name.strip() == name


# ---------------------------------------------------------------------- the room


def gather(folder: Path) -> tuple[list[Member], list[str]]:
    """The members whose files lie in `folder`, and a line for each file that was left out.

    Raises: UserError where there is no such folder, or no file of a member in it.
    """
    if not folder.is_dir():
        raise UserError(f"no folder {folder}; put there what the members wrote by `dlmap progress --share`")
    read, notes, known = [], [], _known()
    for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
        name = path.name if path.name.isprintable() else ascii(path.name)  # it goes to a terminal
        try:
            read.append((_read(path, known), name))
        except ValueError as error:
            notes.append(f"{name} is left out: {error}")
    newest: dict[str, tuple[Member, str]] = {}
    for member, name in sorted(read, key=lambda one: one[0].age, reverse=True):
        if member.word in newest:
            notes.append(f"{name} is left out: {newest[member.word][1]} is the same member's and newer")
        newest.setdefault(member.word, (member, name))
    if not newest:
        raise UserError(
            "; ".join([f"no shared progress in {folder}", *notes[:3]])
            + ": each member writes a file by `dlmap progress --share FILE`"
        )
    members = (member for member, _ in newest.values())
    return sorted(members, key=lambda m: (m.name is None, (m.name or "").casefold(), m.word)), notes


def _read(path: Path, known: set[str]) -> Member:
    """A member's file. Raises ValueError that says what is wrong with it, in a few words."""
    foreign = ValueError("not a file that `dlmap progress --share` wrote")
    try:
        if not path.is_file():
            raise foreign
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise foreign
        state = json.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise foreign from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise foreign
    if state.get("version") != VERSION:
        raise ValueError(
            f"it has version {state.get('version')!r:.9}; this copy of the course reads {VERSION}"
        )
    try:
        return _member(state, known)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError("it is damaged") from None


def _member(state: dict, known: set[str]) -> Member:
    """What a file says of this course's tasks and predictions. Raises where it is damaged."""
    checked, guesses = state["tasks"], state["predictions"]
    valid = (
        all(type(entry["tries"]) is int and 0 <= entry["tries"] <= MOST_TRIES for entry in checked.values())
        and all(type(entry["done"]) is bool for entry in checked.values())
        and all(_is_answer(guess["choice"]) for guess in guesses.values())
        and all(guess["measured"] is None or _is_answer(guess["measured"]) for guess in guesses.values())
        and _is_name(state["member"])
        and (state["name"] is None or _is_name(state["name"]))
    )
    if not valid:
        raise ValueError
    return Member(
        word=state["member"],
        name=state["name"],
        day=date.fromisoformat(state["day"]),
        tries={name: entry["tries"] for name, entry in checked.items() if name in known},
        done=frozenset(name for name, entry in checked.items() if entry["done"] and name in known),
        guesses={n: Guess(g["choice"], g["measured"]) for n, g in guesses.items() if n in known},
    )


def _is_answer(text: object) -> bool:
    return isinstance(text, str) and len(text) <= 200 and text.isprintable()


@dataclass(frozen=True)
class Missed:
    """A prediction: `wrong` of `seen` members missed it; most of those said `said`, the run shows `shows`."""

    name: str
    wrong: int
    seen: int
    said: str
    shows: str


@dataclass(frozen=True)
class Tried:
    """A task: `wrong` tries of all `members` who tried it, of whom `done` have it right now."""

    name: str
    wrong: int
    members: int
    done: int


def missed(members: Iterable[Member]) -> list[Missed]:
    """The predictions that somebody missed, those that most missed first."""
    seen: dict[str, list[Guess]] = {}
    for member in members:
        for name, guess in member.guesses.items():
            if guess.measured is not None:
                seen.setdefault(name, []).append(guess)
    rows = []
    for name, guesses in seen.items():
        if wrong := [guess for guess in guesses if guess.choice != guess.measured]:
            said = _most(guess.choice for guess in wrong)
            rows.append(
                Missed(name, len(wrong), len(guesses), said, _most(guess.measured for guess in guesses))
            )
    return sorted(rows, key=lambda row: (-row.wrong, row.seen, row.name))


def tried(members: Iterable[Member]) -> list[Tried]:
    """The tasks that somebody got wrong, those with most wrong tries first."""
    rows = []
    members = list(members)
    for task in tasks():
        count = [(member.tries[task], task in member.done) for member in members if task in member.tries]
        if wrong := sum(tries - right for tries, right in count):
            rows.append(Tried(task, wrong, len(count), sum(right for _, right in count)))
    return sorted(rows, key=lambda row: (-row.wrong, row.members, row.name))


def _most(words: Iterable[str]) -> str:
    """The most frequent one; of equally frequent ones the first in the alphabet."""
    return min(Counter(words).items(), key=lambda item: (-item[1], item[0]))[0]


def names(members: Iterable[Member]) -> list[str]:
    """What each member is called in a list: two of one name are told apart by a number."""
    count: Counter[str] = Counter()
    told = []
    for member in members:
        name = member.name or ANONYMOUS
        count[name] += 1
        told.append(name if count[name] == 1 else f"{name} ({count[name]})")
    return told


# ---------------------------------------------------------------------- the picture

CELL, ROW, LEFT, TOP, GAP = 14, 22, 200, 84, 8  # pixels; GAP stands between two lectures
LINE = 26  # from line to line of the two lists


def picture(members: list[Member], most: int = 10) -> str:
    """SVG: a row for each member and a column for each task; below, what was missed and tried most.

    A task that is done is a full square, one that was tried an open one with a dot, any other a small dot.
    """
    parts = [_text(24, 36, _headline(members), "head")]
    columns, x, feet = {}, LEFT, TOP + ROW * len(members)
    for lecture, of_lecture in groupby(tasks(), key=lambda task: task.partition(".")[0]):
        parts.append(_text(x, TOP - 8, lecture, "strong"))
        for task in of_lecture:
            turned = f' transform="rotate(-90 {x + 10} {feet + 8})"'
            parts.append(_text(x + 10, feet + 8, task.partition(".")[2], "end", turned))
            columns[task] = x
            x += CELL
        x += GAP
    width = max(x, 1500)
    for row, (member, name) in enumerate(zip(members, names(members), strict=True)):
        y = TOP + ROW * row
        parts.append(_text(LEFT - 12, y + 14, name if len(name) < 25 else name[:23] + "…", "end"))
        parts += [_cell(left, y + 3, name, task, member) for task, left in columns.items()]
    y = feet + 120
    key = [("done", "right"), ("tried", "tried, not right yet"), ("none", "not tried")]
    for place, (state, words) in enumerate(key):
        parts += [_mark(LEFT + 190 * place, y, state), _text(LEFT + 18 + 190 * place, y + 11, words)]
    wrong, hard, y = missed(members)[:most], tried(members)[:most], y + 60
    misses = [
        (row.name, row.wrong, f'{row.wrong} of {row.seen} · most: "{row.said}" · the run: "{row.shows}"')
        for row in wrong
    ]
    tries = [
        (row.name, row.wrong, f"{row.wrong} wrong tries · right now: {row.done} of {row.members}")
        for row in hard
    ]
    parts += _bars(24, y, "Predictions that most missed", misses, "Nobody has missed one.")
    parts += _bars(width // 2 + 160, y, "Tasks with most wrong tries", tries, "Nobody was wrong.")
    height = y + 40 + LINE * max(len(misses), len(tries), 1)
    style = (
        f"text{{font-family:{FONTS};font-size:12px;fill:{INK}}}.end{{text-anchor:end}}"
        ".strong,.line{font-size:14px}.strong,.head{font-weight:700}.head{font-size:20px}"
        f".done{{fill:{GREEN}}}.tried{{fill:#fff;stroke:{ORANGE};stroke-width:2}}.dot{{fill:{INK}}}"
        f".none{{fill:{GREY}}}.bar{{fill:{BLUE}}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img" aria-label="{escape(describe(members))}">\n<style>{style}</style>\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def describe(members: list[Member]) -> str:
    """What the picture shows, for readers who cannot see it."""
    told = f"{_headline(members)}."
    if wrong := missed(members):
        told += f" Most missed the prediction {wrong[0].name}: {wrong[0].wrong} of {wrong[0].seen}."
    if hard := tried(members):
        told += f" Most wrong tries were at the task {hard[0].name}: {hard[0].wrong}."
    return told


def _headline(members: list[Member]) -> str:
    counts = [len(member.done) for member in members]
    least, most = min(counts), max(counts)
    right = f"{least} to {most}" if least < most else f"{most}"
    return (
        f"{len(members)} {'members' if len(members) > 1 else 'member'}, {right} of {len(tasks())} tasks right"
    )


def _cell(x: float, y: float, name: str, task: str, member: Member) -> str:
    tries = member.tries.get(task, 0)
    state = "done" if task in member.done else "tried" if tries else "none"
    words = f"{name}, {task}: {tries} {'try' if tries == 1 else 'tries'}" + ", right" * (state == "done")
    return f"<g><title>{escape(words)}</title>{_mark(x, y, state)}</g>" if tries else _mark(x, y, state)


def _mark(x: float, y: float, state: str) -> str:
    if state == "none":
        return f'<circle class="none" cx="{x + 6}" cy="{y + 7}" r="1.2"/>'
    square = f'<rect class="{state}" x="{x + 1}" y="{y + 2}" width="10" height="10"/>'
    return square + f'<circle class="dot" cx="{x + 6}" cy="{y + 7}" r="2"/>' * (state == "tried")


def _bars(x: float, y: float, title: str, rows: list[tuple[str, int, str]], none: str) -> list[str]:
    """Named bars with their values written out, under a title."""
    parts = [_text(x, y, title, "strong")] + [_text(x, y + LINE, none, "line")] * (not rows)
    for place, (name, value, words) in enumerate(rows, start=1):
        long = 90 * value / rows[0][1]
        top = y + LINE * place
        parts.append(_text(x + 120, top, name, "end line"))
        parts.append(f'<rect class="bar" x="{x + 128}" y="{top - 10}" width="{long:.0f}" height="12"/>')
        parts.append(_text(x + 136 + long, top, words if len(words) < 110 else words[:108] + "…", "line"))
    return parts


def _text(x: float, y: float, words: str, kind: str = "", more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}"{more}>{escape(words)}</text>'
