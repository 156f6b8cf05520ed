"""Real datasets: scikit-learn's small ones, and three that are downloaded for the `full` profile."""

import gzip
import hashlib
import http.client
import pickle
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from utils import environment, paths, runtime
from utils.data.store import Images, alone
from utils.errors import UserError, choose

SPLITS = ("train", "test")
BLOCK = 1 << 16
TIMEOUT = 30  # seconds without a byte until a mirror counts as gone


@dataclass(frozen=True)
class Table:
    """n rows of d features. x: (n, d) float64; y: (n,) int64 class or float64 target.

    `target_names` names the classes; it is empty for a regression.
    """

    x: np.ndarray
    y: np.ndarray
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.y)


def load_table(name: str) -> Table:
    """digits, breast_cancer, diabetes or wine as scikit-learn has it, values unchanged."""
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")()
    classes = tuple(str(target) for target in loaded.get("target_names", ()))
    y = loaded.target.astype(np.int64 if classes else np.float64)
    return Table(loaded.data, y, tuple(map(str, loaded.feature_names)), classes)


def load_photos() -> dict[str, np.ndarray]:
    """The two sample photographs of scikit-learn, "china" and "flower": (427, 640, 3) uint8 each."""
    from sklearn.datasets import load_sample_images

    photos = load_sample_images()
    names = (Path(file).stem for file in photos.filenames)
    return {name: np.array(picture) for name, picture in zip(names, photos.images, strict=True)}


@dataclass(frozen=True)
class File:
    """One file of a downloaded dataset: its place below a data folder, its size in bytes, its md5 sum."""

    place: Path
    size: int
    md5: str

    def places(self) -> list[Path]:
        """Where to look: `$DLMAP_DATA` first, then the cache. A relative folder is relative to the course."""
        return [folder / self.place for folder in (paths.named("DLMAP_DATA"), paths.cache()) if folder]

    def find(self) -> Path | None:
        """The first copy whose md5 is right, or None. Reads it all, to be sure."""
        return next((path for path in self.places() if _md5(path) == self.md5), None)


@cache
def manifest() -> dict[str, dict]:
    """data/manifest.yaml: name -> torchvision, folder, classes, files."""
    import yaml

    return yaml.safe_load((paths.DATA / "manifest.yaml").read_text(encoding="utf-8"))


def files(name: str) -> list[File]:
    """The files of a downloaded dataset."""
    entry = manifest()[name]
    return [File(Path(entry["folder"], row["file"]), row["size"], row["md5"]) for row in entry["files"]]


def mirrors(name: str) -> list[str]:
    """The addresses of the folders that hold a dataset's files, as torchvision knows them."""
    runtime.torchvision_ready()
    from torchvision import datasets

    source = getattr(datasets, manifest()[name]["torchvision"])
    return list(getattr(source, "mirrors", None) or [source.url.rpartition("/")[0] + "/"])


def load_images(name: str, split: str = "train") -> Images:
    """mnist, fashion_mnist: (n, 28, 28); cifar10: (n, 32, 32, 3); downloaded where missing.

    Raises UserError for an unknown split, and where the files are neither here nor to be had.
    """
    if split not in SPLITS:
        raise choose("split", split, SPLITS)
    classes = tuple(manifest()[name]["classes"])
    if name == "cifar10":
        return Images(*_read_cifar(fetch(name, files(name))[0], split), classes)
    wanted = [file for file in files(name) if file.place.name.startswith("train") == (split == "train")]
    images, labels = map(_read_idx, fetch(name, wanted))
    return Images(images, labels.astype(np.int64), classes)


def _read_idx(path: Path) -> np.ndarray:
    """An array in the IDX format of MNIST: two zeros, type 8 (bytes), number of axes, their lengths, data."""
    content = gzip.decompress(path.read_bytes())
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape).copy()


def _read_cifar(file: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and labels from the archive: pickles, safe to open since the md5 was right."""
    names = ["test_batch"] if split == "test" else [f"data_batch_{i}" for i in range(1, 6)]
    with tarfile.open(file) as archive:
        batches = [
            pickle.load(archive.extractfile(f"cifar-10-batches-py/{name}"), encoding="bytes")
            for name in names
        ]
    images = np.concatenate([batch[b"data"] for batch in batches]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([batch[b"labels"] for batch in batches]).astype(np.int64)
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1)), labels


def fetch(name: str, wanted: Iterable[File]) -> list[Path]:
    """Where the files are, after downloading to the cache those that are missing or damaged."""
    found = []
    for file in wanted:
        path = file.find()
        if path is None:
            path = file.places()[-1]
            with alone(path):
                if _md5(path) != file.md5:  # another process may have brought it while this one waited
                    _download(name, file, path)
        found.append(path)
    return found


def _download(name: str, file: File, path: Path) -> None:
    """Bring one file from the first mirror that has it whole. It gets its name only when its md5 is right."""
    advice = (
        f"set DLMAP_DATA to a folder that holds {file.place}, "
        f"or run `dlmap data {name}` where there is a network"
    )
    damaged = [str(copy) for copy in file.places() if copy.exists()]
    missing = f"{name} is damaged ({', '.join(damaged)})" if damaged else f"{name} is not on this machine"
    if environment.flag("DLMAP_OFFLINE"):
        raise UserError(f"{missing} and DLMAP_OFFLINE=1 forbids to download it; {advice}")
    part = path.with_name(path.name + ".part")
    problems = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for mirror in mirrors(name):
            try:
                _copy(mirror + path.name, part, file.size)
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
                problems.append(f"{mirror}: {getattr(error, 'reason', None) or error}")
                continue
            if _md5(part) == file.md5:
                part.replace(path)
                return
            problems.append(f"{mirror}: sent a damaged file ({part.stat().st_size:,} of {file.size:,} bytes)")
        part.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{name} cannot be stored in {path.parent} ({error.strerror}); "
            "make room or allow writing there, or set DLMAP_CACHE to another folder"
        ) from error
    raise UserError(f"{missing} and could not be downloaded ({'; '.join(problems)}); {advice}")


def _copy(url: str, part: Path, size: int) -> None:
    """Write what the address sends to a file, with a progress bar."""
    request = urllib.request.Request(url, headers={"User-Agent": "deep-learning-map"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response, part.open("wb") as file:
        from tqdm.auto import tqdm

        with tqdm(
            desc=part.stem, total=size, unit="B", unit_scale=True, disable=runtime.batch(), leave=False
        ) as bar:
            while block := response.read(BLOCK):
                file.write(block)
                bar.update(len(block))


def _md5(path: Path) -> str | None:
    """The md5 sum of a file; None where there is no readable file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    except OSError:
        return None
