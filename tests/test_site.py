"""`make site` and `dlmap guide`: what the pages hold, where they lead, and how they do in a browser."""

import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from typer.testing import CliRunner

from utils import cli, glossary, paths
from utils.authoring.sources import pages, write
from utils.errors import UserError
from utils.glossary import Term

pytest.importorskip("sphinx", reason="no Sphinx: `make site` installs it")

from utils.site import course as reading
from utils.site import guide, lectures
from utils.site.build import MARK, build, deliver, guide_page, written
from utils.site.lectures import with_terms

# What MyST uses of Sphinx 9 will go in Sphinx 11.
pytestmark = pytest.mark.filterwarnings("ignore:'myst_parser")
FIXTURE = Path(__file__).parent / "fixtures/pages"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TERM = Term("baseline", "기준선", "What the simplest thing scores.", "00", 1)
# What a run of the fixture's cells would have stored.
STORED = {
    "runtime.setup(": ({"text/plain": "Python 3"}, {}),
    "claim(": (
        {"text/plain": "✔ the root does not depend on the seed: 2 ≥ 1"},
        {"dlmap": {"claim": "the root does not depend on the seed", "measured": 2.0}},
    ),
    "predict(": (
        {"text/plain": "Your prediction:  the left  ·  the right"},
        {"dlmap": {"prediction": "00.larger", "options": ["the left", "the right"]}},
    ),
    "plots.show(": ({"image/png": PNG}, {"image/png": {"alt": "Two bars.", "width": 900, "height": 300}}),
    "outcome(": (
        {"text/plain": '○ 00.larger: the run shows "the right"'},
        {"dlmap": {"outcome": "00.larger", "measured": "the right", "choice": None}},
    ),
}


def small_course(root: Path) -> Path:
    """The fixture's course as if lecture 00 had been run; lecture 01 is not built."""
    shutil.copytree(FIXTURE, root)
    for page in pages(root):
        nb = page.build()
        for cell in (cell for cell in nb.cells if cell.cell_type == "code" and page.executed):
            for data, about in (STORED[call] for call in STORED if call in cell.source):
                cell.outputs.append(nbformat.v4.new_output("display_data", data, metadata=about))
        if page.executed:
            nb.metadata.dlmap = {"code": "0"}
        if page.source.stem[:2] == "00":
            write(page, nb)
    return root


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The small course's site: `at` its folder, and what the builder said."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glossary, "load", lambda: {"baseline": TERM})
        patch.setenv("GITHUB_REPOSITORY", "somebody/course")
        root = small_course(folder / "root")
        missing, warnings = build(root, folder / "out")
    return SimpleNamespace(root=root, at=folder / "out", missing=missing, warnings=warnings)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The site of this very course."""
    at = tmp_path_factory.mktemp("whole") / "out"
    _, warnings = build(paths.ROOT, at)
    return SimpleNamespace(at=at, warnings=warnings)


def text(site, page: str) -> str:
    return (site.at / page).read_text(encoding="utf-8")


def article(site, page: str) -> str:
    """What a page itself says, without the theme around it and the colours of its code."""
    inner = text(site, page).partition("<article")[2].partition("</article>")[0]
    return re.sub(r"</?span[^>]*>", "", inner)


# --- what the pages hold -------------------------------------------------------------------------------


def test_sphinx_has_nothing_to_say_and_what_is_not_built_is_one_line(site):
    assert site.warnings == []
    assert site.missing == ["Lecture 01 is not built: `dlmap build 01 --run` builds it"]
    assert "dlmap build 01 --run" in article(site, "lectures/01_second.html")


def test_a_lecture_folds_what_draws_and_describes_its_pictures(site):
    page = article(site, "lectures/00_first.html")
    fold = r"<summary>The code of this picture</summary>.*?plots.*?</details>\s*<div class=\"picture\""
    assert re.search(fold, page, re.S)
    assert 'alt="Two bars." loading="lazy" height="300" width="900"' in page
    assert page.count("<summary>Setup</summary>") == 1
    assert (
        '<a href="../lectures/00_first.html#section-00-1"><g class="node concept" data-id="data-practice"'
        in page
    )
    assert "Notes for the room" not in page and "Say it slowly" not in page
    assert '<p class="claim">✔ the root does not depend on the seed 2 ≥ 1</p>' in page
    assert 'href="01_second.html"' in page and 'href="../exercises/00_first.html"' in page
    assert "mybinder.org/v2/gh/somebody/course/HEAD?urlpath=lab/tree/lectures/00_first.ipynb" in page


def test_an_exercise_folds_its_hints_and_puts_its_solution_behind_two_clicks(site):
    before, solution = article(site, "exercises/00_first.html").split('<details class="solution">')
    assert "return ..." in before and "return x + x" not in before
    assert re.search(r"<summary>Hint 1</summary>\s*<p>Add it to <code", before)
    assert solution.index("<details") < solution.index("return x + x") < solution.index("A product would")


def test_terms_lead_to_the_glossary_and_the_glossary_to_their_section(site):
    assert 'class="term" href="../glossary.html#term-baseline"' in article(site, "lectures/00_first.html")
    words = article(site, "glossary.html")
    assert 'id="term-baseline"' in words and "기준선" in words
    assert 'href="lectures/00_first.html#section-00-1"' in words


def test_claims_lead_to_their_sections(site):
    rows = re.findall(r"<tr><td>.*?</tr>", article(site, "claims.html"))
    assert ['<a href="lectures/00_first.html#section-00-1">00</a>' in row for row in rows] == [True, False]


def test_surprises_are_what_the_notebooks_hold(site):
    page = article(site, "surprises.html")
    for found in (
        "Which of the two is larger?",
        "The wrong answer to expect: “the left”.",
        "the right</strong>",
    ):
        assert found in page
    assert page.index("What rooms say") < page.index("What the run shows")
    assert re.findall(r'<li><a href="lectures/00_first.html#section-00-1">00</a> (.*?)</li>', page) == [
        "the root does not depend on the seed"
    ]


def test_a_concept_opens_the_section_that_teaches_it(site):
    home = article(site, "index.html")
    linked = re.findall(r'<a href="(\S+)"><g class="[^"]*" id="map-([\w-]+)"', home)
    ways = {id: way for way, id in linked}
    assert ways["deep-learning"] == "lectures/00_first.html#section-00-2"
    assert ways["data-practice"] == "lectures/00_first.html#section-00-1"
    assert ways["regression"] == "lectures/01_second.html"  # not built: its top
    assert 'id="map-mlp"' in home and "mlp" not in ways


def test_the_guide_adds_up(site):
    page = re.sub(r"<[^>]+>", " ", article(site, "guide/00_first.html"))
    assert re.search(r"0:10\s+2 · A prediction\s+20\s+0:30\s+the end\s+30", page)
    for found in (
        "Let the room vote.",
        "The run shows:",
        "One answer.",
        "Because it is.",
        "5",
        "A product would",
    ):
        assert found in page
    assert "In 8 sessions" not in article(site, "guide/index.html")  # there are but two lectures


class Links(HTMLParser):
    """What a page names and what it leads to."""

    def __init__(self):
        super().__init__()
        self.ids, self.ways, self.loads = Counter(), [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids.update(
            given[key] for key in ("id", "name") if given.get(key) and (key == "id" or tag == "a")
        )
        if tag == "a" and given.get("href"):
            self.ways.append(given["href"])
        loaded = given.get("src") or (given.get("href") if tag == "link" else None)
        self.loads += [loaded] if loaded else []


@pytest.mark.parametrize("name", ["site", "whole"])
def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(name, request):
    built = request.getfixturevalue(name)
    assert built.warnings == []
    known = {}
    for file in built.at.rglob("*.html"):
        known[file] = Links()
        known[file].feed(file.read_text(encoding="utf-8"))
    dead = []
    for file, page in known.items():
        for way in page.ways + page.loads:
            parts = urlsplit(way)
            if parts.scheme in ("http", "https", "mailto", "data") or parts.netloc:
                assert way in page.ways, f"{file.name} loads {way}"
                continue
            aim = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            lost = not aim.exists() or (
                parts.fragment and aim in known and unquote(parts.fragment) not in known[aim].ids
            )
            if lost and not way.startswith("#__") and way != "#":
                dead.append(f"{file.relative_to(built.at)}: {way}")
    assert dead == []


# --- its parts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prose", "linked"),
    [
        ("a **baseline** here", 1),
        ("the baseline, and the baseline", 1),  # the first mention only
        ("Baselines are many", 1),
        ("`baseline` and $baseline$ and [baseline](x.md)", 0),
        ("## A baseline", 0),
        ("a baseline-free world", 0),
        ("**no term**", 0),
        ("M. Minsky, *The Baseline*, 1969", 0),
    ],
)
def test_what_leads_to_the_glossary(prose, linked):
    assert with_terms(prose, {"baseline": TERM}, "05", set()).count('class="term"') == linked


def test_an_everyday_word_leads_nowhere_but_in_bold():
    step = {"step": Term("step", "계단", "A function.", "00", 1)}
    assert "<a" not in with_terms("one step on", step, "05", set())
    assert "<a" in with_terms("a **step**", step, "05", set())


def test_the_longer_term_wins():
    terms = {t.term: t for t in (TERM, Term("baseline model", "x", "Y.", "00", 1))}
    assert "term-baseline-model" in with_terms("the baseline model", terms, "05", set())


def test_a_question_is_asked_again_where_its_answer_stands_in_a_later_section():
    def cell(**fact):
        out = nbformat.v4.new_output("display_data", {"text/plain": ""}, metadata={"dlmap": fact})
        return nbformat.v4.new_code_cell("x", outputs=[out])

    head = nbformat.v4.new_markdown_cell("## 2 · Later")
    cells = [cell(prediction="a", options=["1", "2"]), head, cell(outcome="a", measured="1")]
    assert lectures.reopened(cells, 1) == ["a"] and lectures.reopened(cells, 0) == []


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_sessions_keep_the_order_and_the_longest_is_short(count):
    minutes = {"a": 90, "b": 100, "c": 80, "d": 95, "e": 60}
    split = guide.sessions(minutes, count)
    assert [stem for session in split for stem in session] == list(minutes) and len(split) == count
    longest = {1: 425, 2: 235, 3: 180, 5: 100}[count]
    assert max(sum(minutes[stem] for stem in session) for session in split) == longest


@pytest.mark.parametrize(
    ("address", "name"),
    [("git@github.com:a/b.git", "a/b"), ("https://github.com/a/b.c", "a/b.c"), ("/somewhere/b", None)],
)
def test_the_repository_is_that_of_the_checkout(tmp_path, monkeypatch, address, name):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setattr(reading.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=f"{address}\n"))
    assert reading.repository(tmp_path) == name


# --- whose files they are ------------------------------------------------------------------------------


def test_a_new_site_takes_the_place_of_the_old_one_and_of_nothing_else(tmp_path):
    out = tmp_path / "out"
    for number, name in enumerate(["old.html", "new.html"]):
        (tmp_path / "html").mkdir(exist_ok=True)
        (tmp_path / "html" / name).write_text("page")
        deliver(tmp_path / "html", out, written(out))
        if number == 0:
            (out / "CNAME").write_text("somebody's")
    assert {file.name for file in out.iterdir()} == {"new.html", "CNAME", MARK}
    (tmp_path / "html/CNAME").write_text("ours")
    with pytest.raises(UserError, match="CNAME is not the course's, and would be overwritten"):
        deliver(tmp_path / "html", out, written(out))
    assert (out / "CNAME").read_text() == "somebody's" and (out / "new.html").exists()


def test_a_folder_that_is_somebodys_is_left_alone(tmp_path, dlmap):
    (tmp_path / "thesis.md").write_text("mine")
    ran = dlmap("site", "--out", str(tmp_path))
    assert (
        ran.exit_code == 2 and "holds files that the course did not write; name another folder" in ran.stderr
    )
    ran = dlmap("site", "--out", str(tmp_path / "thesis.md"))
    assert ran.exit_code == 2 and "is a file; name a folder with --out" in ran.stderr
    assert (tmp_path / "thesis.md").read_text() == "mine"


def test_the_guide_of_one_lecture_is_a_page_of_its_own(site, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", site.root)
    ran = CliRunner().invoke(cli.app, ["guide", "0", "--out", str(tmp_path)])
    assert ran.exit_code == 0 and str(tmp_path / "00_first/index.html") in ran.stdout
    assert "Say it slowly" in (tmp_path / "00_first/index.html").read_text(encoding="utf-8")
    for number, why in (
        ("01", "Lecture 01 is not built"),
        ("9", "unknown lecture '9'; choose one of: 00, 01"),
    ):
        with pytest.raises(UserError, match=re.escape(why)):
            guide_page(site.root, number, tmp_path)


# --- in a browser --------------------------------------------------------------------------------------


def test_a_prediction_hides_what_follows_until_one_chose_and_is_kept(site, visit):
    page = visit(site.at, "lectures/00_first.html")
    secret = page.get_by_text("It was a secret until now.")
    assert secret.is_hidden() and page.get_by_text("A page is short.").is_visible()
    page.get_by_role("button", name="the left").click()
    assert secret.is_visible()
    assert "The run shows: the right. ✗ You said: the left." in page.locator(".outcome").inner_text()
    page.reload()
    assert secret.is_visible() and page.get_by_role("button", name="the left").is_disabled()


def test_who_only_reads_may_read_on(site, visit):
    page = visit(site.at, "lectures/00_first.html")
    page.get_by_role("button", name="read on without a guess").click()
    assert page.get_by_text("It was a secret until now.").is_visible()
    assert page.locator(".outcome").inner_text() == "The run shows: the right."


def test_without_scripts_everything_is_there(site, visit):
    page = visit(site.at, "lectures/00_first.html", java_script_enabled=False)
    assert page.get_by_text("It was a secret until now.").is_visible()


def test_the_map_is_the_home_page_and_a_list_on_a_telephone(site, visit):
    page = visit(site.at, "index.html")
    label = page.locator("#map-data-practice text")
    size = float(page.evaluate("parseFloat(getComputedStyle(document.querySelector('.dlmap')).fontSize)"))
    scale = page.evaluate("document.querySelector('.dlmap').getBoundingClientRect().width / 1600")
    assert size * scale >= 11, "px of type on the map"
    box = page.locator(".dlmap").bounding_box()
    assert box["y"] + box["height"] <= 720, "the map is seen whole"
    label.click()
    page.wait_for_url("**/lectures/00_first.html#section-00-1")
    phone = visit(site.at, "index.html", 390, 844)
    assert phone.locator(".map").is_hidden() and phone.get_by_role("link", name="00 · First").is_visible()


def test_the_map_is_dark_where_the_reader_is(site, visit):
    def ground(scheme):
        page = visit(site.at, "index.html", color_scheme=scheme)
        fill = "what => getComputedStyle(document.querySelector(what)).fill"
        colours = (page.evaluate(fill, what) for what in (".dlmap > rect", "#map-mlp text"))
        return [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours]

    (light, ink), (dark, chalk) = ground("light"), ground("dark")
    assert light > 600 > 200 > dark and chalk > 600 > 200 > ink


def test_the_search_finds_words_and_the_table_claims(site, visit):
    page = visit(site.at, "search.html?q=secret")
    page.get_by_role("link", name="00 · First").wait_for()
    page = visit(site.at, "claims.html")
    page.get_by_role("searchbox", name="Search the claims").fill("ROOT seed")
    assert page.locator(".claims tbody tr:visible").count() == 1
    assert page.locator(".finder span").inner_text() == "1 of 2"


def test_a_solution_takes_two_clicks(site, visit):
    page = visit(site.at, "exercises/00_first.html")
    answer = page.get_by_text("A product would do as well.")
    page.get_by_text("Solution", exact=True).click()
    assert answer.is_hidden()
    page.get_by_text("I have tried: show it").click()
    assert answer.is_visible()


def test_on_paper_the_guide_is_words_only(site, visit):
    page = visit(site.at, "guide/00_first.html", 794, 1123)
    page.emulate_media(media="print")
    assert page.locator(".bd-header").first.is_hidden() and page.locator(".bd-sidebar-secondary").is_hidden()
    assert page.locator("h1").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 794


@pytest.mark.parametrize("name", ["site", "whole"])
def test_a_walk_through_every_page_on_a_telephone(name, request, visit):
    """No complaint, no foreign request, no page wider than the screen, no formula that cannot be set."""
    built = request.getfixturevalue(name)
    page, wide, broken = None, [], []
    for file in sorted(built.at.rglob("*.html")):
        if page is None:
            page = visit(built.at, str(file.relative_to(built.at)), 390, 844)
        else:
            page.goto(file.as_uri())
        if page.locator("mjx-container, .math").count():
            page.wait_for_function("window.MathJax?.startup?.promise !== undefined")
            page.evaluate("MathJax.startup.promise.then(() => true)")
            broken += [f"{file.name}: a formula"] * page.locator("[data-mml-node=merror]").count()
        if page.evaluate("document.documentElement.scrollWidth") > 390:
            wide.append(file.name)
    assert (wide, broken) == ([], [])
