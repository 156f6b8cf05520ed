"""Glyphs: 28×28 pictures of capital letters, drawn from the fonts that matplotlib ships, then disturbed.

Every picture is rotated, sheared, scaled and shifted, made bolder or thinner, and gets noise. The sampling is
done in whole numbers (16 bits after the point), so that all machines draw the same bytes.
"""

import string
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from utils.data.store import Images, cached, fingerprint, whole
from utils.errors import UserError, choose

MASTER, LETTER, SIDE = 64, 46, 28  # pixels: the master's side, the letter in it, the picture's side
FINE = 2 * SIDE  # sampled at twice the size, then averaged down
ONE = 1 << 16  # 1.0 in fixed point
BATCH = 100  # pictures at a time: small enough for the processor's cache
SPLITS = {"train": 20_000, "test": 4_000, "unseen": 4_000}

_PLAIN = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique",
    "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique",
    "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic",
    "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta",
    "cmb10", "cmr10", "cmss10", "cmsy10", "cmti10", "cmtt10",
)  # fmt: skip
# Style -> (font file, code point of its A). Unicode has whole alphabets for mathematics, and STIX draws them.
STYLES = {name: (name, ord("A")) for name in _PLAIN} | {
    "STIX script": ("STIXGeneral", 0x1D49C),
    "STIX bold script": ("STIXGeneral", 0x1D4D0),
    "STIX fraktur": ("STIXGeneral", 0x1D504),
    "STIX bold fraktur": ("STIXGeneral", 0x1D56C),
    "STIX double-struck": ("STIXGeneral", 0x1D538),
    "STIX sans": ("STIXGeneral", 0x1D5A0),
    "STIX sans bold": ("STIXGeneral", 0x1D5D4),
    "STIX sans italic": ("STIXGeneral", 0x1D608),
    "STIX sans bold italic": ("STIXGeneral", 0x1D63C),
    "STIX mono": ("STIXGeneral", 0x1D670),
    "STIX circled": ("STIXGeneral", 0x24B6),
    "DejaVuSans double-struck": ("DejaVuSans", 0x1D538),
    "DejaVuSans-Bold double-struck": ("DejaVuSans-Bold", 0x1D538),
    "DejaVuSerif double-struck": ("DejaVuSerif", 0x1D538),
}
UNSEEN = (
    "cmb10", "cmss10", "cmti10", "cmtt10", "DejaVuSansMono-BoldOblique", "DejaVuSerif double-struck",
    "STIX bold script", "STIX bold fraktur", "STIX sans bold italic",
)  # fmt: skip
# Unicode had some of these letters before it had the alphabets; those stay where they were.
_ELSEWHERE = {
    0x1D49C: dict(zip("BEFHILMR", "ℬℰℱℋℐℒℳℛ", strict=True)),
    0x1D504: dict(zip("CHIRZ", "ℭℌℑℜℨ", strict=True)),
    0x1D538: dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ", strict=True)),
}


@dataclass(frozen=True)
class Glyphs(Images):
    """Pictures of letters. `styles`: (n,) int64, the font of each, an index into `style_names`."""

    styles: np.ndarray
    style_names: tuple[str, ...]


def load_glyphs(
    split: str = "train", n: int | None = None, seed: int = 0, classes: str = "ABCDEFGHIJ"
) -> Glyphs:
    """n pictures, 28×28; by default 20,000 to train on, 4,000 for the other splits.

    "train" and "test" share 27 font styles; "unseen" has nine others: does it read letters, or fonts?
    Raises UserError for an unknown split, or classes that are not different capital letters.
    """
    if split not in SPLITS:
        raise choose("split", split, SPLITS)
    letters = set(classes) if isinstance(classes, str) else set()
    if not letters or len(letters) < len(classes) or not letters <= set(string.ascii_uppercase):
        raise UserError(f"classes is {classes!r}; expected different letters from A to Z, such as 'ABCD'")
    n = SPLITS[split] if n is None else whole("n", n, least=1)
    seed = whole("seed", seed)
    recipe = fingerprint(
        Path(__file__), version("matplotlib"), version("pillow"), version("numpy"), seed, classes
    )
    arrays = cached(f"glyphs-{split}-{n}-{recipe}", lambda: _draw(split, n, seed, classes))
    return Glyphs(class_names=tuple(classes), style_names=tuple(STYLES), **arrays)


def _draw(split: str, n: int, seed: int, classes: str) -> dict[str, np.ndarray]:
    """Choose letters and styles, disturb them, sample them."""
    streams = np.random.SeedSequence([seed, list(SPLITS).index(split)]).spawn(3)
    choice, shape, grain = (np.random.default_rng(stream) for stream in streams)
    allowed = np.array([i for i, name in enumerate(STYLES) if (name in UNSEEN) == (split == "unseen")])
    styles, labels = choice.choice(allowed, n), choice.integers(0, len(classes), n)
    affine, weight = _disturbance(n, shape)

    pixels = _masters(classes).reshape(-1)
    start = (styles * len(classes) + labels) * MASTER**2
    images = np.empty((n, SIDE, SIDE), np.uint8)
    for first in range(0, n, BATCH):
        rows = slice(first, first + BATCH)
        clean = _sample(pixels, start[rows], affine[rows], weight[rows])
        noise = grain.standard_normal(clean.shape, dtype=np.float32) * np.float32(0.08 * 255)
        images[rows] = np.clip(clean + np.rint(noise).astype(np.int32), 0, 255)
    return {"images": images, "labels": labels, "styles": styles}


def _disturbance(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Random affine maps from a picture's fine grid to its master, and stroke weights.

    Returns (n, 2, 3) int64, rows for x and y, in fixed point; (n,) int32, a shift of the ink's threshold.
    """
    angle = np.deg2rad(rng.normal(0, 7.5, n))
    shear, stretch = rng.normal(0, 0.125, n), np.exp(rng.normal(0, 0.08, n))
    size = rng.uniform(0.8, 1.1, n)
    shift = rng.normal(0, 0.05, (2, n))  # in half sides
    weight = np.clip(rng.normal(0, 1, n), -2, 2)

    cos, sin, zero = np.cos(angle), np.sin(angle), np.zeros(n)
    turn = np.array([[cos, -sin], [sin, cos]])
    slant = np.array([[stretch, shear], [zero, 1 / stretch]])
    linear = np.einsum("ijn,jkn->nik", turn, slant) / size[:, None, None]
    # A fine pixel j lies at (2j + 1) / FINE - 1, from -1 to 1; a point u there is master pixel 32u + 31.5.
    step = linear * MASTER / FINE
    origin = (linear * (1 / FINE - 1)).sum(2) + shift.T
    offset = origin * MASTER / 2 + (MASTER - 1) / 2
    affine = np.concatenate([step, offset[:, :, None]], axis=2)
    return np.rint(affine * ONE).astype(np.int64), np.rint(weight * 0.12 * 255).astype(np.int32)


def _sample(pixels: np.ndarray, start: np.ndarray, affine: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Read B letters through their affine maps, bilinearly: (B, 28, 28) int32, 0 to 255."""
    j = np.arange(FINE)
    x, y = (
        a[:, None, None] * j + b[:, None, None] * j[:, None] + c[:, None, None]
        for a, b, c in (affine[:, 0].T, affine[:, 1].T)
    )  # (B, 56, 56) each; outside the master there is only paper, as on its edge
    for position in (x, y):
        np.clip(position, 0, (MASTER - 1) * ONE - 1, out=position)
    four = pixels[start[:, None, None] + (y >> 16) * MASTER + (x >> 16)]  # the four neighbours in one word
    x, y = ((position.astype(np.int32) >> 8) & 255 for position in (x, y))
    top = (four & 255) * (256 - x) + (four >> 8 & 255) * x
    bottom = (four >> 16 & 255) * (256 - x) + (four >> 24 & 255) * x
    ink = (top * (256 - y) + bottom * y + ONE // 2) >> 16
    ink = _INK[ink + weight[:, None, None] + 64]
    return (ink.reshape(-1, SIDE, 2, SIDE, 2).sum((2, 4), dtype=np.int32) + 2) >> 2


# A soft threshold turns the blurred master into a stroke, and moving it makes the stroke bolder or thinner.
_INK = np.rint(255 / (1 + np.exp(-10 * (np.arange(-64, 256 + 64) / 255 - 0.5)))).astype(np.uint8)


@cache
def _masters(classes: str) -> np.ndarray:
    """All letters in all styles: (36, classes, 64, 64) int32; a word holds a pixel and three neighbours."""
    from matplotlib import get_data_path
    from PIL import Image, ImageDraw, ImageFilter, ImageFont

    fonts = Path(get_data_path()) / "fonts" / "ttf"
    sheet = np.zeros((len(STYLES), len(classes), MASTER + 1, MASTER + 1), np.uint32)
    for row, (file, a) in enumerate(STYLES.values()):
        font = ImageFont.truetype(fonts / f"{file}.ttf", 48, layout_engine=ImageFont.Layout.BASIC)
        for column, letter in enumerate(classes):
            symbol = _ELSEWHERE.get(a, {}).get(letter, chr(a + ord(letter) - ord("A")))
            canvas = Image.new("L", (4 * MASTER, 4 * MASTER))
            ImageDraw.Draw(canvas).text((MASTER, MASTER), symbol, font=font, fill=255)
            drawn = canvas.crop(canvas.getbbox())
            scale = LETTER / max(drawn.size)
            drawn = drawn.resize(
                [max(1, round(side * scale)) for side in drawn.size], Image.Resampling.BICUBIC
            )
            master = Image.new("L", (MASTER, MASTER))
            master.paste(drawn, ((MASTER - drawn.width) // 2, (MASTER - drawn.height) // 2))
            sheet[row, column, :-1, :-1] = np.asarray(master.filter(ImageFilter.BoxBlur(2)))
    right, below = sheet[..., :-1, 1:] << 8, sheet[..., 1:, :-1] << 16
    return (sheet[..., :-1, :-1] | right | below | sheet[..., 1:, 1:] << 24).view(np.int32)
