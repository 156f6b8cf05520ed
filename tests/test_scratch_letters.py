"""The samples of lecture 06: the same for the same number, with as many wrong labels as were asked for."""

import pytest
import torch

from utils.scratch.letters import ROWS, Letters, report


@pytest.fixture(scope="module")
def letters():
    return Letters(3, seed=5)


def test_a_sample_is_the_same_each_time_and_another_for_another_number(letters):
    x, given, true = letters.sample(1, wrong=0.3)
    again = letters.sample(1, wrong=0.3)
    assert x.shape == (ROWS, 1, 14, 14) and given.shape == true.shape == (ROWS,)
    assert all(torch.equal(a, b) for a, b in zip((x, given, true), again, strict=True))
    assert not torch.equal(x, letters.sample(2)[0])
    with pytest.raises(IndexError, match="sample 3 was not drawn: there are 3"):
        letters.sample(3)


def test_wrong_labels_are_other_letters_and_none_without_a_share(letters):
    _, given, true = letters.sample(0, wrong=1.0)
    assert not (given == true).any() and len(set(((given - true) % 10).tolist())) == 9
    _, given, true = letters.sample(0, wrong=0.3)
    assert 0.2 < (given != true).float().mean() < 0.4
    _, given, true = letters.sample(0)
    assert torch.equal(given, true)


def test_pixels_are_means_of_four_and_the_test_pictures_keep_their_labels(letters):
    assert letters.x_test.shape == (2000, 1, 14, 14) and letters.y_test.shape == (2000,)
    assert letters.x_test.min() >= 0 and letters.x_test.max() <= 255 / 64
    assert len(letters.names) == 10 and set(letters.y_test.tolist()) == set(range(10))


def test_the_report_shows_per_cent(capsys):
    report(["a", "b"], [(0.5, 0.25), (1, 0.5)], [(2, 0.125), (3, 1)])
    _, first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["a", "0.50", "25.0", "2.00", "12.5"]
    assert second.split() == ["b", "1.00", "50.0", "3.00", "100.0"]
