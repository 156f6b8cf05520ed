"""From the stored notebooks to a folder of pages: written in Markdown, built by Sphinx, put in place."""

import io
import re
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from utils.errors import UserError
from utils.paths import atomic_write
from utils.site import course as reading
from utils.site import guide, lectures, pages

STATIC = Path(__file__).parent / "static"
MATHJAX = "sphinx-mathjax-offline"  # a package whose name no `import` can say
MARK = ".dlmap-site"  # lists what the course wrote into a folder
SETTINGS = {
    "project": "The deep learning map",
    "html_title": "The deep learning map",
    "extensions": ["myst_parser"],
    "myst_enable_extensions": ["dollarmath", "amsmath"],
    "myst_heading_anchors": 3,
    "highlight_language": "none",
    "mathjax_path": "mathjax.js",
    "html_theme": "pydata_sphinx_theme",
    "html_static_path": ["_static"],
    "html_css_files": ["course.css"],
    "html_js_files": [("course.js", {"priority": 100})],
    "html_copy_source": False,
    "html_show_sourcelink": False,
    "html_show_sphinx": False,
    "html_sidebars": {"**": []},  # the pictures need the width
    "html_context": {"default_mode": "auto"},
    "html_theme_options": {
        "navbar_align": "left",
        "header_links_before_dropdown": 8,
        "show_prev_next": True,
        "show_toc_level": 2,
        "footer_start": ["copyright"],
        "footer_end": [],
        "pygments_light_style": "a11y-high-contrast-light",
        "pygments_dark_style": "a11y-high-contrast-dark",
    },
    "copyright": "text and pictures CC BY 4.0, code MIT",
}


def build(root: Path, out: Path) -> tuple[list[str], list[str]]:
    """Make the site of the course under `root` in the folder `out`.

    Returns a line for each lecture that is not built, and what Sphinx warns of.

    Raises UserError where a package is missing, or where `out` holds files that are not the site's.
    """
    written(out)  # a folder that cannot be used is known before anything is made
    course = reading.read(root)
    return list(dict.fromkeys(course.missing.values())), make(sources(course), out)


def guide_page(root: Path, number: str, out: Path) -> tuple[Path, list[str]]:
    """Lay one lecture's page of the guide out for paper. Returns the page and what Sphinx warns of."""
    course = reading.read(root)
    stem = course.stem(number)
    problems = make({"index.md": guide.paper(course, stem), **static()}, out / stem)
    return out / stem / "index.html", problems


def make(given: Mapping[str, str | bytes], out: Path) -> list[str]:
    """Build pages from what is given, by name, and put them into `out`. Returns what Sphinx warns of."""
    ours = written(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".site-") as work:
            source, html = Path(work, "source"), Path(work, "html")
            for name, content in given.items():
                atomic_write(source / name, content)
            warnings = run_sphinx(source, html)
            deliver(html, out, ours)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; name another folder with --out") from None
    return warnings


def sources(course: reading.Course) -> dict[str, str | bytes]:
    """Every page in Markdown, and what they show."""
    documents = {
        "index": pages.home(course),
        "lectures/index": pages.lecture_list(course),
        "exercises/index": pages.exercise_list(course),
        "glossary": pages.glossary(course),
        "claims": pages.claims(course),
        "surprises": pages.surprises(course),
        **guide.documents(course),
    }
    for stem in course.heads:
        documents[f"lectures/{stem}"] = lectures.lecture(course, stem)
        if f"exercises/{stem}" in {**course.notebooks, **course.missing}:
            documents[f"exercises/{stem}"] = lectures.exercises(course, stem)
    for path, document in reading.DOCUMENTS.items():
        if document in ("start", "data"):
            file = course.root / path
            text = file.read_text(encoding="utf-8") if file.exists() else f"# {path} is not there\n"
            documents[document] = course.links(without_pictures(text), path.removesuffix(".md"))
    shown = {f"_static/pictures/{name}": content for name, content in course.pictures.items()}
    return {f"{name}.md": text for name, text in documents.items()} | shown | static()


def static() -> dict[str, bytes]:
    """What every page loads: the course's own style and script, and MathJax. Raises UserError."""
    for name in ("sphinx", "myst_parser", "pydata_sphinx_theme"):
        package(name)
    own = {f"_static/{file.name}": file.read_bytes() for file in sorted(STATIC.iterdir())}
    return own | {"_static/mathjax.js": mathjax()}


def mathjax() -> bytes:
    """The script that sets formulas, from the package that carries it. Raises UserError."""
    return (package(MATHJAX) / "static/mathjax/tex-svg-full.js").read_bytes()


def package(name: str) -> Path:
    """Where a package is installed. Raises UserError where it is not."""
    if (found := find_spec(name)) is None:
        raise UserError(f"the pages need the package {name}; `make site` installs it")
    return Path(found.submodule_search_locations[0])


def without_pictures(text: str) -> str:
    """A document of the repository without the pictures that it shows on GitHub."""
    return re.sub(r"\[!\[[^\]]*\]\([^)]*\)\]\([^)]*\)", "", text)


def run_sphinx(source: Path, html: Path) -> list[str]:
    """Build the pages; returns what Sphinx warns of, a line each, with the page and not the folder."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    said = io.StringIO()
    with patch_docutils(), docutils_namespace():
        app = Sphinx(source, None, html, html.with_name("trees"), "html", SETTINGS, status=None, warning=said)
        app.build(force_all=True)
    lines = re.sub(r"\x1b\[[\d;]*m", "", said.getvalue()).replace(f"{source}/", "").splitlines()
    for unused in (".buildinfo", "objects.inv", "_static/webpack-macros.html"):
        (html / unused).unlink(missing_ok=True)
    return [line for line in lines if line.strip()]


def files(folder: Path) -> set[str]:
    """The files under a folder, by their ways from it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def written(out: Path) -> set[str]:
    """What the course wrote into `out`. Raises UserError where it holds files, but never held a site."""
    if out.is_dir() and not (out / MARK).exists() and any(out.iterdir()):
        raise UserError(f"{out} holds files that the course did not write; name another folder with --out")
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; name a folder with --out")
    return set((out / MARK).read_text(encoding="utf-8").splitlines()) if (out / MARK).exists() else set()


def deliver(html: Path, out: Path, ours: set[str]) -> None:
    """Put the new pages in the place of the old ones; what else lies in `out` stays. Raises UserError."""
    new, others = files(html), (files(out) if out.exists() else set()) - ours - {MARK}
    if clash := sorted(new & others):
        raise UserError(f"{out / clash[0]} is not the course's, and would be overwritten; move it away")
    for name in ours:
        (out / name).unlink(missing_ok=True)
    atomic_write(out / MARK, "\n".join(sorted(ours | new)) + "\n")  # first: an interrupted move is still ours
    for name in new:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (html / name).replace(out / name)
    atomic_write(out / MARK, "\n".join(sorted(new)) + "\n")
