"""The probes of lecture 09: does a table of word vectors put words of one kind, and plurals, together?

    group_scores(vectors.words, vectors.table)     # {"colours": 0.93, "numbers": 0.99, ...}; chance is 0.5
    hits(vectors.table, plurals(corpus.words, corpus.count))     # a share for each pair: 0, 0.5 or 1

Word-similarity tests without judges. Words of one kind should be nearer to each other than to words of other
kinds: the kinds were written by hand before any model was trained; words that a corpus does not have are
skipped. And a word with an s should be among the nearest of the word without.
"""

from collections.abc import Mapping, Sequence

import numpy as np

GROUPS = {
    "colours": "red blue green yellow black white orange purple gray cyan magenta",
    "numbers": "one two three four five six seven eight ten",
    "types": "int float bool str list tuple dict string integer boolean complex",
    "parts of a plot": "axes figure plot legend title label ticks line marker text",
    "sides": "left right top bottom upper lower above below",
    "linear algebra": "matrix vector eigenvalues eigenvectors inverse determinant diagonal rank singular",
    "distributions": "normal gaussian poisson binomial gamma exponential uniform beta",
    "statistics": "mean median variance deviation average quantile mode covariance",
    "models": "classifier regressor estimator tree forest ensemble regression clustering",
    "deep learning": "tensor gradient layer backward cuda gpu module embedding",
    "functions": "sine cosine tangent logarithm exponential sqrt",
    "files": "file directory path filename folder disk",
    "errors": "error warning exception valueerror typeerror",
    "time": "seconds minutes hours day month year date",
    "shapes": "circle ellipse rectangle polygon triangle square",
    "words of change": "increase decrease reduce grow shrink enlarge",
    "size": "large small big tiny huge smaller larger",
    "fonts": "font bold italic serif weight family",
    "signals": "signal filter frequency spectrum sampling noise fourier",
    "distances": "distance metric euclidean manhattan similarity cosine",
}
# Six pairs a family, one after the other: any two pairs make an analogy.
ANALOGIES = {
    "plural": "row rows column columns value values matrix matrices index indices array arrays",
    "past": "compute computed return returned use used apply applied specify specified store stored",
    "-ing": "compute computing use using apply applying train training call calling test testing",
    "opposite": "minimum maximum left right upper lower first last horizontal vertical min max",
}


def group_scores(
    words: Sequence[str], table: np.ndarray, groups: Mapping[str, str] = GROUPS
) -> dict[str, float]:
    """How often a word is nearer to one of its own kind than to one of another: a score for each kind.

    For each pair a, b of one kind: the share of the probe's words c, of kinds that a does not belong to, with
    cosine(a, b) > cosine(a, c); averaged over the pairs of the kind. Chance is 0.5, a tie counts a half.
    Kinds with fewer than two known words, or with nothing of another kind to compare with, are left out.
    words: V names; table: (V, dim); groups: each kind's words, with spaces between them.
    Raises: ValueError if no kind can be judged, or the table does not fit the words.
    """
    table = np.asarray(table, dtype=float)
    if table.ndim != 2 or len(table) != len(words):
        raise ValueError(f"the table has shape {table.shape}; expected a row for each of {len(words)} words")
    index = {word: i for i, word in enumerate(words)}
    known = {name: [word for word in kind.split() if word in index] for name, kind in groups.items()}
    known = {name: kind for name, kind in known.items() if len(kind) > 1}
    if len(known) < 2:
        raise ValueError("fewer than two kinds have two known words; is this a corpus of technical English?")
    probe = list(dict.fromkeys(word for kind in known.values() for word in kind))
    unit = table[[index[word] for word in probe]]
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    cosine = unit @ unit.T
    member = np.array([[word in kind for word in probe] for kind in known.values()])  # (kinds, words)
    foreign = ~(member.T @ member)  # (words, words): no kind holds both
    scores = {}
    for name, mine in zip(known, member, strict=True):
        pairs = [
            (np.sign(cosine[a, b] - cosine[a, foreign[a]]).mean() + 1) / 2  # nearer 1, a tie a half
            for a in np.flatnonzero(mine)
            for b in np.flatnonzero(mine)
            if a != b and foreign[a].any()
        ]
        if pairs:
            scores[name] = float(np.mean(pairs))
    return scores


def plurals(words: Sequence[str], count: Sequence[int], at_least: int = 20) -> np.ndarray:
    """Pairs of a word and the same with an s: (pairs, 2) row numbers.

    words: V names of three letters or more; count: (V,) how often each occurs, `at_least` times in a pair.
    """
    index = {word: i for i, word in enumerate(words) if count[i] >= at_least}
    pairs = [(i, index[word + "s"]) for word, i in index.items() if len(word) > 2 and word + "s" in index]
    return np.array(pairs, dtype=int).reshape(-1, 2)


def hits(table: np.ndarray, pairs: np.ndarray, n: int = 10) -> np.ndarray:
    """How often each word of a pair is among the n nearest of the other, by cosine: (pairs,) of 0, 0.5, 1.

    table: (V, dim), all of whose rows are candidates; pairs: (pairs, 2) row numbers.
    """
    unit = np.asarray(table, dtype=np.float32)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    pair, found = np.arange(len(pairs)), np.zeros(len(pairs))
    for one, other in (pairs.T, pairs.T[::-1]):
        cosine = unit[one] @ unit.T  # (pairs, V)
        cosine[pair, one] = -1  # a word is not its own neighbour
        nearer = cosine > cosine[pair, other][:, None]
        found += nearer.sum(axis=1) < n
    return found / 2
