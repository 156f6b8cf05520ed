"""Wrong answers to lecture 08's tasks, each with its message, and right ones written otherwise."""

import numpy as np
import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from utils.scratch.factorization import FactorizationMachine, WideAndDeep, fit_clicks


# ------------------------------------------------------------------------------------------------ pool
def pooled(divide="weights", ends=lambda offsets, n: [*offsets[1:], n], weighted=True):
    def mean_vectors(table, ids, offsets, weights):
        out = np.zeros((len(offsets), table.shape[1]))
        w = weights if weighted else np.ones(len(ids))
        for user, (begin, end) in enumerate(zip(offsets, ends(offsets, len(ids)), strict=True)):
            total = (w[begin:end, None] * table[ids[begin:end]]).sum(axis=0)
            by = {"weights": w[begin:end].sum(), "count": end - begin, "nothing": 1}[divide]
            out[user] = total / by if by else total
        return out

    return mean_vectors


def plain_division(table, ids, offsets, weights):
    """As if nobody had clicked nothing."""
    user = np.repeat(np.arange(len(offsets)), np.diff(np.append(offsets, len(ids))))
    total, weight = np.zeros((len(offsets), table.shape[1])), np.zeros(len(offsets))
    np.add.at(total, user, weights[:, None] * table[ids])
    np.add.at(weight, user, weights)
    with np.errstate(invalid="ignore"):
        return total / weight[:, None]


def plus_equals(table, ids, offsets, weights):
    user = np.repeat(np.arange(len(offsets)), np.diff(np.append(offsets, len(ids))))
    total, weight = np.zeros((len(offsets), table.shape[1])), np.zeros(len(offsets))
    total[user] += weights[:, None] * table[ids]
    weight[user] += weights
    return total / np.where(weight > 0, weight, 1)[:, None]


def reduceat(table, ids, offsets, weights):
    """The obvious function, which gives an empty list the row that follows."""
    total = np.add.reduceat(weights[:, None] * table[ids], offsets)
    return total / np.add.reduceat(weights, offsets)[:, None]


def bag_of_sums(table, ids, offsets, weights):
    bag = torch.nn.EmbeddingBag.from_pretrained(torch.tensor(table), mode="sum")
    return bag(torch.tensor(ids), torch.tensor(offsets)).numpy()


def by_two_bags(table, ids, offsets, weights):
    """A weighted sum by the library, divided by the weighted sum of ones."""
    ones = np.hstack([table, np.ones((len(table), 1))])
    both = torch.nn.functional.embedding_bag(
        torch.tensor(ids),
        torch.tensor(ones),
        torch.tensor(offsets),
        mode="sum",
        per_sample_weights=torch.tensor(weights),
    ).numpy()
    return both[:, :-1] / np.where(both[:, -1:] > 0, both[:, -1:], 1)


def by_matrix(table, ids, offsets, weights):
    """The product of the lecture: a row of shares for each user, times the table."""
    shares = np.zeros((len(offsets), len(table)))
    user = np.searchsorted(offsets, np.arange(len(ids)), side="right") - 1
    np.add.at(shares, (user, ids), weights)
    total = shares.sum(axis=1, keepdims=True)
    return np.divide(shares, total, out=shares, where=total > 0) @ table


# ------------------------------------------------------------------------------------------------- pca
def pca_with(scale=np.ptp, ddof=0, share="all", sign=True, center=True):
    def scaled_pca(X, k):
        Z = X - X.mean(axis=0) if center else X.copy()
        if scale is not None:
            spread = X.std(axis=0, ddof=ddof)
            Z = Z / np.where(scale(X, axis=0) > 0, spread, 1)
        _, S, Vt = np.linalg.svd(Z, full_matrices=False)
        turn = np.sign(Vt[np.arange(k), np.abs(Vt[:k]).argmax(axis=1)]) if sign else np.ones(k)
        squares = S if share == "roots" else S**2
        total = squares[:k].sum() if share == "first" else squares.sum()
        return Z @ Vt[:k].T * turn, squares[:k] / total

    return scaled_pca


def by_library(X, k):
    model = PCA(k, svd_solver="full").fit(StandardScaler().fit_transform(X))
    axes = model.components_
    sign = np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1, keepdims=True), axis=1))[:, 0]
    return model.transform(StandardScaler().fit_transform(X)) * sign, model.explained_variance_ratio_


def by_correlation(X, k):
    """Eigenvectors of the correlation matrix, constants left out and put back as zeros."""
    change = np.ptp(X, axis=0) > 0
    Z = (X[:, change] - X[:, change].mean(axis=0)) / X[:, change].std(axis=0)
    values, vectors = np.linalg.eigh(Z.T @ Z / len(Z))
    values, vectors = values[::-1], vectors[:, ::-1][:, :k]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    return Z @ vectors, values[:k] / values.sum()


def divides_by_zero(X, k):
    with np.errstate(invalid="ignore", divide="ignore"):
        Z = (X - X.mean(axis=0)) / X.std(axis=0)
    _, S, Vt = np.linalg.svd(Z, full_matrices=False)
    return Z @ Vt[:k].T, S[:k] ** 2 / (S**2).sum()


def whitened(X, k):
    codes, kept = pca_with()(X, k)
    return codes / codes.std(axis=0), kept


def axes_instead(X, k):
    _, kept = pca_with()(X, k)
    Z = (X - X.mean(axis=0)) / np.where(np.ptp(X, axis=0) > 0, X.std(axis=0), 1)
    return np.linalg.svd(Z, full_matrices=False)[2][:k], kept


# ------------------------------------------------------------------------------------------------ turn
def common(names_old, names_new):
    _, i, j = np.intersect1d(names_old, names_new, return_indices=True)
    return i, j


def the_lectures_line(old, names_old, new, names_new):
    rotation, _ = orthogonal_procrustes(new, old)
    return new @ rotation


def first_rows(old, names_old, new, names_new):
    both = min(len(old), len(new))
    return new @ orthogonal_procrustes(new[:both], old[:both])[0]


def sorted_rows(old, names_old, new, names_new):
    i, j = names_old.argsort(), names_new.argsort()
    both = min(len(i), len(j))
    return new @ orthogonal_procrustes(new[j[:both]], old[i[:both]])[0]


def stretched(old, names_old, new, names_new):
    i, j = common(names_old, names_new)
    return new @ np.linalg.pinv(new[j]) @ old[i]


def centred(old, names_old, new, names_new):
    i, j = common(names_old, names_new)
    a, b = old[i].mean(axis=0), new[j].mean(axis=0)
    return (new - b) @ orthogonal_procrustes(new[j] - b, old[i] - a)[0] + a


def no_reflection(old, names_old, new, names_new):
    i, j = common(names_old, names_new)
    u, _, vt = np.linalg.svd(new[j].T @ old[i])
    u[:, -1] *= np.linalg.det(u @ vt)
    return new @ u @ vt


def wrong_way(old, names_old, new, names_new):
    i, j = common(names_old, names_new)
    return new @ orthogonal_procrustes(old[i], new[j])[0]


def common_rows_only(old, names_old, new, names_new):
    i, j = common(names_old, names_new)
    return new[j] @ orthogonal_procrustes(new[j], old[i])[0]


def same_order_only(old, names_old, new, names_new):
    """The names in both, but each table's own order."""
    i, j = np.isin(names_old, names_new), np.isin(names_new, names_old)
    return new @ orthogonal_procrustes(new[j], old[i])[0]


def by_svd(old, names_old, new, names_new):
    """The rotation from the singular value decomposition, the names matched by a dictionary."""
    row = {name: i for i, name in enumerate(names_old)}
    pairs = [(row[name], j) for j, name in enumerate(names_new) if name in row]
    m = sum(np.outer(new[j], old[i]) for i, j in pairs)
    u, _, vt = np.linalg.svd(m)
    return new @ (u @ vt)


def by_comparison(old, names_old, new, names_new):
    """A table of which name is which, and the polar factor."""
    same = (names_old[:, None] == names_new).astype(float)  # (n, m)
    m = new.T @ same.T @ old
    values, vectors = np.linalg.eigh(m.T @ m)
    return new @ m @ vectors @ np.diag(values**-0.5) @ vectors.T


# -------------------------------------------------------------------------------------------------- fm
def double_loop(X, b, w, V):
    z = b + X @ w
    for i in range(X.shape[1]):
        for j in range(i + 1, X.shape[1]):
            z = z + X[:, i] * X[:, j] * (V[i] @ V[j])
    return z


def all_at_once(X, b, w, V):
    """The matrix of products, its upper triangle, and a product with the row on both sides."""
    return b + X @ w + np.einsum("ni,ij,nj->n", X, np.triu(V @ V.T, 1), X)


def the_lectures_pairs(X, b, w, V):
    v = X[:, :, None] * V
    return 0.5 * (v.sum(axis=1) ** 2 - (v**2).sum(axis=1)).sum(axis=1)


def rows_of_the_table(X, b, w, V):
    """The lecture's lookup as it stands: X taken as ids."""
    v = V[X.astype(int)]
    return b + w[X.astype(int)].sum(axis=1) + 0.5 * (v.sum(1) ** 2 - (v**2).sum(1)).sum(1)


def as_names(X, b, w, V):
    return double_loop((X != 0).astype(float), b, w, V)


# --------------------------------------------------------------------------------------------- unknown
def frequent(seen, least):
    known, count = np.unique(seen, return_counts=True)
    return known[count >= least]


def row_where(names, known, first=1, unknown=0):
    """A table of which name is which: (m,), (r,) -> (m,)."""
    same = names[:, None] == known
    return np.where(same.any(axis=1), same @ np.arange(first, first + len(known)), unknown)


def by_search(seen, names, least):
    """Where a name would stand, if it does stand there."""
    known = frequent(seen, least)
    place = np.searchsorted(known, names)
    there = [p < len(known) and known[p] == name for p, name in zip(place, names, strict=True)]
    return np.where(there, place + 1, 0).astype(int)


def by_counting(seen, names, least):
    """A row is one more than the number of frequent names before it."""
    known = frequent(seen, least)
    return np.array([(known <= name).sum() if name in known else 0 for name in names], dtype=int)


def first_come(seen, names, least):
    kept = [name for name in dict.fromkeys(seen.tolist()) if (seen == name).sum() >= least]
    return np.array([kept.index(name) + 1 if name in kept else 0 for name in names.tolist()], dtype=int)


def most_frequent_first(seen, names, least):
    known, count = np.unique(seen, return_counts=True)
    known, count = known[count >= least], count[count >= least]
    return row_where(names, known[np.argsort(-count, kind="stable")])


def numbered_too_early(seen, names, least):
    known, count = np.unique(seen, return_counts=True)
    return row_where(names, known) * np.isin(names, known[count >= least])


def unseen_stops(seen, names, least):
    row = {name: i for i, name in enumerate(frequent(seen, least).tolist(), start=1)}
    return np.array([row[name] for name in names.tolist()])


# ------------------------------------------------------------------------------------------------- ctr
CROSSES = [("age", "gender", "category"), ("device", "category"), ("hour", "category")]


def columns_of(past):
    return {name: size for name, size in past.sizes.items() if name not in ("day", "advertiser")}


def clicks(
    kind=FactorizationMachine, k=8, crosses=(), shift=0.0, only=None, epochs=5, batch_size=2000, **options
):
    def predict(past, future):
        sizes = {name: past.sizes[name] for name in only} if only else columns_of(past)
        torch.manual_seed(1)
        model = kind(sizes, k, crosses=crosses, **options)
        fit_clicks(model, past.features, past.click, epochs=epochs, batch_size=batch_size)
        p = model.probability(future.features)
        return 1 / (1 + np.exp(-(np.log(p / (1 - p)) + shift)))

    return predict


def plain_regression(past, future):
    terms = [*columns_of(past), *CROSSES]
    model = LogisticRegression(C=1, max_iter=100).fit(past.one_hot(terms), past.click)
    return model.predict_proba(future.one_hot(terms))[:, 1]


def two_starts(past, future):
    """The logits of two short runs, averaged."""
    logits = []
    for seed in range(2):
        torch.manual_seed(seed)
        model = FactorizationMachine(columns_of(past), 6, crosses=CROSSES)
        fit_clicks(model, past.features, past.click, epochs=4, batch_size=1000)
        p = model.probability(future.features)
        logits.append(np.log(p / (1 - p)))
    return 1 / (1 + np.exp(-np.mean(logits, axis=0)))


def yes_or_no(past, future):
    return (clicks(epochs=3)(past, future) > 0.5).astype(float)


WRONG = {
    "08.pool": {
        "no weights": (pooled(weighted=False), "weights are not used"),
        "by the count": (pooled("count"), "number of clicks"),
        "a sum": (pooled("nothing"), "a weighted sum"),
        "last user lost": (
            pooled(ends=lambda offsets, n: [*offsets[1:], offsets[-1]]),
            "the last user's list is lost",
        ),
        "0 / 0": (plain_division, "contains nan"),
        "plus equals": (plus_equals, "np.add.at"),
        "reduceat": (reduceat, "your code stops"),
        "the lecture's lookup": (lambda table, ids, offsets, weights: table[ids], "lookup alone"),
        "a bag's sum": (bag_of_sums, "a bag's plain sum"),
    },
    "08.pca": {
        "the lecture's": (pca_with(scale=None, sign=False), "lecture's PCA"),
        "units kept": (pca_with(scale=None), "lecture's PCA"),
        "mean kept": (pca_with(center=False), "mean was not taken away"),
        "share of the kept": (pca_with(share="first"), "all the variance"),
        "no squares": (pca_with(share="roots"), "their square"),
        "any sign": (pca_with(sign=False), "points the other way"),
        "ddof": (pca_with(ddof=1), "ddof=1"),
        "added up": (lambda X, k: (pca_with()(X, k)[0], pca_with()(X, k)[1].cumsum()), "added up"),
        "one spread": (whitened, "one spread"),
        "std above zero": (pca_with(scale=np.std), "blown up"),
        "0 / 0": (divides_by_zero, "your code stops"),
        "the axes": (axes_instead, "shape"),
        "codes only": (lambda X, k: pca_with()(X, k)[0], "expected 2 results"),
    },
    "08.turn": {
        "the lecture's line": (the_lectures_line, "your code stops"),
        "sorted": (sorted_rows, "do not hold the same ads"),
        "stretched": (stretched, "stretches"),
        "centred": (centred, "shifted"),
        "no reflection": (no_reflection, "mirror image"),
        "the wrong way": (wrong_way, "wrong way round"),
        "common rows only": (common_rows_only, "every row"),
        "each in its own order": (same_order_only, "the order of each table"),
        "as it was": (lambda old, names_old, new, names_new: new.copy(), "wrong values"),
    },
    "08.survives": {
        "sizes": ("a", "contradict"),
        "distances": ("b", "contradict"),
        "directions": ("d", "contradict"),
        "all": ("abcd", "answer with one of"),
    },
    "08.fm": {
        "twice": (lambda X, b, w, V: 2 * double_loop(X, b, w, V) - b - X @ w, "counted twice"),
        "itself": (lambda X, b, w, V: b + X @ w + 0.5 * ((X @ V) ** 2).sum(1), "paired with itself"),
        "squares on top": (
            lambda X, b, w, V: b + X @ w + 0.5 * ((X @ V) ** 2 + X**2 @ V**2).sum(1),
            "not on top",
        ),
        "x not squared": (
            lambda X, b, w, V: b + X @ w + 0.5 * ((X @ V) ** 2 - X @ V**2).sum(1),
            "zeros and ones only",
        ),
        "v not squared": (
            lambda X, b, w, V: b + X @ w + 0.5 * ((X @ V) ** 2 - X**2 @ V).sum(1),
            "vectors should be squared",
        ),
        "as names": (as_names, "counts as a name"),
        "no weights": (lambda X, b, w, V: double_loop(X, b, 0 * w, V), "weights w are missing"),
        "no bias": (lambda X, b, w, V: double_loop(X, 0.0, w, V), "bias b is missing"),
        "the lecture's pairs": (the_lectures_pairs, "the pairs alone"),
        "the lecture's lookup": (rows_of_the_table, "your code stops"),
        "not added over k": (lambda X, b, w, V: b + (X @ w)[:, None] + (X @ V) ** 2, "shape"),
    },
    "08.unknown": {
        "row 0 is somebody": (
            lambda seen, names, least: row_where(names, frequent(seen, least), first=0),
            "keep it for the unknown",
        ),
        "more than least": (
            lambda seen, names, least: row_where(names, frequent(seen, least + 1)),
            "exactly `least` times",
        ),
        "today counts": (
            lambda seen, names, least: row_where(names, frequent(np.append(seen, names), least)),
            "counted as well",
        ),
        "the rare too": (lambda seen, names, least: row_where(names, np.unique(seen)), "leave out those"),
        "most frequent first": (most_frequent_first, "order of frequency"),
        "first come": (first_come, "first come"),
        "gaps": (numbered_too_early, "gaps"),
        "the neighbour's row": (
            lambda seen, names, least: np.searchsorted(frequent(seen, least), names) + 1,
            "that of a neighbour",
        ),
        "minus one": (
            lambda seen, names, least: row_where(names, frequent(seen, least), unknown=-1),
            "reads as the last",
        ),
        "no unknown": (unseen_stops, "your code stops"),
        "a list": (lambda seen, names, least: by_counting(seen, names, least).tolist(), "NumPy array"),
    },
    "08.ctr": {
        "the lecture's": (clicks(), "62 %"),
        "user and ad alone": (clicks(only=["user", "ad"]), "half of the gap"),
        "no vectors": (clicks(k=0, crosses=CROSSES), "62 %"),
        "regression": (plain_regression, "62 %"),
        "a network for the pairs": (clicks(WideAndDeep, epochs=3), "half of the gap"),
        "PyTorch's own start": (clicks(spread=1.0, crosses=CROSSES), "half of the gap"),
        "twice the odds": (clicks(crosses=CROSSES, shift=0.7), "mean prediction"),
        "yes or no": (yes_or_no, "a probability is asked"),
        "reads the answer": (lambda past, future: future.click.astype(float), "left (0, 1)"),
        "reads the truth": (lambda past, future: future.truth, "contains nan"),
    },
}

RIGHT = {
    "08.pool": {"two bags": by_two_bags, "matrix": by_matrix, "loop": pooled()},
    "08.pca": {"library": by_library, "correlation": by_correlation, "another split": pca_with()},
    "08.turn": {"singular values": by_svd, "comparison": by_comparison},
    "08.survives": {"c": "c", "capital": " C."},
    "08.fm": {"double loop": double_loop, "all at once": all_at_once},
    "08.unknown": {"search": by_search, "counting": by_counting},
    "08.ctr": {
        "small batches": clicks(crosses=CROSSES, epochs=4, batch_size=1000),
        "two starts": two_starts,
    },
}
