"""A notebook -> the slides of a lecture: sections of pages, a page of blocks, one idea a page."""

import ast
import base64
import re
import textwrap
from collections.abc import Iterable
from html import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from utils import concept_map
from utils.authoring.sources import first_words
from utils.site.course import PREDICT, Course, Section, facts, tags
from utils.site.lectures import picture

ASK = "**Ask the room.**"
FOLD = re.compile(r"(?s)<details><summary>(.*?)</summary>(.*?)</details>")
# Statements whose effect stands on a slide of its own.
SHOWN = {"claim", "predict", "outcome", "plots.show", "s.show", "concept_map.show"}
DRAWING = {"plots", "plt", "schematics", "ax", "axes", "fig"}
COMPOUND = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.With)
COLUMNS = 110


def deck(course: Course, stem: str) -> str:
    """All slides of a lecture in HTML: a `<section>` for each of its own, in it one for each slide."""
    asked: dict[str, tuple[str, list[str]]] = {}
    parts = (Part(course, stem, section, asked) for section in course.sections(f"lectures/{stem}"))
    return "\n".join(part.html() for part in parts)


# --- a page is a list of blocks -------------------------------------------------------------------------


def page(kind: str, *blocks: str) -> str:
    return f'<section class="page {kind}"><div class="body">{"".join(blocks)}</div></section>\n'


def label(words: str) -> str:
    return f'<p class="label" data-keep>{words}</p>'


class Part:
    """A section of a lecture while its pages are made.

    `asked`: the predictions of the lecture that wait for their outcome: name -> question, choices.
    """

    def __init__(
        self, course: Course, stem: str, section: Section, asked: dict[str, tuple[str, list[str]]]
    ) -> None:
        self.course, self.stem, self.section, self.asked = course, stem, section, asked
        self.pages: list[str] = []
        self.aside: list[str] = []  # what is folded in the notebook: for the speaker
        self.question: list[str] = []  # what the next prediction answers

    def html(self) -> str:
        """The section: its pages, and the notes that the speaker sees beside each of them."""
        for cell in self.section.cells:
            if tags(cell) & {"notes", "navigation"} or "jupyter" in cell.metadata:
                continue
            if cell.cell_type == "markdown":
                self.prose(cell.source)
            else:
                self.code(cell)
        said = "".join(f"<p>{markdown(line)}</p>" for line in self.section.notes)
        minutes = self.section.minutes
        head = f"<h4>{escape(self.title())}{f' · {minutes} minutes' * bool(minutes)}</h4>"
        notes = f'<aside class="notes">{head}{said}{"".join(self.aside)}</aside>'
        about = f'data-title="{escape(self.title())}" data-minutes="{minutes}"'
        return f'<section class="part" {about}>\n{"".join(self.pages)}{notes}</section>'

    def title(self) -> str:
        return " · ".join(filter(None, (self.section.place, self.section.title)))

    # --- prose ------------------------------------------------------------------------------------------

    def prose(self, text: str) -> None:
        """Paragraphs fill a page; a title, a prediction and a question to the room begin another."""
        if text.startswith("# "):
            self.pages += opening(self.course.heads[self.stem])
            return
        kind, blocks = "words", []

        def done(after: str = "words") -> None:
            nonlocal kind
            if kind == "predict":  # its page is made where the choices are
                self.question = [*blocks]
            elif blocks:
                self.pages.append(page(kind, *([label("Ask the room")] if kind == "ask" else []), *blocks))
            kind = after
            blocks.clear()

        while text:
            fold = FOLD.search(text)
            for source, html in paragraphs(unlinked(text[: fold.start()] if fold else text)):
                if numbered := re.match(r"## (\d+) · (.+)", source):
                    done()
                    self.pages.append(self.divider(*numbered.groups()))
                elif not source.startswith("On the map:"):
                    for start, begins in ((PREDICT, "predict"), (ASK, "ask"), ("##", "words")):
                        if source.startswith(start):
                            done(begins)
                    blocks.append(re.sub(r"<strong>(Predict first|Ask the room)\.</strong>\s*", "", html))
            if fold and kind == "ask":
                answer = "".join(html for _, html in paragraphs(unlinked(fold[2])))
                blocks.append(f'<div class="answer fragment">{answer}</div>')
                done()
            elif fold:
                self.aside.append(f"<h4>{markdown(fold[1])}</h4>{markdown(unlinked(fold[2]), whole=True)}")
            text = text[fold.end() :] if fold else ""
        done()

    def divider(self, number: str, title: str) -> str:
        """The page that opens a section: its number, its message, its place on the map."""
        nodes = concept_map.load().nodes
        ids = re.findall(r"`([\w-]+)`", " ".join(self.section.prose(r"(?m)^On the map: (.+)$")))
        chips = "".join(f"<span>{escape(nodes[id].name['en'])}</span>" for id in ids if id in nodes)
        return page(
            "divider",
            f'<p class="number">{number}</p><h2>{markdown(title)}</h2><p class="chips">{chips}</p>',
        )

    # --- code and what it shows -------------------------------------------------------------------------

    def code(self, cell: NotebookNode) -> None:
        """The code where it teaches, then what it shows: pictures and predictions on pages of their own."""
        if "concept_map.show(" in cell.source:
            self.pages.append(page("map", drawn_map(cell.source)))
            return
        outputs = cell.get("outputs", [])
        drawn = any("image/png" in output.get("data", {}) for output in outputs)
        asks = bool(first_words(cell.source, "predict")) or "predict(" in cell.source
        source = "" if asks and not drawn else teaching(cell.source, drawn)
        blocks = [code_block(source)] if source else []
        claims: list[str] = []

        def done() -> None:
            listed = [f'<ul class="claims">{"".join(claims)}</ul>'] * bool(claims)
            if blocks:
                self.pages.append(page("code", *blocks, *listed))
            elif claims:
                self.pages.append(page("claims", label("Measured"), *listed))
            blocks.clear()
            claims.clear()

        for output in outputs:
            data, about = output.get("data", {}), output.get("metadata", {})
            fact = about.get("dlmap", {})
            if "claim" in fact:
                claims.append(claim(fact, data["text/plain"]))
            elif "prediction" in fact:
                done()
                self.predict(fact)
            elif "outcome" in fact:
                done()
                self.outcome(fact)
            elif "image/png" in data:
                done()
                image = base64.b64decode(data["image/png"])
                shown = picture(self.course, image, folder="pictures", **about.get("image/png", {}))
                self.pages.append(page("picture", shown))
            elif text := (output.get("text") or data.get("text/plain", "")).strip("\n"):
                blocks.append(printed(text))
        done()

    def predict(self, fact: dict) -> None:
        """The question on a page of its own; what the run showed on the next, if it is of this section."""
        asked, question = fact["prediction"], "".join(self.question)
        self.question = []
        self.asked[asked] = (question, fact["options"])
        self.pages.append(page("predict", label("Predict first"), question, options(fact["options"])))
        for cell in self.section.cells:
            for answer in facts(cell):
                if answer.get("outcome") == asked:
                    self.answered(asked, answer["measured"])

    def outcome(self, fact: dict) -> None:
        """What the run showed, unless it was said; if it was asked in another section it is asked again."""
        asked = fact["outcome"]
        if asked in self.asked:
            question, given = self.asked[asked]
            self.pages.append(page("predict", label("You predicted"), question, options(given)))
            self.answered(asked, fact["measured"])

    def answered(self, asked: str, measured: str) -> None:
        question, given = self.asked.pop(asked)
        shown = options(given, measured)
        self.pages.append(page("predict outcome", label("The run shows"), question, shown))


def opening(head: dict[str, str]) -> list[str]:
    """The title page, and what one will be able to do."""
    able = re.split(r"; (?:and )?", head["able"].rstrip("."))
    goals = "".join(f"<li>{markdown(goal)}</li>" for goal in able)
    return [
        page(
            "title",
            f'<p class="number">{head["number"]}</p><h1>{escape(head["title"])}</h1>'
            f'<p class="question">{markdown(head["question"])}</p>'
            '<p class="course">The deep learning map</p>',
        ),
        page("words", "<h2 data-keep>You will be able to</h2>", f'<ul class="goals">{goals}</ul>'),
    ]


def options(given: Iterable[str], measured: str | None = None) -> str:
    """The choices, with letters to vote by; where it is known, the one that the run showed stands out."""

    def choice(place: int, words: str) -> str:
        state = "" if measured is None else ' class="right"' if words == measured else ' class="other"'
        return f"<li{state}><b>{chr(65 + place)}</b> <span>{escape(words)}</span></li>"

    return f'<ol class="options">{"".join(choice(*each) for each in enumerate(given))}</ol>'


def claim(fact: dict, text: str) -> str:
    """A claim that appears at a click: its mark, its sentence, what was measured."""
    mark, measured = text[0], text[2:].removeprefix(fact["claim"]).strip(": ")
    words = f"<span>{escape(fact['claim'])}</span> <em>{escape(measured)}</em>"
    return f'<li class="fragment"><b>{mark}</b> {words}</li>'


def drawn_map(source: str) -> str:
    """The map that a cell shows, drawn anew."""
    number = re.search(r'show\("(\d\d)"', source)
    nodes = concept_map.load().nodes.values()
    lit = [node.id for node in nodes if number and node.lecture == number[1]]
    return concept_map.svg("simple=True" in source, lit=lit, lectures=None)


# --- code that teaches ----------------------------------------------------------------------------------


def code_block(source: str) -> str:
    return rows("source", highlight(source, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).rstrip())


def rows(kind: str, html: str) -> str:
    """A block of lines, each of which can be measured."""
    lines = "".join(f'<span class="row">{line}</span>' for line in html.split("\n"))
    return f'<pre class="{kind}">{lines}</pre>'


def printed(text: str) -> str:
    """What a cell printed, in lines of at most `COLUMNS`."""
    lines = (textwrap.wrap(line, COLUMNS, drop_whitespace=False) or [""] for line in text.splitlines())
    return rows("said", escape("\n".join(line for wrapped in lines for line in wrapped)))


def teaching(source: str, drawn: bool) -> str:
    """The statements of a cell that teach: not what draws, not the claims and questions shown beside it.

    In a cell that draws a picture, from its first drawing statement on only functions count (a call of a
    function whose result is not used draws, too), and what is left must be more than plain assignments.
    """
    lines, kept, begun, start = source.splitlines(), [], False, 0
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a magic, or a line that was not written to its end
        return source
    for node in statements:
        text, start = "\n".join(lines[start : node.end_lineno]), node.end_lineno
        call = called(node)
        draws = bool(names(node) & DRAWING) or (drawn and call.isidentifier() and call != "print")
        named = isinstance(node, ast.FunctionDef | ast.ClassDef)
        begun |= draws and not named
        if not draws and call not in SHOWN and (named or not (drawn and begun)):
            kept.append((node, text))
    if drawn and not any(isinstance(node, COMPOUND) for node, _ in kept):
        return ""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(text for _, text in kept).strip("\n"))


def names(node: ast.AST) -> set[str]:
    """The names that a statement uses, or takes as arguments."""
    found = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return found | {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}


def called(node: ast.AST) -> str:
    """What a statement calls whose result is not used: "claim" of `claim(…)`; "" for any other."""
    calls = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    return ast.unparse(node.value.func) if calls else ""


# --- Markdown -------------------------------------------------------------------------------------------


def formula(content: str, options: dict) -> str:
    """A formula as MathJax finds it."""
    first, last = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return f"{first}{escape(content)}{last}"


def softbreak(_: object, tokens: list[Token], place: int, *__: object) -> str:
    """A line of the source is a sentence, and stays a line."""
    return ' </span><span class="line">' if tokens[place].level == 0 else " "


READER = MarkdownIt("commonmark", {"html": True}).enable("table")
READER.use(dollarmath_plugin, renderer=formula, double_inline=True)
READER.add_render_rule("fence", lambda _, tokens, place, *__: code_block(tokens[place].content))
READER.add_render_rule("softbreak", softbreak)


def markdown(text: str, whole: bool = False) -> str:
    """Markdown as HTML: a line, or `whole` paragraphs."""
    return glued(READER.render(text) if whole else READER.renderInline(text))


def glued(html: str) -> str:
    """No line breaks between a formula, or a piece of code, and its punctuation."""
    piece = r'(?:<span class="math inline">[^<]*</span>|<code>[^<]{1,40}</code>)'
    return re.sub(rf"\(?{piece}[.,;:?!)]+|\({piece}", r'<span class="glued">\g<0></span>', html)


def unlinked(text: str) -> str:
    """Markdown without its links: on a stage nobody follows them."""
    return re.sub(r"(?<!!)\[([^\]\n]*)\]\([^)\s]+\)", r"\1", text)


def paragraphs(text: str) -> list[tuple[str, str]]:
    """The blocks of a text, each as written and as HTML; one that leads to the next is marked for it."""
    tokens, start, env = READER.parse(text), 0, {}
    lines = text.splitlines()
    found: list[tuple[str, str, str]] = []
    for end, token in enumerate(tokens, 1):
        if token.level == 0 and token.nesting <= 0:
            block = tokens[start:end]
            html = READER.renderer.render(block, READER.options, env).strip()
            if block[0].type == "paragraph_open":
                html = re.sub(r"^<p>(.*)</p>$", r'<p><span class="line">\1</span></p>', html, flags=re.S)
            found.append((block[0].type, "\n".join(lines[slice(*block[0].map)]).strip(), glued(html)))
            start = end
    nexts = [*found[1:], ("", "", "")]
    return [
        (source, re.sub(r"^<(\w+)", r"<\1 data-keep", html) if leads(kind, source, *after[:2]) else html)
        for (kind, source, html), after in zip(found, nexts, strict=True)
    ]


def leads(kind: str, source: str, after: str, text: str) -> bool:
    """Whether a block makes no sense without the next: a title, "as follows:", what leads to a formula."""
    formula = "math" in after or text.startswith("$$")
    half = ("math" in kind or source.startswith("$$")) and text[:1].islower()
    return kind == "heading_open" or source.endswith(":") or half or (formula and kind == "paragraph_open")
