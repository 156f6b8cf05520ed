"""The README's pictures: the map, a lecture on the site, a slide, as Chromium shows them.

    python benchmarks/screenshots.py

needs what `make site` installs, and a browser; writes `data/screenshots/`. Looked at before it is committed.
"""

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from utils import paths
from utils.paths import atomic_write
from utils.site.build import build
from utils.slides.build import slides

LIMIT = 150_000  # bytes


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        build(paths.ROOT, Path(folder, "site"))
        deck = slides(paths.ROOT, "04", Path(folder, "slides"))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(Path(folder, "site/index.html").as_uri())
        keep(page, "map")
        page.goto(f"{Path(folder, 'site/lectures/04_neural_networks.html').as_uri()}#section-04-1")
        page.wait_for_timeout(3000)  # its formulas are set, its pictures there
        keep(page, "lecture")
        page.goto(deck.as_uri())
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        place = page.evaluate("Reveal.getIndices(Reveal.getSlides().find((s) => s.matches('.outcome')))")
        page.evaluate("at => Reveal.slide(at.h, at.v)", place)
        page.wait_for_timeout(500)
        keep(page, "slide")
        browser.close()


def keep(page: Page, name: str) -> None:
    """Store what a page shows in 256 colours."""
    small = io.BytesIO()
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shown.quantize(256, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    assert small.tell() <= LIMIT, f"{name}.png has {small.tell()} bytes, more than {LIMIT}"
    atomic_write(paths.DATA / "screenshots" / f"{name}.png", small.getvalue())


if __name__ == "__main__":
    main()
