"""The datasets: what they promise, and what they do with bad input, damage, crowds and a poor network."""

import contextlib
import gzip
import hashlib
import io
import os
import pickle
import platform
import struct
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from utils import data, paths
from utils.data import glyphs, real, store, text
from utils.errors import UserError

REAL_DATA = os.environ.get("DLMAP_DATA", "")
ATTRIBUTES = ["age", "gender", "category", "site", "position", "device", "hour"]
IDS = [*ATTRIBUTES, "user", "ad", "context"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> Path:
    """No test touches the reader's cache or data."""
    monkeypatch.setenv("DLMAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DLMAP_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def ads() -> data.AdLog:
    return data.load("ads")


def checksum(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def checksum_of_ads() -> str:
    log = data.load("ads", rows=20_000, seed=1)
    return checksum(*log.features.values(), log.click, log.truth)


def checksum_of_glyphs() -> str:
    sets = [data.load("glyphs", split=split, n=300, seed=1) for split in glyphs.SPLITS]
    return checksum(*(array for g in sets for array in (g.images, g.labels, g.styles)))


# The same bytes on every machine with the same pins. A change here changes every lecture's numbers.
ADS, GLYPHS = "43d997ba3f3f6334", "acb8864beac7d957"


# --- names and options


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("adz", {}, "unknown dataset 'adz'; choose one of: ads, glyphs, manual"),
        ("ads", {"row": 5}, "unknown option of ads 'row'; choose one of: rows, seed"),
        ("wine", {"rows": 5}, "unknown option 'rows'; wine takes no options"),
        ("ads", {"rows": 0}, "rows is 0; expected a whole number, at least 1"),
        ("ads", {"rows": 1e5}, "rows is 100000.0"),
        ("ads", {"seed": -1}, "seed is -1"),
        ("ads", {"seed": "one"}, "seed is 'one'"),
        ("glyphs", {"split": "validation"}, "unknown split 'validation'; choose one of: train, test, unseen"),
        ("glyphs", {"n": True}, "n is True"),
        ("glyphs", {"classes": "AAB"}, "classes is 'AAB'"),
        ("glyphs", {"classes": "abc"}, "classes is 'abc'"),
        ("glyphs", {"classes": 10}, "classes is 10"),
        ("glyphs", {"classes": ""}, "classes is ''"),
        ("mnist", {"split": "unseen"}, "unknown split 'unseen'; choose one of: train, test"),
    ],
)
def test_bad_input_is_one_line_that_names_what_is_valid(name, options, message):
    with pytest.raises(UserError) as error:
        data.load(name, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_prepare_refuses_an_unknown_name():
    with pytest.raises(UserError, match="choose one of: ads"):
        data.prepare("adz")


def test_every_dataset_has_its_datasheet():
    sheets = (paths.DATA / "README.md").read_text(encoding="utf-8").split("\n## ")[1:]
    assert [sheet.split("\n")[0] for sheet in sheets] == list(data.NAMES)
    for sheet in sheets:
        for part in ("**What.**", "**Not good for.**", "**Licence.**", "**Reference.**"):
            assert part in sheet


def test_import_is_light():
    heavy = "torch", "torchvision", "matplotlib", "sklearn", "pandas"
    code = f"import sys, utils.data; sys.exit(', '.join(m for m in {heavy} if m in sys.modules) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=paths.ROOT)


# --- the ad log


def test_ads_have_their_columns_in_order_of_time(ads):
    assert len(ads) == 200_000
    assert set(ads.features) == set(ads.sizes)
    for name, column in ads.features.items():
        assert column.dtype == np.int32
        assert column.shape == (200_000,)
        assert column.min() == 0
        assert column.max() == ads.sizes[name] - 1
    assert ads.click.dtype == np.int64
    assert set(np.unique(ads.click)) == {0, 1}
    time = ads.features["day"] * 24 + ads.features["hour"]
    assert (np.diff(time) >= 0).all()


@pytest.mark.parametrize(
    ("of", "owner"),
    [
        ("age", "user"),
        ("gender", "user"),
        ("advertiser", "ad"),
        ("category", "advertiser"),
        ("site", "context"),
    ],
)
def test_ads_attributes_belong_to_their_owner(ads, of, owner):
    pairs = np.unique(np.stack([ads.features[owner], ads.features[of]]), axis=1)
    assert pairs.shape[1] == ads.sizes[owner]


def test_ads_are_the_same_bytes_everywhere():
    assert checksum_of_ads() == ADS


def test_ads_follow_their_seed():
    one, again, other = (data.load("ads", rows=1000, seed=seed) for seed in (5, 5, 6))
    assert (one.click == again.click).all()
    assert (one.features["user"] == again.features["user"]).all()
    assert (one.features["user"] != other.features["user"]).any()


@pytest.mark.parametrize("seed", range(3))
def test_ads_base_rate(seed):
    assert data.load("ads", seed=seed).click.mean() == pytest.approx(0.04, abs=0.003)


def test_ads_truth_is_calibrated(ads):
    """In each tenth of the rows, sorted by truth, the clicks are as many as the truth expects."""
    for rows in np.array_split(np.argsort(ads.truth), 10):
        p = ads.truth[rows]
        spread = np.sqrt((p * (1 - p)).sum())
        assert abs(ads.click[rows].sum() - p.sum()) < 4 * spread


def test_ads_truth_orders_the_clicks(ads):
    assert 0.88 < roc_auc_score(ads.click, ads.truth) < 0.91


def test_ads_truth_is_the_world_s(ads):
    world = data.ad_world()
    parts = world.parts(ads.features)
    logit = world.intercept + parts["main"] + parts["cross"] + parts["latent"] + parts["regime"]
    np.testing.assert_allclose(ads.truth, 1 / (1 + np.exp(-logit)), atol=1e-7)
    np.testing.assert_allclose(
        world.user_ad, 0.95 / 3**0.5 * world.user_factors @ world.ad_factors.T, atol=1e-5
    )
    for part in parts.values():  # each kind of model has something of its own to find
        assert part.var() > 0.3
    assert world.mode.min() < 0.05 < 0.95 < world.mode.max()


def test_ads_are_shown_as_the_logging_policy_says(ads):
    world = data.ad_world()
    shown = np.bincount(ads.features["ad"], minlength=50) / len(ads)
    np.testing.assert_allclose(shown, world.ad_share, atol=0.003)
    assert world.user_share.sum() == pytest.approx(1)


def test_ads_can_be_cut(ads):
    late = ads[ads.features["day"] >= 12]
    assert 0 < len(late) < len(ads)
    assert late.features["day"].min() == 12
    assert len(ads[:10]) == 10
    assert (ads[np.array([7, 3])].truth == ads.truth[[7, 3]]).all()
    with pytest.raises(TypeError, match="a slice, a mask"):
        ads[3]


def test_one_hot_is_the_indicator_of_each_value(ads):
    few = ads[:500]
    x = few.one_hot(["position", ("age", "gender"), "hour"])
    age, gender = few.features["age"], few.features["gender"]
    expected = np.hstack(
        [
            np.eye(4)[few.features["position"]],
            np.eye(12)[2 * age + gender],
            np.eye(24)[few.features["hour"]],
        ]
    )
    assert (x.toarray() == expected).all()
    assert (few.one_hot("device").toarray() == np.eye(3)[few.features["device"]]).all()
    assert few[:3].one_hot([("user", "ad")]).shape == (3, 20_000)


@pytest.mark.parametrize("columns", [["age", "colour"], [("age", "colour")], "colour"])
def test_one_hot_names_the_columns_there_are(ads, columns):
    with pytest.raises(UserError, match=r"unknown column 'colour'; choose one of: user, age"):
        ads.one_hot(columns)
    with pytest.raises(UserError, match="at least one column"):
        ads.one_hot([])


def test_share_of_gap_has_its_ends_where_it_says(ads):
    assert ads.share_of_gap(ads.truth) == 1
    assert ads.share_of_gap(np.full(len(ads), ads.click.mean())) == 0
    assert ads.share_of_gap(np.full(len(ads), 0.5)) < 0
    assert ads.share_of_gap(ads.truth**0.9) < 1


def test_log_loss_is_scikit_learn_s(ads):
    from sklearn.metrics import log_loss

    assert ads.log_loss(ads.truth) == pytest.approx(log_loss(ads.click, ads.truth), rel=1e-12)
    assert np.isfinite(ads.log_loss(1 - ads.click))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p[:-1], "has shape"),
        (lambda p: p[:, None], "has shape"),
        (lambda p: 0.04, "has shape"),
        (lambda p: np.where(p > 0.5, np.nan, p), "NaN"),
        (lambda p: p - 0.5, r"lie in \[0, 1\]"),
        (lambda p: np.log(p / (1 - p)), r"lie in \[0, 1\]"),
    ],
)
def test_share_of_gap_refuses_what_is_no_probability(ads, spoil, message):
    with pytest.raises(ValueError, match=message):
        ads.share_of_gap(spoil(ads.truth))


def test_share_of_gap_refuses_too_few_rows(ads):
    with pytest.raises(ValueError, match="no rows"):
        ads[:0].share_of_gap(np.zeros(0))
    unclicked = ads[ads.click == 0][:50]
    with pytest.raises(ValueError, match="use more rows"):
        unclicked.share_of_gap(unclicked.truth)


def test_the_ladder_begins_to_climb(ads):
    """The cheap rungs; benchmarks/ad_ladder.py measures them all."""
    train, test = ads[:120_000], ads[150_000:]

    def share(columns: list) -> float:
        model = LogisticRegression(C=0.3, max_iter=200).fit(train.one_hot(columns), train.click)
        return test.share_of_gap(model.predict_proba(test.one_hot(columns))[:, 1])

    attributes, ids = share(ATTRIBUTES), share(IDS)
    crosses = share([*IDS, ("age", "gender", "category"), ("device", "category"), ("hour", "category")])
    assert 0.12 < attributes < 0.22
    assert 0.30 < ids < 0.45
    assert 0.48 < crosses < 0.65


# --- glyphs


def test_glyphs_are_pictures_with_labels_and_styles():
    g = data.load("glyphs", n=400)
    assert g.images.shape == (400, 28, 28)
    assert g.images.dtype == np.uint8
    assert g.labels.dtype == g.styles.dtype == np.int64
    assert g.class_names == tuple("ABCDEFGHIJ")
    assert len(g.style_names) == 36
    assert g.x.dtype == np.float32
    assert g.x.shape == g.images.shape
    assert (g.x.min(), g.x.max()) == (0, 1)
    assert np.bincount(g.labels, minlength=10).min() > 10
    assert len(g[:7]) == 7
    assert (g[g.labels == 3].labels == 3).all()
    with pytest.raises(TypeError, match="a slice, a mask"):
        g[3]


def test_unseen_styles_are_unseen():
    train, test, unseen = (data.load("glyphs", split=split, n=600) for split in glyphs.SPLITS)
    assert set(train.styles) == set(test.styles)
    assert len(set(train.styles)) == 27
    assert len(set(unseen.styles)) == 9
    assert set(train.styles).isdisjoint(unseen.styles)
    assert not (train.images[:100] == test.images[:100]).all(axis=(1, 2)).any()


def test_glyphs_are_the_same_bytes_everywhere():
    assert checksum_of_glyphs() == GLYPHS


def test_no_processor_s_vector_instructions_change_a_byte(own_cache):
    """The same checksums where NumPy is told to do without the vector instructions of this processor."""
    from numpy._core._multiarray_umath import __cpu_baseline__, __cpu_dispatch__, __cpu_features__

    optional = [f for f in __cpu_dispatch__ if __cpu_features__[f] and f not in __cpu_baseline__]
    code = "from tests.test_data import *; print(checksum_of_ads(), checksum_of_glyphs())"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ
        | {"NPY_DISABLE_CPU_FEATURES": " ".join(optional), "DLMAP_CACHE": str(own_cache / "plain")},
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == [ADS, GLYPHS]


def test_every_letter_of_every_style_is_drawn_and_differs():
    masters = glyphs._masters("ABCDEFGHIJKLMNOPQRSTUVWXYZ") & 255
    assert masters.shape == (36, 26, 64, 64)
    assert masters.max(axis=(2, 3)).min() > 100
    for letters in masters:  # a font without a letter would draw the same empty box twice
        assert len({letter.tobytes() for letter in letters}) == 26


def test_other_classes_are_other_letters():
    g = data.load("glyphs", n=50, classes="XYZ")
    assert g.class_names == ("X", "Y", "Z")
    assert set(g.labels) == {0, 1, 2}


def test_glyphs_can_be_learnt():
    train, unseen = data.load("glyphs", n=3000), data.load("glyphs", split="unseen", n=1000)
    model = LogisticRegression(C=0.003, max_iter=200).fit(train.x.reshape(3000, -1), train.labels)
    assert 0.70 < model.score(unseen.x.reshape(1000, -1), unseen.labels) < 0.95


# --- the cache


def test_the_second_time_comes_from_the_cache(monkeypatch):
    first = data.load("glyphs", n=50)
    monkeypatch.setattr(glyphs, "_draw", lambda *_: pytest.fail("drawn twice"))
    assert (data.load("glyphs", n=50).images == first.images).all()


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"\0" * len(b)])
def test_half_a_file_is_made_again(own_cache, damage):
    first = data.load("glyphs", n=50)
    (file,) = own_cache.glob("glyphs-*.npz")
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert (data.load("glyphs", n=50).images == first.images).all()
    assert file.read_bytes() == whole


def test_one_wrong_byte_is_noticed(own_cache):
    made = []

    def make() -> dict[str, np.ndarray]:
        made.append(1)
        return {"x": np.arange(1000)}

    store.cached("numbers", make)
    file = own_cache / "numbers.npz"
    content = bytearray(file.read_bytes())
    content[4000] ^= 1
    file.write_bytes(content)
    assert (store.cached("numbers", make)["x"] == np.arange(1000)).all()
    assert len(made) == 2


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("a file where a folder should be stops root as well")
    monkeypatch.setenv("DLMAP_CACHE", str(tmp_path / "file"))
    assert len(data.load("glyphs", n=20)) == 20
    assert data.status()


def test_a_full_disk_costs_only_time(own_cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(paths, "atomic_write", full)
    assert len(data.load("glyphs", n=20)) == 20
    assert not list(own_cache.glob("*.npz"))


def test_two_notebooks_that_start_together_draw_once(own_cache, tmp_path):
    code = f"""
import time
from utils.data import glyphs
from utils import data
draw = glyphs._draw
def slow(*options):
    open({str(tmp_path / "drawn")!r}, "a").write("x")
    time.sleep(0.5)
    return draw(*options)
glyphs._draw = slow
print(data.load("glyphs", n=100).images.sum())
"""
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=paths.ROOT)
        for _ in range(2)
    ]
    answers = {process.communicate(timeout=60)[0] for process in both}
    assert len(answers) == 1
    assert (tmp_path / "drawn").read_text() == "x"
    assert not list(own_cache.glob("*.part"))


# --- text


# The manual belongs to Python's version: the sums of those that were at hand.
MANUALS = {
    "3.11.2": "7c1720dff6d09601",
    "3.11.7": "47a217db09a150d5",
    "3.12.1": "03b1e8d97bd7d116",
    "3.13.0": "b9582a8d012426c7",
    "3.13.5": "047417974bc09c96",
}
DOCSTRINGS = "f2607ddebc2fa6b3"


def checksum_of_text(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def test_manual_is_long_and_the_same_each_time():
    manual = data.load("manual")
    python = platform.python_version()
    assert checksum_of_text(manual) == MANUALS.get(python, checksum_of_text(data.load("manual")))
    assert 400_000 < len(manual) < 700_000
    assert 'The "assert" statement' in manual
    assert len(set(manual)) < 200


def test_docstrings_are_a_million_plain_words(monkeypatch):
    docstrings = data.load("docstrings")
    sentences = docstrings.splitlines()
    assert checksum_of_text(docstrings) == DOCSTRINGS  # the text of the pinned packages, on any Python
    assert 900_000 < len(docstrings.split()) < 1_300_000
    assert len(set(sentences)) == len(sentences)
    assert min(len(sentence.split()) for sentence in sentences) >= 4
    assert set(docstrings) <= set("abcdefghijklmnopqrstuvwxyz- \n")
    for word in ("gradient", "matrix", "sparse", "distribution"):
        assert docstrings.count(f" {word} ") > 300
    monkeypatch.setattr(text, "_collect", lambda: pytest.fail("collected twice"))
    assert data.load("docstrings") == docstrings


def test_docstrings_do_not_depend_on_the_process():
    code = """
import hashlib
from utils.data import text
text.PACKAGES = {"matplotlib": "matplotlib"}
print(hashlib.sha256(text._collect().encode()).hexdigest())
"""
    sums = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=paths.ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(sums) == 1


def test_sentences_leave_code_and_markup_out():
    source = '''
def f():
    """Compute the *sum* of all `values` and return it, for each row. Too short.

    .. versionadded:: 1.2

    Parameters
    ----------
    x : array_like
        The values whose sum is asked for, see :func:`numpy.sum` or https://numpy.org for more.

    >>> print_the_secret_of_the_world(1, 2)
    """
'''
    assert list(text._sentences(source)) == [
        "compute the sum of all and return it for each row",
        "array like the values whose sum is asked for see or for more",
    ]


# --- scikit-learn's sets


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "diabetes", "wine"])
def test_tables_are_scikit_learn_s(name):
    table, source = data.load(name), getattr(datasets, f"load_{name}")()
    assert (table.x == source.data).all()
    assert (table.y == source.target).all()
    assert table.y.dtype == (np.float64 if name == "diabetes" else np.int64)
    assert len(table.feature_names) == table.x.shape[1]
    assert len(table.target_names) == (0 if name == "diabetes" else len(np.unique(table.y)))
    assert len(table) == len(source.target)


def test_photos():
    photos = data.load("photos")
    assert set(photos) == {"china", "flower"}
    assert {photo.shape for photo in photos.values()} == {(427, 640, 3)}
    assert {photo.dtype for photo in photos.values()} == {np.dtype(np.uint8)}


# --- downloaded sets


def test_the_manifest_is_torchvision_s():
    from utils import runtime

    runtime.torchvision_ready()
    from torchvision import datasets as theirs

    for name, entry in real.manifest().items():
        source = getattr(theirs, entry["torchvision"])
        listed = getattr(source, "resources", None) or [(source.filename, source.tgz_md5)]
        assert [(file.place.name, file.md5) for file in real.files(name)] == list(listed)
        assert all(mirror.startswith("http") and mirror.endswith("/") for mirror in real.mirrors(name))
    assert real.manifest()["fashion_mnist"]["classes"] == theirs.FashionMNIST.classes
    assert set(real.manifest()) == set(data.DOWNLOADED)


def idx(array: np.ndarray) -> bytes:
    """The gzipped IDX file of an array of bytes."""
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(head + array.tobytes(), mtime=0)


def archive(batches: dict[str, dict]) -> bytes:
    """A tar.gz of pickles, as CIFAR-10 comes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, batch in batches.items():
            content = pickle.dumps(batch)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.integers(0, 256, (5, 28, 28), np.uint8), np.arange(5, dtype=np.uint8)
COLOURS = RNG.integers(0, 256, (2, 3, 32, 32), np.uint8)
BATCH = {b"data": COLOURS.reshape(2, -1), b"labels": [3, 4]}
TINY = {
    "mnist": {"train-images-idx3-ubyte.gz": idx(IMAGES), "train-labels-idx1-ubyte.gz": idx(LABELS)},
    "cifar10": {"cifar-10-python.tar.gz": archive({f"data_batch_{i}": BATCH for i in range(1, 6)})},
}


class Mirror:
    """A web server on this machine. `spoil` says how it answers each of its first requests, in order."""

    def __init__(self, files: dict[str, bytes], spoil: list[str] | None = None):
        self.files, self.spoil, self.asked = files, list(spoil or []), []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.rpartition("/")[2]
        self.asked.append(name)
        fault = self.spoil.pop(0) if self.spoil else ""
        if fault == "missing" or name not in self.files:
            return request.send_error(404)
        body = self.files[name]
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if fault == "wrong":
            body = bytes(len(body))
        if fault == "cut":
            body = body[: len(body) // 2]
        request.wfile.write(body)
        return None

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve(monkeypatch) -> Iterator:
    """serve("mnist", [...], [...]): one mirror for each list of faults, and a manifest of tiny files."""
    with contextlib.ExitStack() as stack:

        def start(name: str, *faults: list[str]) -> list[Mirror]:
            content = TINY[name]
            entry = real.manifest()[name] | {
                "files": [
                    {"file": file, "size": len(body), "md5": hashlib.md5(body).hexdigest()}
                    for file, body in content.items()
                ]
            }
            servers = [Mirror(content, spoil) for spoil in faults]
            for server in servers:
                stack.callback(server.close)
            monkeypatch.setattr(real, "manifest", lambda: {name: entry})
            monkeypatch.setattr(real, "mirrors", lambda _: [server.url for server in servers])
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            monkeypatch.delenv("DLMAP_OFFLINE", raising=False)
            return servers

        yield start


def leftovers(cache: Path) -> list[Path]:
    return list(cache.rglob("*.part"))


def test_a_download_is_read_and_kept(serve, own_cache):
    (mirror,) = serve("mnist", [])
    for _ in range(2):
        train = data.load("mnist")
        assert (train.images == IMAGES).all()
        assert (train.labels == LABELS).all()
        assert train.labels.dtype == np.int64
        assert train.class_names == tuple("0123456789")
    assert len(mirror.asked) == 2  # two files, the second time from the cache
    assert (own_cache / "MNIST/raw/train-images-idx3-ubyte.gz").exists()
    assert not leftovers(own_cache)


def test_cifar10_is_read_from_its_archive(serve):
    serve("cifar10", [])
    train = data.load("cifar10")
    assert train.images.shape == (10, 32, 32, 3)
    assert (train.images[:2].transpose(0, 3, 1, 2) == COLOURS).all()
    assert train.labels.tolist() == [3, 4] * 5


@pytest.mark.parametrize("fault", ["missing", "wrong", "cut"])
def test_the_next_mirror_mends_what_the_first_one_spoils(serve, own_cache, fault):
    first, second = serve("mnist", [fault, fault], [])
    assert (data.load("mnist").images == IMAGES).all()
    assert len(first.asked) == len(second.asked) == 2
    assert not leftovers(own_cache)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("missing", "Not Found"), ("wrong", "sent a damaged file"), ("cut", "sent a damaged file")],
)
def test_a_failed_download_says_why_and_what_to_do(serve, own_cache, fault, reason):
    serve("mnist", [fault])
    with pytest.raises(UserError) as error:
        data.load("mnist")
    message = str(error.value)
    for part in ("mnist", reason, "DLMAP_DATA", "dlmap data mnist"):
        assert part in message
    assert "\n" not in message
    assert not leftovers(own_cache)
    assert not list(own_cache.rglob("*.gz"))
    assert (data.load("mnist").images == IMAGES).all()  # the next run mends it


def test_a_server_that_is_down(serve):
    (mirror,) = serve("mnist", [])
    mirror.close()
    with pytest.raises(UserError, match="refused"):
        data.load("mnist")


def test_an_interrupted_download_starts_again(serve, own_cache):
    serve("mnist", [])
    part = own_cache / "MNIST/raw/train-images-idx3-ubyte.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half of it")
    assert (data.load("mnist").images == IMAGES).all()
    assert not leftovers(own_cache)


def test_a_damaged_file_in_the_cache_is_brought_again(serve, own_cache):
    (mirror,) = serve("mnist", [])
    data.load("mnist")
    file = own_cache / "MNIST/raw/train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-5])
    assert (data.load("mnist").images == IMAGES).all()
    assert len(mirror.asked) == 3


def test_two_readers_that_start_together_download_once(serve):
    (mirror,) = serve("mnist", [])
    loaded = []
    threads = [threading.Thread(target=lambda: loaded.append(data.load("mnist"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((train.images == IMAGES).all() for train in loaded)
    assert len(loaded) == 2
    assert len(mirror.asked) == 2


def test_dlmap_data_comes_first(serve, tmp_path, monkeypatch):
    (mirror,) = serve("mnist", [])
    folder = tmp_path / "data/MNIST/raw"
    folder.mkdir(parents=True)
    for name, content in TINY["mnist"].items():
        (folder / name).write_bytes(content)
    monkeypatch.setenv("DLMAP_OFFLINE", "1")
    for place in (tmp_path / "data", os.path.relpath(tmp_path / "data", paths.ROOT)):
        monkeypatch.setenv("DLMAP_DATA", str(place))
        assert (data.load("mnist").images == IMAGES).all()
    assert not mirror.asked
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"mnist is damaged \(.*train-images.*\) and DLMAP_OFFLINE=1"):
        data.load("mnist")


def test_offline_is_an_error_never_something_else(serve, monkeypatch):
    (mirror,) = serve("mnist", [])
    monkeypatch.setenv("DLMAP_OFFLINE", "1")
    with pytest.raises(UserError) as error:
        data.load("mnist")
    for part in ("mnist", "DLMAP_OFFLINE=1", "DLMAP_DATA", "dlmap data mnist"):
        assert part in str(error.value)
    assert not mirror.asked


def test_a_download_that_cannot_be_stored_says_so(serve, tmp_path, monkeypatch):
    serve("mnist", [])
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DLMAP_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"mnist cannot be stored in .*DLMAP_CACHE"):
        data.load("mnist")


def test_prepare_and_status(serve, monkeypatch):
    serve("mnist", [])
    monkeypatch.setattr(data, "NAMES", ("ads", "glyphs", "wine", "mnist"))
    before = {row.name: row for row in data.status()}
    assert before["ads"].ready
    assert before["wine"].kind == "installed"
    assert not before["mnist"].ready
    assert "dlmap data mnist" in before["mnist"].place
    data.prepare("mnist")
    after = {row.name: row for row in data.status()}
    assert after["mnist"].ready
    assert after["mnist"].size == sum(len(content) for content in TINY["mnist"].values())


@pytest.mark.skipif(not REAL_DATA, reason="needs $DLMAP_DATA with Fashion-MNIST")
def test_real_fashion_mnist(monkeypatch):
    monkeypatch.setenv("DLMAP_DATA", REAL_DATA)
    for split, n in (("train", 60_000), ("test", 10_000)):
        fashion = data.load("fashion_mnist", split=split)
        assert fashion.images.shape == (n, 28, 28)
        assert (np.bincount(fashion.labels) == n // 10).all()
        assert fashion.class_names[9] == "Ankle boot"
