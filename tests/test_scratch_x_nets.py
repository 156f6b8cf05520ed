"""Lecture 11's plumbing: letters stay letters, what is frozen stays frozen, a fair reader reads."""

import pytest
import torch
from torch import nn

from utils import runtime
from utils.scratch import x_nets


@pytest.fixture(autouse=True)
def run():
    return runtime.setup("lecture", 0, "cpu", threads=1)


def squares(n=12):
    """Black squares in the middle of a page, and labels 0, 1, 2, …"""
    x = torch.zeros(n, 1, 28, 28)
    x[:, :, 10:18, 10:18] = 1
    return x, torch.arange(n) % 10


def test_moved_by_nothing_is_the_picture_and_by_half_a_page_is_half_a_page_on():
    x, _ = squares()
    one, none = torch.ones(len(x)), torch.zeros(len(x))
    assert torch.allclose(x_nets.moved(x, one, none, torch.zeros(len(x), 2)), x, atol=1e-5)
    right = x_nets.moved(x, one, none, torch.tensor([[-0.5, 0.0]]).repeat(len(x), 1))
    assert torch.allclose(right[:, :, :, 7:], x[:, :, :, :-7], atol=1e-5)


def test_letters_of_any_size_stay_on_the_page_and_come_back_the_same():
    x, y = squares(50)
    small, labels = x_nets.any_size((x, y), 3)
    ink = small.sum((1, 2, 3)) / x.sum((1, 2, 3))
    assert torch.equal(labels, y) and 0.1 < ink.min() < ink.max() <= 1.05
    assert torch.equal(small, x_nets.any_size((x, y), 3)[0])


def test_a_page_holds_two_different_letters_and_each_of_them_alone():
    page, labels, alone = x_nets.overlap(squares(40), 0)
    assert (labels[:, 0] != labels[:, 1]).all()
    assert page.shape[1:] == (1, 14, 14) and torch.equal(page[:, 0], alone.amax(dim=1))


def test_a_refitted_head_reads_what_is_there():
    y = torch.arange(300) % 10
    told, silent = torch.eye(10)[y], torch.ones(300, 2)
    assert x_nets.refitted([silent, told], y, [silent, told], y) == pytest.approx([10, 100])


def test_tune_moves_the_named_modules_only_and_not_the_frozen_statistics():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 26 * 26, 10))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x_nets.tune(net, {net[3]: 1e-2}, *squares(), steps=3)
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"3.weight", "3.bias"}


def test_train_takes_the_steps_it_is_told_and_the_best_rate_is_chosen_on_other_letters():
    calls = []

    def count(scores, y):
        calls.append(len(y))
        return nn.functional.cross_entropy(scores, y)

    letters = squares()

    def make():
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

    net = x_nets.best(make, letters, letters, (1e-3, 1e-2), 5, loss=count, batch=4, score=lambda *_: 0)
    assert calls == 10 * [4] and not net.training


def test_a_start_repeats_itself_and_another_one_differs():
    letters = squares()

    def weight(start):
        def make():
            return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

        return x_nets.best(make, letters, letters, (1e-3,), 2, batch=4, start=start)[1].weight

    assert torch.equal(weight(0), weight(0)) and not torch.allclose(weight(0), weight(1))


def test_the_published_counts_are_ours():
    def count(net):
        return sum(p.numel() for p in net.parameters()), 0

    with pytest.raises(ValueError, match=r"AlexNet: counted 61,100,840 and 0, published"):
        x_nets.imagenet(count)
    assert x_nets.narrow_resnet(16)(torch.zeros(2, 1, 28, 28)).shape == (2, 16)
