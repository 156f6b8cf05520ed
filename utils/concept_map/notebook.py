"""The map in a notebook."""

from utils import paths
from utils.concept_map import model
from utils.concept_map.drawing import describe, svg
from utils.concept_map.geometry import TYPE, layout
from utils.concept_map.links import go_on, listed, overlay
from utils.errors import choose


def show(
    lecture: str | int | None = None,
    simple: bool = False,
    lang: str = "en",
    progress: bool = False,
    lectures: str | None = None,
) -> None:
    """Show the map in a notebook; a click on a concept opens its lecture.

    `lecture`: light this lecture's concepts. `progress`: colour the map by what the learner has done, and say
    where to go on; as long as nothing is done it is the plain map.
    `lectures`: the way from the notebook to the lectures; by default it is found.
    Raises UserError.
    """
    from IPython.display import display

    shares = None
    if progress:
        from utils import checks

        shares = checks.fractions()
        shares = shares if any(shares.values()) else None  # who has done nothing sees the plain map
    display(drawn(lecture, simple, lang, shares, lectures or paths.beside(paths.notebook())), raw=True)


def drawn(
    lecture: str | int | None,
    simple: bool = False,
    lang: str = "en",
    shares: dict[str, float] | None = None,
    way: str = ".",
) -> dict[str, str]:
    """The map as a notebook's output, by kind: "text/html", and "text/plain" for a blind reader.

    `shares`: how much of each lecture is done; `way`: from the notebook to the lectures. Raises UserError.
    """
    known, lit = model.load(), ()
    if lecture is not None:
        number = str(lecture).zfill(2)
        if number not in known.lectures:
            raise choose("lecture", lecture, known.lectures)
        lit = [node.id for node in known.nodes.values() if node.lecture == number]
    alt = describe(model.language(lang), lit, shares)
    picture = svg(simple, lang, lit, shares, lectures=None)
    html = overlay(picture, alt, layout(simple, lang).boxes, lang, way, TYPE["simple" if simple else "full"])
    html += "" if simple else listed(lit, lang, way)
    if shares:
        html += go_on(shares, way)
    return {"text/html": html, "text/plain": alt}
