"""A deck and all it needs in a folder of its own, that works from a stick: no server, no network."""

import tempfile
from functools import cache
from html import escape
from pathlib import Path
from string import Template

from pygments.formatters import HtmlFormatter

from utils.errors import UserError
from utils.paths import atomic_write
from utils.site import course as reading
from utils.site.build import deliver, mathjax, package, written
from utils.slides.deck import deck

STATIC = Path(__file__).parent / "static"
REVEAL = ("dist/reset.css", "dist/reveal.css", "dist/reveal.js", "plugin/notes/notes.js", "LICENSE")
FONT = "dist/theme/fonts/source-sans-pro"


def slides(root: Path, number: str, out: Path) -> Path:
    """Make the slides of a lecture of the course under `root`; returns the page that opens them.

    They go to a folder of the lecture's own in `out`. Raises UserError where the lecture is unknown or not
    built, where a package is missing, or where the folder holds what the course did not write.
    """
    course = reading.read(root)
    stem = course.stem(number)
    write(course, stem, out / stem)
    return out / stem / "index.html"


def write(course: reading.Course, stem: str, out: Path) -> None:
    """Put the deck of one lecture into `out`. Raises UserError."""
    ours = written(out)  # a folder that cannot be used is known before anything is made
    page = html(course, stem)
    pictures = {f"pictures/{name}": content for name, content in course.pictures.items()}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".slides-") as work:
            for name, content in {"index.html": page, **pictures, **static()}.items():
                atomic_write(Path(work, name), content)
            deliver(Path(work), out, ours)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; name another folder with --out") from None


def html(course: reading.Course, stem: str) -> str:
    """The page with all slides of a lecture; fills `course.pictures` with what it shows."""
    course.pictures.clear()
    head = course.heads[stem]
    minutes = sum(part.minutes for part in course.sections(f"lectures/{stem}"))
    return Template((STATIC / "index.html").read_text(encoding="utf-8")).substitute(
        number=head["number"], title=escape(head["title"]), seconds=60 * minutes, deck=deck(course, stem)
    )


@cache
def static() -> dict[str, bytes]:
    """What every deck loads: reveal.js, MathJax, the type, the course's own style and script.

    Raises UserError.
    """
    reveal = package("sphinx_revealjs") / "_static/revealjs"
    fonts = [f"{FONT}/{file.name}" for file in (reveal / FONT).iterdir() if file.suffix in (".css", ".woff")]
    files = {f"reveal/{name}": (reveal / name).read_bytes() for name in (*REVEAL, *fonts, f"{FONT}/LICENSE")}
    own = {file.name: file.read_bytes() for file in STATIC.iterdir() if file.name != "index.html"}
    package("a11y_pygments")
    colors = HtmlFormatter(style="a11y-high-contrast-light").get_style_defs(".source")
    return files | own | {"mathjax.js": mathjax(), "code.css": colors.encode()}
