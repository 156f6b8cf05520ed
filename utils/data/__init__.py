"""The course's datasets by name: `data.load("ads", rows=200_000, seed=0)`.

data/README.md has a datasheet for each. Everything comes as NumPy arrays or text. The generated and the
installed sets need no network; mnist, fashion_mnist and cifar10 are downloaded once, for PROFILE = "full".
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from utils import paths
from utils.data.ads import AdLog, AdWorld, ad_world, load_ads
from utils.data.glyphs import SPLITS as GLYPH_SPLITS
from utils.data.glyphs import Glyphs, load_glyphs
from utils.data.real import Table, fetch, files, load_images, load_photos, load_table
from utils.data.store import Images
from utils.data.text import load_docstrings, load_manual
from utils.errors import UserError, choose

__all__ = [
    "NAMES", "AdLog", "AdWorld", "Glyphs", "Images", "Status", "Table",
    "ad_world", "load", "prepare", "status",
]  # fmt: skip

DOWNLOADED = ("mnist", "fashion_mnist", "cifar10")
_TABLES = ("digits", "breast_cancer", "diabetes", "wine")
_LOADERS: dict[str, Callable] = {
    "ads": load_ads,
    "glyphs": load_glyphs,
    "manual": load_manual,
    "docstrings": load_docstrings,
    **{name: partial(load_table, name) for name in _TABLES},
    "photos": load_photos,
    **{name: partial(load_images, name) for name in DOWNLOADED},
}
NAMES = tuple(_LOADERS)


@dataclass(frozen=True)
class Status:
    """One dataset for `dlmap data`: its kind, where it is or what to do, and the bytes it takes on disk."""

    name: str
    kind: str
    ready: bool
    place: str
    size: int


def load(name: str, **options):
    """A dataset by its name; the options are those of its datasheet.

    "ads" -> AdLog; "glyphs" -> Glyphs; "manual", "docstrings" -> str; "photos" -> dict of pictures;
    "digits", "breast_cancer", "diabetes", "wine" -> Table; "mnist", "fashion_mnist", "cifar10" -> Images.
    Raises UserError for an unknown name or option, and for a download that is not possible.
    """
    loader = _loader(name)
    valid = inspect.signature(loader).parameters
    unknown = [option for option in options if option not in valid]
    if unknown and not valid:
        raise UserError(f"unknown option {unknown[0]!r}; {name} takes no options")
    if unknown:
        raise choose(f"option of {name}", unknown[0], valid)
    return loader(**options)


def prepare(name: str) -> None:
    """Make a dataset ready to load at once and offline: draw it into the cache, or download it."""
    loader = _loader(name)
    if name in DOWNLOADED:
        fetch(name, files(name))
    elif name == "glyphs":
        for split in GLYPH_SPLITS:
            loader(split)
    else:
        loader()


def status() -> list[Status]:
    """How each dataset stands on this machine. Reads downloaded files whole, to be sure of them."""
    return [_status(name) for name in NAMES]


def _status(name: str) -> Status:
    if name in DOWNLOADED:
        found = [file.find() for file in files(name)]
        if all(found):
            size = sum(path.stat().st_size for path in found)
            return Status(name, "downloaded", True, str(found[0].parent), size)
        missing = sum(file.size for file, path in zip(files(name), found, strict=True) if path is None)
        advice = f"missing: run `dlmap data {name}` ({missing / 1e6:.0f} MB) or set DLMAP_DATA"
        return Status(name, "downloaded", False, advice, 0)
    if name == "ads":
        return Status(name, "generated", True, "drawn in memory", 0)
    if name in ("glyphs", "docstrings"):
        kept = list(paths.cache().glob(f"{name}-*.npz"))
        place = str(paths.cache()) if kept else "made on first use, in a few seconds"
        return Status(name, "generated", True, place, sum(file.stat().st_size for file in kept))
    return Status(name, "installed", True, "in Python" if name == "manual" else "in scikit-learn", 0)


def _loader(name: str) -> Callable:
    if name not in _LOADERS:
        raise choose("dataset", name, NAMES)
    return _LOADERS[name]
