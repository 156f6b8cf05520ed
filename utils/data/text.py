"""Two English texts that are already on the disk: the Python manual, and the docstrings of five packages."""

import re
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from utils.data.store import cached, fingerprint

PACKAGES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "matplotlib": "matplotlib",
    "torch": "torch",
}
# Tests and copies of other projects say little in English, and parts of torch are mostly internals. numpy's
# distutils is in its wheels for Python 3.11 only; all else is the same in every wheel of a version.
_SKIPPED_FOLDERS = {
    "tests", "test", "testing", "_vendor", "externals", "array_api_compat", "array_api_extra", "sphinxext",
    "_inductor", "_dynamo", "_functorch", "onnx", "fx", "ao", "distributed", "distutils",
}  # fmt: skip
# Written when a package is built, so they differ between builds of one version.
_SKIPPED_FILES = {
    "version.py",
    "_version.py",
    "__config__.py",
    "_distributor_init.py",
    "_built_with_meson.py",
}

_DOCSTRING = re.compile(r'"""(.*?)"""', re.DOTALL)
_NOT_PROSE = re.compile(r"^\s*(>>>|\.\.\.|\.\. |:\w|[-=~^*#|+]{3}|[\d.,\s-]+$|[\[({<]).*$", re.MULTILINE)
_MARKUP = re.compile(r"``.*?``|:\w+:`[^`]*`|`[^`]*`|\$[^$\n]*\$|https?://\S+", re.DOTALL)
_SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+|\n\s*\n")
_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")
_SHORTEST_DOCSTRING, _SHORTEST_SENTENCE = 100, 4  # characters, words


def load_manual() -> str:
    """The topics of Python's own manual, as `help("TOPIC")` shows them: about 470,000 characters.

    Topics in alphabetical order, each once, an empty line between them. The text changes with Python's
    version, since the manual does.
    """
    from pydoc_data.topics import topics

    texts = dict.fromkeys(topics[name].strip() for name in sorted(topics))
    return "\n\n".join(texts) + "\n"


def load_docstrings() -> str:
    """Technical English: a million words, a sentence a line, lower case, without punctuation.

    From the docstrings of numpy, scipy, scikit-learn, matplotlib and torch, read as text (nothing is
    imported): examples, mathematics and markup are taken out, short lines and repeated sentences dropped. The
    same text on every Python and platform, as long as the packages' versions are the same.
    `[line.split() for line in text.splitlines()]` gives lists of words.
    """
    # Neither Python nor platform nor build (2.13.0+cpu) is in the key, since none of them changes the text.
    versions = [version(name).split("+")[0] for name in PACKAGES.values()]
    name = f"docstrings-{fingerprint(Path(__file__), versions)}"
    arrays = cached(name, lambda: {"text": np.frombuffer(_collect().encode(), np.uint8)})
    return arrays["text"].tobytes().decode()


def _collect() -> str:
    sentences = (sentence for file in _sources() for sentence in _sentences(file.read_text(encoding="utf-8")))
    return "\n".join(dict.fromkeys(sentences)) + "\n"


def _sources() -> Iterator[Path]:
    """The packages' source files, always in the same order."""
    for package in PACKAGES:
        root = Path(find_spec(package).origin).parent
        for file in sorted(root.rglob("*.py"), key=lambda file: file.relative_to(root).parts):
            if file.name not in _SKIPPED_FILES and _SKIPPED_FOLDERS.isdisjoint(file.relative_to(root).parts):
                yield file


def _sentences(source: str) -> Iterator[str]:
    """The sentences of a file's docstrings: words of at least two letters (or "a"), a space between them."""
    for docstring in _DOCSTRING.findall(source):
        if len(docstring) < _SHORTEST_DOCSTRING:
            continue
        prose = _MARKUP.sub(" ", _NOT_PROSE.sub("", docstring)).lower()
        for sentence in _SENTENCE_END.split(prose):
            words = [word for word in _WORD.findall(sentence) if len(word) > 1 or word == "a"]
            if len(words) >= _SHORTEST_SENTENCE:
                yield " ".join(words)
