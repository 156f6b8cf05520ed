"""`dlmap slides`: what stands on which slide, and that in a browser every slide of every deck fits."""

import re
import webbrowser
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from utils import cli, paths
from utils.errors import UserError
from utils.predictions import WIDGET

pytest.importorskip("sphinx_revealjs", reason="no reveal.js: `make site` installs it")

from utils.site import build as site_build
from utils.site import course as reading
from utils.slides.build import slides, static, write
from utils.slides.deck import deck, paragraphs, teaching

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
HEAD = {"number": "00", "title": "First", "question": "Why?", "able": "see; and tell."}


def words(text: str, *tags: str):
    return nbformat.v4.new_markdown_cell(text, metadata={"tags": list(tags)})


def code(source: str, *shown: dict):
    """A code cell with what it showed: facts of the course's own, a text, or "picture"."""
    outputs = []
    for each in shown:
        data, about = {"text/plain": each.get("says", "")}, {"dlmap": each}
        if "picture" in each:
            data, about = {"image/png": PNG}, {"image/png": {"alt": each["picture"]}}
        outputs.append(nbformat.v4.new_output("display_data", data, metadata=about))
    return nbformat.v4.new_code_cell(source, outputs=outputs)


def course_of(*cells, root: Path = paths.ROOT) -> reading.Course:
    notebook = nbformat.v4.new_notebook(cells=[words("# 00 · First"), *cells])
    return reading.Course(root, {"00_first": HEAD}, {"lectures/00_first": notebook}, {})


def pages(*cells) -> list[str]:
    """The pages of a lecture without its title and its aims, as "kind: text"."""
    made = deck(course_of(*cells), "00_first")
    found = re.findall(r'<section class="page ([\w ]+)">(.*?)</section>', made, re.S)
    inline = ((kind, re.sub(r"</?(strong|span(?! class=.row))[^>]*>", "", html)) for kind, html in found[2:])
    return [" ".join(f"{kind}: {re.sub(r'<[^>]+>', ' ', html)}".split()) for kind, html in inline]


ASKS = code('predict("00.a", "x", "y")', {"prediction": "00.a", "options": ["x", "y"]})
ANSWERS = code('n = 1\noutcome("00.a", "y")', {"outcome": "00.a", "measured": "y", "choice": None})


# --- what stands on which slide ------------------------------------------------------------------------


def test_a_section_becomes_pages_of_one_kind_each():
    fact = {"claim": "n is one", "says": "✔ n is one: 1 ≥ 1"}
    made = pages(
        words("## 1 · A message\n\nOn the map: `mlp`\n\nWords, [linked](../x.md)."),
        words("<details><summary>Notes for the room (7 minutes)</summary>\n\nWait.\n\n</details>", "notes"),
        code("def f():\n    return 1\n\n\nplt.plot(1)\nplots.show('x')", {"picture": "A dot."}),
        code('n = 1\nclaim("n is one", n, at_least=1)', fact),
        words(
            "**Ask the room.** Is it?\n\n<details><summary>One answer</summary>\n\nIt is.\n</details>\n\nOn."
        ),
        words("## Summary\n\n1. One.\n2. Two.", "reveals"),
    )
    assert made == [
        "divider: 1 A message Multi-layer perceptron",
        "words: Words, linked.",
        "code: def f(): return 1",
        "picture:",
        "code: n = 1 ✔ n is one 1 ≥ 1",
        "ask: Ask the room Is it? It is.",
        "words: On.",
        "words: Summary One. Two.",
    ]


def test_what_the_speaker_alone_sees():
    notes = "<details><summary>Notes for the room (7 minutes)</summary>\n\nWait here.\n\n</details>"
    proof = "So it is.\n\n<details><summary>Why</summary>\n\nBecause.\n\n</details>"
    made = deck(course_of(words(f"## 1 · A\n\n{proof}"), words(notes, "notes")), "00_first")
    shown, _, aside = made.partition('data-title="1 · A" data-minutes="7"')[2].partition(
        '<aside class="notes">'
    )
    assert "So it is." in shown and "Wait here." not in shown and "Because." not in shown
    assert "1 · A · 7 minutes" in aside and "Wait here." in aside and "Because." in aside


def test_the_outcome_is_next_to_its_prediction():
    question = words("## 1 · A\n\nBefore.\n\n**Predict first.** Which?")
    made = pages(question, ASKS, code("train()"), ANSWERS)
    assert made[1:] == [
        "words: Before.",
        "predict: Predict first Which? A x B y",
        "predict outcome: The run shows Which? A x B y",
        "code: train()",
        "code: n = 1",
    ]


def test_a_prediction_is_asked_again_where_its_answer_stands_in_a_later_section():
    made = pages(words("## 1 · A\n\n**Predict first.** Which?"), ASKS, words("## 2 · B"), ANSWERS)
    assert made[1:] == [
        "predict: Predict first Which? A x B y",
        "divider: 2 B",
        "code: n = 1",
        "predict: You predicted Which? A x B y",
        "predict outcome: The run shows Which? A x B y",
    ]
    right = re.findall(
        r'<li class="right"><b>(\w)</b>', deck(course_of(words("## 1 · A"), ASKS, ANSWERS), "00_first")
    )
    assert right == ["B"]


@pytest.mark.parametrize(
    ("source", "drawn", "left"),
    [
        ("x = 1\nclaim('a', x)", False, "x = 1"),
        ("def f(ax):\n    ax.plot(1)\n\n\ny = 2", False, "y = 2"),
        ("x = 1\nplots.bars(x)\nz = 2", True, ""),
        ("def f():\n    return 1\n\n\nfig = plots.figure()\nz = f()", True, "def f():\n    return 1"),
        ("for i in range(3):\n    train()\ndraw(1)\nplots.show('')", True, "for i in range(3):\n    train()"),
        ("# why\nx = f()  # so\nprint(x)", False, "# why\nx = f()  # so\nprint(x)"),
        ("a = 1\n\n\nclass B:\n    pass", False, "a = 1\n\nclass B:\n    pass"),
        ("@torch.no_grad()\ndef f(x):\n    return x", False, "@torch.no_grad()\ndef f(x):\n    return x"),
    ],
)
def test_code_that_teaches(source, drawn, left):
    assert teaching(source, drawn) == left


def test_what_leads_on_stays_with_what_follows():
    kept = [
        "data-keep" in html
        for _, html in paragraphs("As follows:\n\n- one\n\nSo\n\n$$x$$\n\nwith x.\n\nEnd.")
    ]
    assert kept == [True, False, True, True, False, False]


# --- bad input -----------------------------------------------------------------------------------------


def test_what_cannot_be_made_is_one_line(tmp_path):
    course = Path(__file__).parent / "fixtures/pages"  # sources only
    with pytest.raises(UserError, match="is not built: `dlmap build 00 --run` builds it"):
        slides(course, "00", tmp_path)
    with pytest.raises(UserError, match="unknown lecture '77'; choose one of: 00, 01"):
        slides(course, "77", tmp_path)


def test_a_folder_that_is_somebodys_is_left_alone(tmp_path):
    out = tmp_path / "04_neural_networks"
    out.mkdir()
    (out / "index.html").write_text("mine")
    ran = CliRunner().invoke(cli.app, ["slides", "04", "--no-open", "--out", str(tmp_path)])
    assert ran.exit_code == 2 and "holds files that the course did not write; name another" in ran.stderr
    assert (out / "index.html").read_text() == "mine" and len(list(tmp_path.rglob("*"))) == 2


@pytest.mark.parametrize("name", ["sphinx_revealjs", "a11y_pygments", "sphinx-mathjax-offline"])
def test_a_package_that_is_missing_is_named(name, tmp_path, monkeypatch):
    find = site_build.find_spec
    monkeypatch.setattr(site_build, "find_spec", lambda asked: None if asked == name else find(asked))
    with pytest.raises(UserError, match=f"the pages need the package {name}; `make site` installs it"):
        static.__wrapped__()


@pytest.mark.parametrize("found", [True, False])
def test_the_slides_are_opened_where_there_is_a_browser(found, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(webbrowser, "open", lambda page: asked.append(page) or found)
    ran = CliRunner().invoke(cli.app, ["slides", "4", "--out", str(tmp_path)])
    page = tmp_path / "04_neural_networks/index.html"
    assert ran.exit_code == 0 and asked == [page.as_uri()] and page.exists()
    assert ("no browser was found here: open that file in one" in ran.stdout) is not found


# --- in a browser --------------------------------------------------------------------------------------

# Everything wrong with the slides as they are shown, a line each: what leaves its slide, what is cut off,
# what lies under the edge of the body, what is smaller than 18 px on a screen of 1920 × 1080.
MEASURE = """() => {
  const wrong = [];
  Reveal.getSlides().forEach((page, place) => {
    const say = (what) => wrong.push(`${place + 1} ${page.classList[1]}: ${what}`);
    const frame = page.getBoundingClientRect(), screen = 1080 / innerHeight;
    if (frame.width > innerWidth + 1 || frame.height > innerHeight + 1) say("larger than the screen");
    const inside = (box, around) => box.left >= around.left - 1 && box.right <= around.right + 1
      && box.top >= around.top - 1 && box.bottom <= around.bottom + 1;
    const body = page.querySelector(".body"), edge = body.getBoundingClientRect();
    for (const block of body.children)
      if (!inside(block.getBoundingClientRect(), edge)) say(`over its edge: ${block.tagName}`);
    const unseen = ".notes, .notes *, mjx-assistive-mml, mjx-assistive-mml *";
    for (const part of page.querySelectorAll(`:not(${unseen})`)) {
      const box = part.getBoundingClientRect();
      if (box.width === 0 || box.height === 0) continue;
      const words = part.textContent.trim().slice(0, 40);
      if (!inside(box, frame)) say(`outside: ${part.tagName} ${words}`);
      const hides = getComputedStyle(part).overflowX !== "visible" && !part.closest(".head, svg");
      if (hides && part.scrollWidth > part.clientWidth + 1) say(`cut off: ${part.tagName} ${words}`);
      if (![...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
      const map = part.ownerSVGElement?.getBoundingClientRect().width / 1600;
      const px = parseFloat(getComputedStyle(part).fontSize) * (map || Reveal.getScale()) * screen;
      if (px < 18) say(`${px.toFixed(1)} px: ${words}`);
    }
  });
  return wrong;
}"""
# The words on the slides that were divided, and those of the page before; formulas aside.
WORDS = """html => {
  const told = (root) => {
    for (const part of root.querySelectorAll(".notes, .head, .math")) part.remove();
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), found = [];
    while (walk.nextNode()) found.push(...walk.currentNode.data.split(/\\s+/).filter(Boolean));
    return found;
  };
  const before = new DOMParser().parseFromString(html, "text/html").querySelector("main");
  return [told(before), told(document.querySelector(".slides").cloneNode(true))];
}"""
ALL = ".reveal .slides section { display: block !important; }"


def ready(page) -> None:
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    page.add_style_tag(content=ALL)


def misfits(page) -> list[str]:
    """What does not fit, at both sizes of a stage; the words that the division lost."""
    ready(page)
    wrong = page.evaluate(MEASURE)
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.wait_for_function("Reveal.getScale() === 1.5")
    wrong += page.evaluate(MEASURE)
    page.set_viewport_size({"width": 1280, "height": 720})
    return wrong


def lost(page, file: Path) -> Counter:
    before, after = page.evaluate(WORDS, file.read_text(encoding="utf-8"))
    return Counter(before) - Counter(after)


@pytest.fixture(scope="module")
def whole():
    """This very course."""
    return reading.read(paths.ROOT)


@pytest.mark.parametrize("stem", paths.units().values())
def test_every_slide_of_a_deck_fits_and_nothing_is_lost(stem, whole, visit, tmp_path):
    if why := whole.missing.get(f"lectures/{stem}"):
        pytest.skip(why)
    write(whole, stem, tmp_path / stem)
    page = visit(tmp_path / stem, "index.html")
    assert misfits(page) == [] and not lost(page, tmp_path / stem / "index.html")
    assert page.locator("[data-mml-node=merror]").count() == 0, "a formula that cannot be set"


@pytest.fixture
def monster(tmp_path):
    """A deck of all that could be too much for a slide."""
    sentence = "This sentence is one of very many and says nothing at all to anybody.\n"
    many = "\n".join(f"- Item {n} of a list that goes on. {sentence}" for n in range(60)).replace(
        "\n\n", "\n"
    )
    table = "| a | b |\n|---|---|\n" + "\n".join(f"| row {n} | {sentence.strip()} |" for n in range(60))
    options = [f"{n}: {sentence.strip() * 2}" for n in range(5)]
    claims = [{"claim": f"claim {n}, {sentence.strip()}", "says": f"✔ claim {n}"} for n in range(20)]
    answer = f"<details><summary>One answer</summary>\n\n{sentence * 40}\n</details>"
    course = course_of(
        words(f"## 1 · {sentence.strip() * 2}\n\nOn the map: {' '.join(['`mlp`'] * 12)}\n\n{sentence * 60}"),
        words(f"As follows:\n\n{many}\n\nThen:\n\n{table}\n\n$${'+'.join(['x_{i}'] * 90)}$$"),
        words(f"```python\n{'x = 1  # ' + 'long ' * 60}\n```\n\n`{'no_space' * 40}`"),
        code("\n".join(f"x{n} = {n}  # {'a comment ' * (n % 12)}" for n in range(200))),
        code("def f():\n" + "\n".join(f"    x = {n}" for n in range(90)), {"says": "printed " * 900}),
        code("claims()", *claims),
        code("plots.show('')", {"picture": "A dot, enlarged."}),
        words(f"**Predict first.** {sentence * 15}"),
        code("predict()", {"prediction": "00.a", "options": options}),
        code("outcome()", {"outcome": "00.a", "measured": options[2]}),
        words(f"**Ask the room.** {sentence * 15}\n\n{answer}"),
    )
    write(course, "00_first", tmp_path / "deck")
    return tmp_path / "deck"


def test_whatever_is_too_much_for_a_slide_is_divided(monster, visit):
    page = visit(monster, "index.html")
    assert misfits(page) == [] and not lost(page, monster / "index.html")


def test_the_measure_sees_what_was_not_divided(monster, visit):
    script = monster / "deck.js"
    script.write_text(script.read_text().replace(".forEach(fit)", ".forEach(() => {})"))
    found = misfits(visit(monster, "index.html"))
    assert {what for line in found for what in re.findall("outside|cut off|over its edge", line)} == {
        "outside",
        "cut off",
        "over its edge",
    }


def test_the_speaker_sees_notes_the_next_slide_minutes_and_a_clock(visit, tmp_path):
    notes = "<details><summary>Notes for the room (7 minutes)</summary>\n\nWait here.\n\n</details>"
    course = course_of(words("## 1 · A message\n\nWords."), words(notes, "notes"), code("x = 1"))
    write(course, "00_first", tmp_path / "deck")
    page = visit(tmp_path / "deck", "index.html#/1")
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    assert "Wait here" not in page.locator(".reveal").inner_text()
    with page.context.expect_page() as window:
        page.keyboard.press("s")
    speaker = window.value
    speaker.get_by_text("Wait here.").wait_for()
    assert "7 minutes" in speaker.locator(".speaker-controls-notes").inner_text()
    assert re.search(r"\d:\d\d", speaker.locator(".clock-value").inner_text())
    assert re.search(r"00:02:[012]\d", "".join(speaker.locator(".pacing").inner_text().split()))
    upcoming = speaker.frame_locator("#upcoming-slide iframe")
    upcoming.get_by_text("Words.").first.wait_for()
    page.keyboard.press("ArrowRight")
    speaker.frame_locator("#current-slide iframe").get_by_text("Words.").first.wait_for()


def test_claims_and_answers_wait_for_a_click(visit, tmp_path):
    claims = [{"claim": f"n is {n}", "says": f"✔ n is {n}"} for n in "12"]
    write(course_of(words("## 1 · A"), code("claims()", *claims)), "00_first", tmp_path / "deck")
    page = visit(tmp_path / "deck", "index.html#/1/1")
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    first, second = page.locator(".claims li").all()
    seen = []
    for _ in range(3):
        seen.append([claim.evaluate("e => getComputedStyle(e).visibility") for claim in (first, second)])
        page.keyboard.press("ArrowRight")
    assert seen == [["hidden", "hidden"], ["visible", "hidden"], ["visible", "visible"]]


def test_what_a_live_run_added_is_not_shown():
    shown = {"text/plain": "\x1b[32m✔\x1b[0m it holds: 1 ≥ 0"}
    buttons = {WIDGET: {"model_id": "1"}, "text/plain": "VBox()"}
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("claim('it holds', x, at_least=0)")])
    nb.cells[0].outputs = [nbformat.v4.new_output("display_data", data=data) for data in (shown, buttons)]
    (left,) = reading.settled(nb).cells[0].outputs
    assert left.data["text/plain"] == "✔ it holds: 1 ≥ 0"
    assert teaching("%timeit x", drawn=False) == "%timeit x"
