"""The command `dlmap`, under a name that nobody else has.

Its folder goes first on the path: somebody's own `utils` must not keep `dlmap doctor` from telling of it.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from utils.cli import app

__all__ = ["app"]
