"""Two questions about sequences, one that words answer and one that only order answers, and two classifiers.

sequences, answers = carts(rng)
bag(train, test), bag(train, test, pairs=True)          # accuracies of a logistic regression on counts
read(Classifier, train, test, epochs=4)                 # accuracy of a net that reads

Built for lecture 12. A part, as `train`, is a pair: a list of sequences of words, and their answers.
"""

import re
from collections import Counter
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from utils import data, training

EVENTS = ["search", "view", "add", "remove", "help", "pay", "review"]
Part = tuple[list, list]


def sentences(rng: np.random.Generator) -> Part:
    """Sentences of 6 to 30 words, half of Python's manual (True), half of docstrings (False)."""
    pieces = re.split(r"(?<=[.!?:;])\s+|\n\s*\n", data.load("manual").lower())
    manual = dict.fromkeys(tuple(re.findall(r"[a-z]+", piece)) for piece in pieces)  # each once
    manual = [list(words) for words in manual if 6 <= len(words) <= 30]
    docs = [words for words in map(str.split, data.load("docstrings").splitlines()) if 6 <= len(words) <= 30]
    docs = [docs[i] for i in rng.permutation(len(docs))[: len(manual)]]
    return manual + docs, [True] * len(manual) + [False] * len(docs)


def carts(rng: np.random.Generator, visits: int = 5000) -> Part:
    """Visits of 8 to 30 events; is the cart full at the end: was the last change an `add`, not a `remove`?"""
    visits = [list(rng.choice(EVENTS, rng.integers(8, 31))) for _ in range(visits)]
    changes = [[event for event in visit if event in ("add", "remove")] for visit in visits]
    return visits, [events[-1:] == ["add"] for events in changes]


def split(part: Part, rng: np.random.Generator, test: int = 1000) -> tuple[Part, Part]:
    """Rows to train on, and `test` others, drawn at random."""
    order = rng.permutation(len(part[0]))
    return tuple(
        ([part[0][i] for i in rows], [part[1][i] for i in rows]) for rows in (order[test:], order[:test])
    )


def bag(train: Part, test: Part, pairs: bool = False) -> float:
    """Accuracy of a logistic regression on counts of words, and of pairs of neighbours."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    def features(words):
        return words + [f"{a} {b}" for a, b in pairwise(words)] if pairs else words

    counts = CountVectorizer(analyzer=features, min_df=2)
    model = LogisticRegression(max_iter=500).fit(counts.fit_transform(train[0]), train[1])
    return model.score(counts.transform(test[0]), test[1])


def read(net: type[nn.Module], train: Part, test: Part, *, epochs: int, device=None) -> float:
    """Accuracy of `net(words)`, on rows (B, T): 0 pads, 1 is any word beyond the 3,000 commonest."""
    common = Counter(word for words in train[0] for word in words).most_common(3000)
    number = {word: i + 2 for i, (word, _) in enumerate(common)}
    rows = [torch.tensor([number.get(word, 1) for word in words]) for words in train[0] + test[0]]
    x, y = nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor([*train[1], *test[1]]).long()
    n, model = len(train[0]), net(len(number) + 2).to(device)
    training.fit(model, (x[:n], y[:n]), epochs=epochs, lr=0.01, batch_size=64)
    return training.evaluate(model, (x[n:], y[n:]))[1]
