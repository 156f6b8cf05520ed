"""`dlmap claims`: every claim over seeds and budgets, measured, kept in one table, its bound judged."""

import math
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path

from utils.authoring.batch import Run, facts, lectures, parameters_of, parse, run_many
from utils.authoring.execute import NotebookFailed
from utils.authoring.sources import code_hash, pages, read
from utils.errors import UserError
from utils.paths import atomic_write

SEEDS = {1: 5, 3: 2}  # the budgets that the table has columns for, and on how many seeds each at least
TOLERANCE = 1e-3  # at most this far from 0 is an equality up to rounding, not a quantity with a spread
DASH = "–"

HEAD = "| lecture | claim | bound |" + "".join(f" budget {b}: least – median – most | held |" for b in SEEDS)
HEAD += "\n|---|---|---|" + "---|---|" * len(SEEDS) + "\n"
FOOT = "| lecture | code | with |" + "".join(f" budget {b} |" for b in SEEDS)
FOOT += "\n|---|---|---|" + "---|" * len(SEEDS) + "\n"
TEXT = f"""# Claims over seeds and budgets

Each claim of each lecture: the bound that it must keep, what was measured on several seeds, and on how many
it held. Budget 3 trains three times as long. `short`: said of a short training, not judged there.
`{DASH}`: not measured. The second table says when, and on which code of the lecture.

"""


@dataclass
class Measured:
    """A claim of a lecture over several seeds at one budget."""

    lecture: str
    claim: str
    bound: str
    short: bool  # said of a short training, not judged at this budget
    seeds: int
    measured: list[float] = field(default_factory=list)
    held: int = 0

    @property
    def spread(self) -> str:
        """For people: "0.09 – 0.11 – 0.12": least, median and most; one number where they agree."""
        values = [value for value in self.measured if isinstance(value, int | float)]  # nan travels as text
        if not values:
            return "nothing"
        shown = [f"{f(values):.3g}" for f in (min, statistics.median, max)]
        return f" {DASH} ".join(shown) if len(set(shown)) > 1 else shown[0]

    @property
    def verdict(self) -> str:
        """For people: "5/5", or "short"."""
        return "short" if self.short else f"{self.held}/{self.seeds}"


def claims(
    root: Path,
    numbers: list[str],
    seeds: int,
    budget: str | None,
    jobs: int | None,
    out: Path,
    cluster: str | None = None,
    force: bool = False,
) -> tuple[list[Measured], list[str]]:
    """Run lectures over seeds 0 … `seeds`-1 at a budget, gather every claim, and write it into a table.

    `out` receives the executed notebooks and `claims.md`: the newer of `lectures/CLAIMS.md` and what was
    there, lecture by lecture, with this run's column replaced (where its budget has one). A lecture that
    crashed, or that did not make each claim on each seed, stays in the table as it was.
    Returns: what was measured; what crashed, did not hold, or has a bound that says too little, a line each.
    Raises: UserError for an unknown lecture, a budget that is no number above 0, a lecture without BUDGET.
    """
    chosen = {page.path.stem: page.path for page in lectures(root, numbers)}
    given = {} if budget is None else {"BUDGET": budget}
    todo, trained = {}, 1.0
    for stem, path in chosen.items():
        for seed in range(seeds):
            values = parse(given | {"SEED": str(seed)}, parameters_of(read(path)), stem)
            trained = values.get("BUDGET", 1.0)
            folder = f"seed-{seed}" if trained == 1 else f"budget-{trained:g}-seed-{seed}"
            todo[f"{stem} seed {seed}"] = path, out / folder / path.name, values
    rows, problems = gather(run_many(todo, jobs, strict=False, cluster=cluster, force=force), seeds)
    problems += [
        f"{row.lecture}: held on {row.held} of {seeds} seeds at budget {trained:g}: {row.claim}"
        for row in rows
        if row.held < seeds and not row.short
    ]

    built = {page.path.stem for page in pages(root)}
    table = newest(out / "claims.md", root / "lectures" / "CLAIMS.md")
    table = {stem: lecture for stem, lecture in table.items() if stem in built}
    for stem in chosen if trained in SEEDS else ():
        mine = [row for row in rows if row.lecture == stem]
        if not mine or any(len(row.measured) < seeds for row in mine):
            continue
        lecture = table.setdefault(stem, Lecture())
        lecture.record(mine, trained, code_hash(read(chosen[stem]))[:8])
        problems += [f"{stem}: {row.claim}: {why}" for row in lecture.rows if (why := too_loose(row))]
    atomic_write(out / "claims.md", render(table))
    return rows, problems


def gather(results: dict[str, Run | NotebookFailed], seeds: int) -> tuple[list[Measured], list[str]]:
    """The claims of runs named "lecture seed N"; and what crashed, said the same twice, or showed another
    outcome of a prediction than another seed did, a line each."""
    rows: dict[tuple[str, str], Measured] = {}
    outcomes: dict[tuple[str, str], set[str]] = {}
    problems = []
    for name, result in results.items():
        if isinstance(result, NotebookFailed):
            problems.append(f"{name}: {result}")
            continue
        seen = set()
        for fact in facts(read(result.path), "claim"):
            key = name.partition(" ")[0], fact["claim"]
            if key in seen:
                problems.append(f"{key[0]}: two claims say the same: {fact['claim']}")
                continue
            seen.add(key)
            if fact.get("needs"):
                problems.append(f"{key[0]}: not measured, it takes {fact['needs']}: {fact['claim']}")
            row = rows.setdefault(key, Measured(*key, bound(fact), not fact["judged"], seeds))
            if fact["measured"] is not None:
                row.measured.append(fact["measured"])
            row.held += fact["held"]
        for fact in facts(read(result.path), "outcome"):
            outcomes.setdefault((name.partition(" ")[0], fact["outcome"]), set()).add(fact["measured"])
    problems += [
        f"{lecture}: the outcome of {asked} hangs on the seed: {', '.join(sorted(shown))}"
        for (lecture, asked), shown in outcomes.items()
        if len(shown) > 1
    ]
    return list(rows.values()), list(dict.fromkeys(problems))


def bound(fact: dict) -> str:
    """For people: "≥ 0.05", "≤ 1e-06", "∈ [0.3, 0.7]"."""
    low, high = fact["at_least"], fact["at_most"]
    if high is None:
        return f"≥ {low:g}"
    return f"≤ {high:g}" if low is None else f"∈ [{low:g}, {high:g}]"


# --- the table: for people, and the only place where the numbers are kept --------------------------------


@dataclass
class Row:
    """A claim in the table. `cells`: budget -> (least – median – most, how often it held), as they stand."""

    claim: str
    bound: str
    cells: dict[int, tuple[str, str]]


@dataclass
class Lecture:
    """A lecture in the table: its claims, in its order, and when its one code was measured."""

    code: str = ""
    versions: str = ""
    dates: dict[int, str] = field(default_factory=dict)  # budget -> ISO date
    rows: list[Row] = field(default_factory=list)

    def record(self, measured: list[Measured], budget: float, code: str) -> None:
        """Replace a budget's column; the others stay if they come from this code and these versions."""
        versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "scikit-learn"))
        if (self.code, self.versions) != (code, versions):
            self.code, self.versions, self.dates, self.rows = code, versions, {}, []
        before = {row.claim: row.cells for row in self.rows}
        self.rows = [
            Row(m.claim, m.bound, before.get(m.claim, {}) | {int(budget): (m.spread, m.verdict)})
            for m in measured
        ]
        self.dates[int(budget)] = date.today().isoformat()


def render(table: dict[str, Lecture]) -> str:
    """The table as Markdown; `parsed` reads it back."""
    nothing = (DASH, DASH)
    rows = [
        (stem, row.claim, row.bound, *(text for budget in SEEDS for text in row.cells.get(budget, nothing)))
        for stem, lecture in sorted(table.items())
        for row in lecture.rows
    ]
    runs = [
        (stem, lecture.code, lecture.versions, *(lecture.dates.get(budget, DASH) for budget in SEEDS))
        for stem, lecture in sorted(table.items())
    ]
    return TEXT + HEAD + lines(rows) + "\n" + FOOT + lines(runs)


def lines(rows: list[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


def parsed(text: str) -> dict[str, Lecture]:
    """Stem -> lecture, from the text of a table; nothing where the text is another table's."""
    above, _, below = text.partition(FOOT)
    _, head, above = above.partition(HEAD)
    if not head:
        return {}
    table = {}
    for stem, code, versions, *dates in cells(below):
        whens = {budget: when for budget, when in zip(SEEDS, dates, strict=True) if when != DASH}
        table[stem] = Lecture(code, versions, whens)
    for stem, claim, bound, *texts in cells(above):
        pairs = zip(SEEDS, zip(texts[::2], texts[1::2], strict=True), strict=True)
        found = {budget: pair for budget, pair in pairs if pair != (DASH, DASH)}
        if stem not in table:
            raise ValueError(f"the second table lacks {stem}")
        table[stem].rows.append(Row(claim, bound, found))
    return table


def cells(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("| "):
            yield [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def newest(*paths: Path) -> dict[str, Lecture]:
    """One table of several: each lecture as it was measured last; of equals the first counts.

    Raises: UserError for a table whose rows cannot be read any more.
    """
    tables = []
    for path in filter(Path.exists, paths):
        try:
            tables.append(parsed(path.read_text(encoding="utf-8")))
        except ValueError:
            raise UserError(f"{path} is not a table of claims any more; restore it, or delete it") from None

    def last(lecture: Lecture) -> str:
        return max(lecture.dates.values(), default="")

    newer: dict[str, Lecture] = {}
    for stem, lecture in (item for table in tables for item in table.items()):
        if stem not in newer or last(lecture) > last(newer[stem]):
            newer[stem] = lecture
    return newer


def differences(lecture: Lecture, said: list[dict]) -> list[str]:
    """What the rows of a lecture say that its stored notebook does not, or the other way round; a line each.

    `said` are the claims that the notebook emitted (`facts`).
    """
    told = [f"{fact['claim']} {bound(fact)}" for fact in said]
    rows = [f"{row.claim} {row.bound}" for row in lecture.rows]
    problems = [f"not in the table: {claim}" for claim in told if claim not in rows]
    problems += [f"not in the lecture: {claim}" for claim in rows if claim not in told]
    if not problems and rows != told:
        problems.append("the table has the claims in another order, or one of them twice")
    short = {fact["claim"] for fact in said if fact.get("short")}
    number = r"-?\d[\d.]*(?:e[+-]\d+)?"
    for budget, seeds in SEEDS.items():
        if budget not in lecture.dates:
            problems.append(f"not measured at budget {budget}")
            continue
        for row in lecture.rows:
            spread, held = row.cells.get(budget, (DASH, DASH))
            if not re.fullmatch(f"{number}(?: {DASH} {number} {DASH} {number})?", spread):
                problems.append(f"not least – median – most at budget {budget}, {spread!r}: {row.claim}")
            good, _, of = held.partition("/")
            excused = held == "short" and budget > 1 and row.claim in short
            if not excused and not (good == of and of.isdigit() and int(of) >= seeds):
                problems.append(f"held on {held}, wanted {seeds} seeds, at budget {budget}: {row.claim}")
    return problems


# --- bounds ---------------------------------------------------------------------------------------------

THRESHOLD = r"\b(?:at (?:least|most)|than|below|above|under|over|up to|within) (?:an? )?([\w.,]*\w)( ?%)?"
WORDS = {"half": 1 / 2, "third": 1 / 3, "quarter": 1 / 4, "tenth": 1 / 10, "hundredth": 1 / 100}
WORDS |= {"twice": 2, "ten": 10, "hundred": 100, "thousand": 1000}  # not "one", which is often a noun


def too_loose(row: Row) -> str | None:
    """Why the bound of a claim says too little of what was measured; None where it fits, or cannot be judged.

    It is judged over all that was measured, at each budget, and only once there are five seeds at budget 1:
    the range of fewer is an accident. Two things are refused.

    1. *The opposite finding would meet it too*: everything measured lies on one side of 0 and the one bound
       on the other. "A beats B" with a difference of 3 to 4 points and a bound of −0.5 allows that B beats A;
       "A is not behind B" can have its bound at 0 then. Where the sentence says "ratio" the middle is 1. What
       else chance would give (half of two classes right) no rule can read from the number: the second helps.
    2. *It lies outside what was measured by more than three spreads.* The spread is most less least, but
       never less than a tenth of the nearest value: seeds vary only what is drawn, another machine or
       another version of a library moves a number too, and what no seed moves has no spread of its own.
       Counts have a spread of one at least.

    Two kinds of bounds are no margin, and may lie anywhere:
    - a tolerance up to a thousandth around 0. It tests an equality, whose distance from 0 is rounding: some
      orders more in single than in double precision, while anything wrong is off by far more than both;
    - a threshold that the sentence states ("at least a hundred times", "in less than 0.4 of the time"). The
      reader is told just this; so the claims about seconds, which differ between machines, have their room.
    """
    texts = [(spread, held) for spread, held in row.cells.values() if held != "short"]
    seeds = row.cells.get(1, (DASH, "/0"))[1].partition("/")[2]
    numbers = " ".join(spread for spread, _ in texts).replace(DASH, " ").replace("nothing", "nan")
    values = [float(number) for number in numbers.split()]
    if int(seeds or 0) < SEEDS[1] or not all(map(math.isfinite, values)):
        return None
    least, most = min(values), max(values)
    shown = DASH.join(f" {value:g} " for value in dict.fromkeys((least, most))).strip()
    middle = 1 if re.search(r"\bratio\b", row.claim) else 0
    limits = [float(number) for number in re.findall(r"-?\d[\d.]*(?:e[+-]?\d+)?", row.bound)]
    sides = {"≥": [1], "≤": [-1], "∈": [1, -1]}[row.bound[0]]  # 1: what was measured lies above
    for limit, side in zip(limits, sides, strict=True):
        nearest = least if side > 0 else most
        beyond = side * (nearest - limit)
        if any(math.isclose(abs(limit), said) for said in stated(row.claim)):
            continue
        if 0 < -side * limit <= TOLERANCE and abs(nearest) <= abs(limit):
            continue
        if len(sides) == 1 and side * (limit - middle) < -TOLERANCE and side * (nearest - middle) > 0:
            return f"the opposite of {shown} would keep the bound {row.bound} too; try {middle}"
        whole = all(value == int(value) for value in (*values, limit))
        spread = max(most - least, abs(nearest) / 10, 1 if whole else 0)
        if beyond > 3 * spread:
            edge = nearest - side * 3 * spread
            return f"the bound {row.bound} is over three spreads from {shown}; set it nearer than {edge:.3g}"
    return None


def stated(sentence: str) -> Iterator[float]:
    """The thresholds that a sentence names: "at least a hundred" is 100, "less than 40 %" is 40 and 0.4."""
    for word, percent in re.findall(THRESHOLD, sentence):
        number = WORDS.get(word)
        if number is None and re.fullmatch(r"[\d,]*\.?\d+", word):
            number = float(word.replace(",", ""))
        if number is not None:
            yield from (number, number / 100) if percent else (number,)
