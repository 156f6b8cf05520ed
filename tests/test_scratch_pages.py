"""Lecture 10's pages hold their letters where they say, and equal filters make `Local` a convolution."""

import numpy as np
import torch
from torch.nn import functional as F

from utils import data
from utils.scratch.pages import Local, pages, scenes


def test_a_page_is_one_letter_at_a_corner_in_range():
    letters = data.load("glyphs", n=20, seed=3)
    x, y = pages(letters, 6, 9, np.random.default_rng(0))
    assert x.shape == (20, 1, 36, 36)
    assert (y.numpy() == letters.labels).all()
    assert not x[:, :, :6].any() and not x[:, :, 9 + 14 :].any()
    assert not x[..., :6].any() and not x[..., 9 + 14 :].any()
    ink = letters.x.sum(axis=(1, 2)) / 4  # half as large in both directions, and as dark
    assert np.allclose(x.sum(dim=(1, 2, 3)).numpy(), ink, rtol=1e-4)


def test_a_scene_labels_the_ink_of_both_its_letters():
    letters = data.load("glyphs", n=21, seed=3, classes="ABCDE")
    x, y = scenes(letters, np.random.default_rng(0))
    assert (x.shape, y.shape) == ((10, 1, 16, 32), (10, 16, 32))
    assert ((x[:, 0] > 0.35) == (y > 0)).all()
    for i in range(20):
        half = y[i // 2, :, 16 * (i % 2) : 16 * (i % 2) + 16]
        assert set(half.unique().tolist()) <= {0, int(letters.labels[i]) + 1}


def test_local_with_equal_filters_is_a_convolution():
    torch.manual_seed(0)
    layer, x = Local(2, 3, 5, side=12, stride=2), torch.randn(4, 2, 12, 12)
    with torch.no_grad():
        layer.w[:], layer.b[:] = layer.w[:1].clone(), layer.b[:1].clone()
        w = layer.w[0].T.reshape(3, 2, 5, 5)
        wanted = F.conv2d(x, w, layer.b[0, 0], stride=2)
        assert torch.allclose(layer(x), wanted, atol=1e-5)
