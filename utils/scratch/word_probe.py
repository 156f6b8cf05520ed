"""The probe of lecture 09: does a table of word vectors put words of one kind together?

    group_scores(vectors.words, vectors.table)     # {"colours": 0.93, "numbers": 0.99, ...}; chance is 0.5

A word-similarity test without judges: words of one kind should be nearer to each other than to words of
other kinds. Written by hand before any model was trained; words that a corpus does not have are skipped.
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
