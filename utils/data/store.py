"""What the datasets share: pictures with labels, checked options, and the cache on disk."""

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from operator import index
from pathlib import Path

import numpy as np
from filelock import FileLock

from utils import paths
from utils.errors import UserError


@dataclass(frozen=True)
class Images:
    """n pictures with labels.

    images: (n, height, width) or (n, height, width, 3) uint8; labels: (n,) int64.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    @property
    def x(self) -> np.ndarray:
        """The pictures as numbers from 0 to 1: float32, the shape of `images`."""
        return self.images.astype(np.float32) / 255

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows):
        """The same set with some pictures only: a slice, a boolean mask or an array of row numbers."""
        if np.ndim(rows) == 0 and not isinstance(rows, slice):
            raise TypeError(f"[...] takes a slice, a mask or an array of row numbers, got {rows!r}")
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        kept = {name: value[rows] for name, value in arrays.items() if isinstance(value, np.ndarray)}
        return replace(self, **kept)


def whole(name: str, value: object, least: int = 0) -> int:
    """The option as an int. Raises UserError where it is no whole number or too small."""
    try:
        number = index(value)
    except TypeError:
        number = None
    if number is None or number < least or isinstance(value, bool):
        raise UserError(f"{name} is {value!r}; expected a whole number, at least {least}")
    return number


def fingerprint(*parts: object) -> str:
    """Twelve hex digits that change with any part: a recipe's source file (a Path), versions, options."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else repr(part).encode())
    return digest.hexdigest()[:12]


def cached(name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of `cache()/name.npz`; where there is no whole file, made and kept for the next time.

    Two processes do not make the same file twice, and neither reads half of it. A damaged file is made
    again. A folder that cannot be written costs time only: the arrays come from `make`.
    """
    path = paths.cache() / f"{name}.npz"
    if (arrays := _read(path)) is not None:
        return arrays
    with alone(path):
        if (arrays := _read(path)) is None:  # another process may have made it while this one waited
            arrays = make()
            _keep(path, arrays)
    return arrays


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock beside `path`. Where the folder cannot be written there is nothing to protect."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError):  # the latter: a file system without locks
        pass
    try:
        yield
    finally:
        lock.release()


def _read(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a file, or None where it is missing or damaged: a zip file keeps checksums."""
    try:
        with zipfile.ZipFile(path) as file:
            if file.testzip():
                return None
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except Exception:  # a damaged zip file can fail in any way, and the answer is always to make a new one
        return None


def _keep(path: Path, arrays: dict[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with suppress(OSError):  # a full or read-only disk: the data is in memory, the next run makes it again
        paths.atomic_write(path, buffer.getvalue())
