"""`dlmap lab --stage`: in a browser, and that it touches nothing.

A file of its own: while a browser is driven, no other test of the same file may run an event loop.
"""

import json
import re
import shutil

import pytest

from utils import concept_map, paths
from utils.authoring import copies
from utils.authoring.build import build
from utils.errors import UserError

# The size of each piece of type that is seen, of MathJax's copy for screen readers not; of the map's labels,
# which are the smallest of it, from the width at which it stands.
TYPE = """() => {
  const found = {};
  for (const part of document.querySelectorAll("body *:not(mjx-assistive-mml *)")) {
    const box = part.getBoundingClientRect();
    const seen = box.width && box.height && part.checkVisibility({visibilityProperty: true});
    const words = [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const size = parseFloat(getComputedStyle(part).fontSize);
    if (seen && words) found[part.textContent.trim().slice(0, 40)] = size;
    if (part.matches("img[src^='data:image/svg']")) found["the map"] = MAP * box.width / 1600;
  }
  return found;
}""".replace("MAP", f"{0.85 * concept_map.TYPE['full']}")


def test_a_stage_is_large_and_bare_and_its_pictures_are_sharp(serving, browser, monkeypatch):
    monkeypatch.delenv("DLMAP_BATCH")  # somebody is watching
    with serving("--stage", "04") as (address, port):
        path = address.partition("?")[0]
        assert re.fullmatch(r"/doc/tree/\S*build/stage-04-\w+/04_lecture.ipynb", path)
        folder = paths.BUILD / path.split("/")[-2]
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.set_default_timeout(60_000)
        try:
            page.goto(f"http://localhost:{port}{path}?token=secret")
            page.locator("p", has_text="A neuron is a small regression").wait_for()
            page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
            assert page.locator(".jp-SideBar:visible").count() == 0
            page.locator("p", has_text="Rosenblatt's rule").first.click()  # below the first drawing
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_text("Run All Above Selected Cell", exact=True).click()
            drawn = page.locator(".jp-CodeCell", has=page.locator("img[alt^='Two inputs']"))
            picture = drawn.locator("img").first
            picture.wait_for()
            natural, shown = picture.evaluate("p => [p.naturalWidth, p.getBoundingClientRect().width]")
            assert natural == 1800 and shown >= 1500
            assert drawn.locator(".cm-editor:visible").count() == 0, "the code that draws is folded"
            small = {}
            for place in range(0, 12000, 1000):
                page.locator(".jp-WindowedPanel-outer").evaluate("(e, top) => { e.scrollTop = top }", place)
                small |= {words: size for words, size in page.evaluate(TYPE).items() if size < 18}
            assert small == {}
            assert "Notes for the room" not in page.content()
        finally:
            page.close()
            shutil.rmtree(folder)


def test_a_stage_starts_afresh_and_touches_nothing(course, monkeypatch):
    build(course, [], run=False, force=False, jobs=1)
    lecture = course / "lectures/00_good.ipynb"
    with pytest.raises(UserError, match="Lecture 00 is not built: `dlmap build 00 --run` builds it"):
        copies.stage(course, "0")
    nb = json.loads(lecture.read_text())
    nb["metadata"]["dlmap"] = {"code": "0"}  # as if it had been run
    lecture.write_text(json.dumps(nb))
    first, second = (copies.stage(course, "00") for _ in range(2))
    assert first != second and first.read_text() == second.read_text()
    assert first.parent.parent == course / "build" and not (course / "exercises/work").exists()
    with pytest.raises(UserError, match="unknown lecture '77'; choose one of: 00"):
        copies.stage(course, "77")
    shutil.rmtree(course / "build")
    (course / "build").write_text("a file")
    with pytest.raises(UserError, match=r"cannot write .*build: .*; a stage needs a checkout of your own"):
        copies.stage(course, "00")
