"""Gate 6: what lecture 12 asks about order, and the bag that does not see it."""

import numpy as np

from utils.scratch import order


def test_a_cart_is_full_after_an_add_and_empty_after_a_remove():
    visits, full = order.carts(np.random.default_rng(0), visits=300)
    for visit, answer in zip(visits, full, strict=True):
        last = [event for event in visit if event in ("add", "remove")]
        assert 8 <= len(visit) <= 30 and answer == (bool(last) and last[-1] == "add")


def test_split_keeps_answers_with_their_sequences():
    part = [[str(i)] for i in range(50)], list(range(50))
    train, test = order.split(part, np.random.default_rng(0), test=10)
    assert len(test[0]) == 10 and sorted(train[1] + test[1]) == part[1]
    assert all(words == [str(answer)] for words, answer in zip(*map(list, train), strict=True))


def test_a_bag_sees_words_and_order_only_in_pairs():
    rng = np.random.default_rng(0)
    rows = [["a", "b"] if rng.random() < 0.5 else ["b", "a"] for _ in range(200)]
    part = rows, [row[0] == "a" for row in rows]
    assert order.bag(part, part, pairs=True) == 1 and order.bag(part, part) < 0.7
