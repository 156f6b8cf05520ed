"""What the notebooks of the course import, and the tools that build and run them.

A notebook says `from utils import data, plots`; `import utils` alone loads nothing heavy.
"""

import codecs
import io
import sys

# What stands for a letter that a console or a file in an old encoding (cp949, cp1252) does not have. All that
# prints imports `utils`, so it is seen to here: a mark that cannot be shown must not end a command.
_SPELT = {"✔": "v", "✗": "x", "✘": "x", "○": "o", "●": "*", "·": "-", "–": "-", "—": "-", "×": "x", "…": "."}


def _spell(error: UnicodeError) -> tuple[str, int]:
    """A letter for each that is missing, so that columns stay in line."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_SPELT.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


codecs.register_error("dlmap", _spell)
for _stream in (sys.stdout, sys.stderr):
    if isinstance(_stream, io.TextIOWrapper):  # not so in a notebook, which takes every letter
        _stream.reconfigure(errors="dlmap")
