"""Small samples of letters with some wrong labels, for fair comparisons: the patients of lecture 06.

Each sample has 300 pictures of the data set `glyphs`, 14 × 14 pixels; all are judged on the same test
pictures. The same seed and number give the same sample, so every remedy meets the same rows and mistakes.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from utils import data

ROWS = 300


class Letters:
    """`samples` samples of 300 letters A to J, and 2,000 test pictures with right labels.

    `x_test` (2000, 1, 14, 14), `y_test` (2000,) and all samples are on `device`; `names[k]` is letter k.
    """

    def __init__(self, samples: int, seed: int, device=None):
        self.seed, self.device = seed, device
        self._drawn = data.load("glyphs", split="train", n=samples * ROWS, seed=seed)
        test = data.load("glyphs", split="test", n=2000, seed=seed)
        self.names = test.class_names
        self.x_test, self.y_test = self._pictures(test.images), torch.tensor(test.labels, device=device)

    def sample(self, i: int, wrong: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
        """Sample i: pictures (300, 1, 14, 14), the labels given, a share of them `wrong`, and the true ones.

        A wrong label is another letter, all nine equally likely. Raises: IndexError for an i too large.
        """
        source, rows = np.random.default_rng([self.seed, i]), slice(i * ROWS, (i + 1) * ROWS)
        true = self._drawn.labels[rows]
        if len(true) < ROWS:
            raise IndexError(f"sample {i} was not drawn: there are {len(self._drawn.labels) // ROWS}")
        other = (true + source.integers(1, 10, ROWS)) % 10
        given = np.where(source.random(ROWS) < wrong, other, true)
        labels = (torch.tensor(values, device=self.device) for values in (given, true))
        return self._pictures(self._drawn.images[rows]), *labels

    def _pictures(self, images: np.ndarray) -> Tensor:
        """Bytes (n, 28, 28) -> (n, 1, 14, 14): each pixel the mean of four; ink has spread 1, about."""
        x = torch.tensor(images, dtype=torch.float32, device=self.device)[:, None]
        return F.avg_pool2d(x, 2) / 64


def report(names: Sequence[str], right: Sequence, wrong: Sequence) -> None:
    """Print a row for each name: log-loss and accuracy (share) with right labels, then with wrong ones."""
    print(f"{'log-loss (nats), accuracy (%)':32}{'right labels':>14}{'three of ten wrong':>22}")
    for name, *pairs in zip(names, right, wrong, strict=True):
        cells = [f"{loss:.2f} {100 * accuracy:6.1f}" for loss, accuracy in pairs]
        print(f"{name:32}{cells[0]:>14}{cells[1]:>22}")
