"""The tasks of lecture 08."""

from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule
from utils.tasks import hidden_ad_logs

rng = np.random.default_rng(8)


# ---------------------------------------------------------------------------------------------- 08.pool
def _one_by_one(table, ids, offsets, weights, *, mean="weights", last=True):
    """A user at a time, an id at a time, with a switch for each usual mistake."""
    out = []
    ends = [*offsets[1:], len(ids) if last else offsets[-1]]
    for begin, end in zip(offsets, ends, strict=True):
        total, weight = [0.0] * table.shape[1], 0.0
        for i in range(begin, end):
            total = [t + weights[i] * v for t, v in zip(total, table[ids[i]], strict=True)]
            weight += {"weights": weights[i], "count": 1.0, "none": 0.0}[mean]
        out.append([t / weight if weight else t for t in total])
    return np.array(out)


def _unweighted(table, ids, offsets, weights):
    return _one_by_one(table, ids, offsets, np.ones(len(ids)))


def _each_once(table, ids, offsets, weights):
    """`total[user] += …` keeps one of several rows that fall on the same user."""
    user = np.repeat(np.arange(len(offsets)), np.diff([*offsets, len(ids)]))
    total, weight = np.zeros((len(offsets), table.shape[1])), np.zeros(len(offsets))
    total[user] += weights[:, None] * table[ids]
    weight[user] += weights
    return total / np.where(weight > 0, weight, 1)[:, None]


def _bags(lengths, names=7, k=3):
    n = sum(lengths)
    return (
        rng.normal(size=(names, k)),
        rng.integers(names, size=n),
        np.cumsum([0, *lengths[:-1]]),
        rng.uniform(0.1, 2, n),
    )


pool = Function(
    "08.pool",
    cases=[
        Case("five users", _bags([3, 1, 4, 2, 5])),
        Case("a user without clicks in the middle", _bags([2, 0, 3])),
        Case("users without clicks at both ends", _bags([0, 2, 2, 0, 0])),
        Case(
            "the same ad three times",
            (rng.normal(size=(4, 2)), np.array([2, 2, 2, 0]), np.array([0]), np.array([1.0, 3, 0.5, 2])),
        ),
        Case("one click", (rng.normal(size=(2, 4)), np.array([1]), np.array([0]), np.array([0.01]))),
        Case("nobody clicked", (rng.normal(size=(2, 4)), np.zeros(0, int), np.array([0, 0]), np.zeros(0))),
    ],
    oracle=_one_by_one,
    mistakes=[
        Mistake("the weights are not used", _unweighted, 2),
        Mistake(
            "the weighted rows are divided by the number of clicks; divide by the sum of the weights",
            lambda *a: _one_by_one(*a, mean="count"),
            2,
        ),
        Mistake(
            "this is a weighted sum; divide by the sum of the weights",
            lambda *a: _one_by_one(*a, mean="none"),
            2,
        ),
        Mistake(
            "this is a bag's plain sum; weigh each row, and divide by the sum of the weights",
            lambda table, ids, offsets, weights: _one_by_one(
                table, ids, offsets, np.ones(len(ids)), mean="none"
            ),
            2,
        ),
        Mistake("the last user's list is lost", lambda *a: _one_by_one(*a, last=False), 1),
        Mistake(
            "`+=` at a user who comes several times keeps only one of the clicks; use np.add.at",
            _each_once,
            3,
        ),
        Mistake(
            "this is the lookup alone, a row for each click; add them up for each user",
            lambda table, ids, offsets, weights: table[ids],
            1,
        ),
    ],
    concepts=["embedding"],
)


# ----------------------------------------------------------------------------------------------- 08.pca
def _by_eigh(X, k, *, ddof=0, share="all", center=True):
    """From the eigenvectors of the covariance of the scaled columns, a way that never splits the table."""
    spread = X.std(axis=0, ddof=ddof)
    Z = (X - X.mean(axis=0) if center else X) / np.where(spread > 1e-12, spread, 1.0)
    values, vectors = np.linalg.eigh(Z.T @ Z)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1][:, :k]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(k)])
    return Z @ vectors, values[:k] / {"all": values.sum(), "first": values[:k].sum()}[share]


def _roots(X, k):
    """Shares of the singular values themselves, not of their squares."""
    codes, _ = _by_eigh(X, k)
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(_scaled(X).T @ _scaled(X))[::-1], 0))
    return codes, values[:k] / values.sum()


def _scaled(X):
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread > 1e-12, spread, 1.0)


def _unscaled(X, k, sign=False):
    """The lecture's PCA, with the sign rule or without."""
    Z = X - X.mean(axis=0)
    _, S, Vt = np.linalg.svd(Z, full_matrices=False)
    turn = np.sign(Vt[np.arange(k), np.abs(Vt[:k]).argmax(axis=1)]) if sign else np.ones(k)
    return Z @ Vt[:k].T * turn, S[:k] ** 2 / (S**2).sum()


def _rounding(X, k):
    """Divides wherever the computed spread is above zero, if only by the last bit."""
    spread = X.std(axis=0)
    Z = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1)
    _, S, Vt = np.linalg.svd(Z, full_matrices=False)
    sign = np.sign(Vt[np.arange(k), np.abs(Vt[:k]).argmax(axis=1)])
    return Z @ Vt[:k].T * sign, S[:k] ** 2 / (S**2).sum()


def _any_sign(X, k):
    """The codes as the library's split gives them, whichever way they point."""
    _, S, Vt = np.linalg.svd(_scaled(X), full_matrices=False)
    return _scaled(X) @ Vt[:k].T, S[:k] ** 2 / (S**2).sum()


def _units():
    """Columns that hang together, in units from a thousandth to a million."""
    hidden = rng.normal(size=(60, 2)) * [3, 1]
    return (hidden @ rng.normal(size=(2, 5)) + 0.3 * rng.normal(size=(60, 5))) * [0.01, 1, 30, 100, 1000] + 7


_constant = np.insert(_units(), 2, 0.1, axis=1)  # the mean of sixty tenths is not quite a tenth
_few = rng.normal(size=(4, 6)) * [1, 5, 20, 1, 1, 2]
pca = Function(
    "08.pca",
    cases=[
        Case("60 rows, 5 columns of different units", (_units(), 2)),
        Case("every axis kept", (_units(), 5)),
        Case("a column that never changes", (_constant, 3)),
        Case("fewer rows than columns", (_few, 2)),
        Case("three rows", (np.array([[1.0, 10, 5, 7], [2.0, 30, 5, 9], [9.0, 20, 5, 1]]), 2)),
        Case("one column", (np.array([[1.0], [2.0], [6.0]]), 1)),
    ],
    oracle=_by_eigh,
    mistakes=[
        Mistake(
            "the columns keep their units: this is the lecture's PCA, where pixels share one",
            lambda X, k: _unscaled(X, k, sign=True),
            1,
        ),
        Mistake(
            "the columns keep their units: this is the lecture's PCA, where pixels share one",
            _unscaled,
            1,
        ),
        Mistake(
            "a column that never changes has blown up: by rounding, its std() is not quite 0",
            _rounding,
            1,
        ),
        Mistake("the mean was not taken away", lambda X, k: _by_eigh(X, k, center=False), 1),
        Mistake(
            "the shares are of the k axes kept; they should be of all the variance",
            lambda X, k: _by_eigh(X, k, share="first"),
            2,
        ),
        Mistake(
            "the shares are added up along the axes; return the share of each",
            lambda X, k: (_by_eigh(X, k)[0], _by_eigh(X, k)[1].cumsum()),
            2,
        ),
        Mistake(
            "the codes have all been brought to one spread; an axis that keeps more should spread more",
            lambda X, k: (_by_eigh(X, k)[0] / _by_eigh(X, k)[0].std(axis=0), _by_eigh(X, k)[1]),
            3,
        ),
        Mistake("the shares are of the singular values; variance is their square", _roots, 2),
        Mistake(
            "right, but an axis points the other way: its entry of largest size should be positive",
            _any_sign,
            3,
        ),
        Mistake(
            "the spread is that of std(ddof=1); take std() over the n rows",
            lambda X, k: _by_eigh(X, k, ddof=1),
            1,
        ),
    ],
    concepts=["pca", "dimension-reduction"],
    rtol=1e-6,
    atol=1e-8,
)


# ---------------------------------------------------------------------------------------------- 08.turn
def _matched(old, names_old, new, names_new):
    where = {name: i for i, name in enumerate(names_old.tolist())}
    both = [(where[name], j) for j, name in enumerate(names_new.tolist()) if name in where]
    return np.array([old[i] for i, _ in both]), np.array([new[j] for _, j in both])


def _rotation(a, b):
    """The rotation of a that comes nearest to b, from the singular value decomposition."""
    U, _, Vt = np.linalg.svd(a.T @ b)
    return U @ Vt


def _by_names(old, names_old, new, names_new):
    a, b = _matched(old, names_old, new, names_new)
    return new @ _rotation(b, a)


def _by_rows(old, names_old, new, names_new):
    both = min(len(old), len(new))
    return new @ _rotation(new[:both], old[:both])


def _sorted_only(old, names_old, new, names_new):
    """Both sorted by name, as if the same names were in both."""
    i, j = np.argsort(names_old), np.argsort(names_new)
    both = min(len(i), len(j))
    return new @ _rotation(new[j[:both]], old[i[:both]])


def _centred(old, names_old, new, names_new):
    a, b = _matched(old, names_old, new, names_new)
    return (new - b.mean(axis=0)) @ _rotation(b - b.mean(axis=0), a - a.mean(axis=0)) + a.mean(axis=0)


def _stretched(old, names_old, new, names_new):
    a, b = _matched(old, names_old, new, names_new)
    return new @ np.linalg.lstsq(b, a, rcond=None)[0]


def _other_way(old, names_old, new, names_new):
    a, b = _matched(old, names_old, new, names_new)
    return new @ _rotation(a, b)


def _own_order(old, names_old, new, names_new):
    """The ads in both, each table's in its own order."""
    i, j = np.isin(names_old, names_new), np.isin(names_new, names_old)
    return new @ _rotation(new[j], old[i])


def _no_reflection(old, names_old, new, names_new):
    a, b = _matched(old, names_old, new, names_new)
    U, _, Vt = np.linalg.svd(b.T @ a)
    keep = np.ones(len(U))
    keep[-1] = np.linalg.det(U @ Vt)
    return new @ (U * keep) @ Vt


def _only_common_sorted(old, names_old, new, names_new):
    _, i, j = np.intersect1d(names_old, names_new, return_indices=True)
    return new[j] @ _rotation(new[j], old[i])


def _only_common(old, names_old, new, names_new):
    a, b = _matched(old, names_old, new, names_new)
    return b @ _rotation(b, a)


def _tables(n, gone, fresh, k, shuffle=True, noise=0.1):
    names_old = rng.permutation(1000)[:n]
    names_new = np.concatenate([names_old[gone:], 1000 + rng.permutation(99)[:fresh]])
    old = rng.normal(size=(n, k)) + 0.3
    base = np.concatenate([old[gone:], rng.normal(size=(fresh, k))])
    new = (base + noise * rng.normal(size=base.shape)) @ np.linalg.qr(rng.normal(size=(k, k)))[0]
    order = rng.permutation(len(names_new)) if shuffle else np.arange(len(names_new))
    return old, names_old, new[order], names_new[order]


turned = Function(
    "08.turn",
    cases=[
        Case("40 ads in another order", _tables(40, 0, 0, 4)),
        Case("some ads gone, some new", _tables(30, 6, 9, 3)),
        Case("more new ads than old ones", _tables(12, 3, 25, 3)),
        Case("the same order", _tables(15, 0, 0, 2, shuffle=False)),
        Case("one number an ad", _tables(9, 2, 1, 1)),
    ],
    oracle=_by_names,
    bug=_by_rows,
    mistakes=[
        Mistake("the rows are sorted by name, but the two tables do not hold the same ads", _sorted_only, 2),
        Mistake(
            "this is a general linear map, which stretches: products of vectors would change",
            _stretched,
            2,
        ),
        Mistake("a mirror image is forbidden here; let the rotation be a reflection too", _no_reflection, 2),
        Mistake("the tables were shifted as well; the task is a rotation alone", _centred, 2),
        Mistake("the rotation is that from old to new, the wrong way round", _other_way, 2),
        Mistake("only the ads in both tables come back; every row of today's table should", _only_common, 2),
        Mistake(
            "only the ads in both tables come back, sorted; every row of today's table should, in its place",
            _only_common_sorted,
            2,
        ),
        Mistake(
            "the right ads, but in the order of each table: row by row, they must be the same ads",
            _own_order,
            2,
        ),
    ],
    concepts=["entity-embedding"],
)


# ------------------------------------------------------------------------------------------ 08.survives
@cache
def _survivor() -> str:
    """Three groups of unlike width and distance, from three starts: which sentence is true each time?"""
    from sklearn.manifold import TSNE

    draw = np.random.default_rng(0)
    which = np.repeat([0, 1, 2], 40)
    # B is near A, C far away and ten times as wide; spending is the second column, and A spends most.
    middle = np.zeros((3, 10))
    middle[:, 0] = [0, 20, 200]
    raw = middle[which] + np.array([1, 1, 10])[which][:, None] * draw.normal(size=(120, 10))
    raw[:, 1] -= 5.0 * which
    held = {letter: [] for letter in "abcd"}
    for seed in range(3):
        picture = TSNE(perplexity=20, init="random", max_iter=400, random_state=seed).fit_transform(raw)
        says, is_so = _facts(picture, which), _facts(raw, which)
        held["a"].append(says["widths"] == is_so["widths"])
        held["b"].append(says["distances"] == is_so["distances"])
        held["c"].append(says["neighbours"] and is_so["neighbours"])
        held["d"].append(picture[which == 2, 0].mean() < picture[which == 0, 0].mean())
    (letter,) = [letter for letter, seen in held.items() if all(seen)]
    return letter


def _facts(points, which):
    """Whether A and C are equally wide, B equally far from both, and neighbours of one group."""
    centre = np.array([points[which == g].mean(axis=0) for g in range(3)])
    width = [np.linalg.norm(points[which == g] - centre[g], axis=1).mean() for g in range(3)]
    far = [np.linalg.norm(centre[1] - centre[g]) for g in (0, 2)]
    apart = np.linalg.norm(points[:, None] - points, axis=2) + np.diag(np.full(len(points), np.inf))
    return {
        "widths": 0.5 < width[2] / width[0] < 2,
        "distances": 0.5 < far[1] / far[0] < 2,
        "neighbours": bool((which[apart.argmin(axis=1)] == which).mean() > 0.95),
    }


survives = Choice(
    "08.survives",
    options=("a", "b", "c", "d"),
    truth=_survivor,
    wrong="three starts, drawn just now, contradict that sentence",
    right="it held in three starts, drawn just now, and no other sentence did",
    concepts=["unsupervised", "dimension-reduction"],
)


# ------------------------------------------------------------------------------------------------ 08.fm
def _pair_by_pair(X, b, w, V, *, twice=False, squares=False, weights=True):
    """A row, a column and a pair at a time."""
    out = []
    for x in X.tolist():
        z = b + sum(weight * value for weight, value in zip(w.tolist(), x, strict=True)) * weights
        for i in range(len(x)):
            for j in range(i):
                z += (1 + twice) * float(V[i] @ V[j]) * x[i] * x[j]
            z += squares * float(V[i] @ V[i]) * x[i] * x[i]
        out.append(z)
    return np.array(out)


def _as_names(X, b, w, V):
    """The lecture's form on a mask: every number that is not zero counts as one."""
    return _pair_by_pair((X != 0).astype(float), b, w, V)


def _half_squared(X, b, w, V):
    return b + X @ w + 0.5 * ((X @ V) ** 2 - X @ V**2).sum(axis=1)


def _other_half(X, b, w, V):
    return b + X @ w + 0.5 * ((X @ V) ** 2 - (X**2) @ V).sum(axis=1)


def _no_weights(X, b, w, V):
    return b + 0.5 * ((X @ V) ** 2 - X**2 @ V**2).sum(axis=1)


def _fm_inputs(n, d, k, numbers=True):
    X = rng.normal(size=(n, d)) if numbers else rng.integers(0, 2, (n, d)).astype(float)
    return X, float(rng.normal()), rng.normal(size=d), rng.normal(size=(d, k))


_zeros = _fm_inputs(4, 6, 3)
_zeros[0][1] = 0.0
fm = Function(
    "08.fm",
    cases=[
        Case("20 rows, 7 columns of numbers", _fm_inputs(20, 7, 4)),
        Case("zeros and ones", _fm_inputs(15, 9, 3, numbers=False)),
        Case("a row of zeros", _zeros),
        Case("one column, so no pair", _fm_inputs(5, 1, 2)),
        Case("large and negative numbers", (np.array([[-50.0, 30.0, 0.5]]), 1.0, *_fm_inputs(1, 3, 2)[2:])),
        Case("80 columns", _fm_inputs(2, 80, 2)),
    ],
    oracle=_pair_by_pair,
    mistakes=[
        Mistake("every pair is counted twice; take half", lambda *a: _pair_by_pair(*a, twice=True), 3),
        Mistake(
            "each column is paired with itself as well: take the sum of squares away, not on top",
            lambda X, b, w, V: b + X @ w + 0.5 * ((X @ V) ** 2 + X**2 @ V**2).sum(axis=1),
            3,
        ),
        Mistake(
            "this is half of the squared sum: each column is paired with itself as well",
            lambda X, b, w, V: b + X @ w + 0.5 * ((X @ V) ** 2).sum(axis=1),
            3,
        ),
        Mistake(
            "right for zeros and ones only: the numbers in X should be squared in the second sum",
            _half_squared,
            2,
        ),
        Mistake("the vectors should be squared in the second sum, too", _other_half, 2),
        Mistake("a number counts as a name here, one or nothing; multiply by it", _as_names, 1),
        Mistake("the weights w are missing", _no_weights, 1),
        Mistake(
            "these are the pairs alone; the bias b and the weights w are missing",
            lambda X, b, w, V: _pair_by_pair(X, 0.0, 0 * w, V),
            1,
        ),
        Mistake("the bias b is missing", lambda X, b, w, V: _pair_by_pair(X, 0.0, w, V), 1),
    ],
    concepts=["entity-embedding", "embedding"],
)


# -------------------------------------------------------------------------------------------- 08.unknown
def _numbered(seen, names, least, *, first=1, unknown=0, count=None, order=sorted):
    """A name at a time, with a switch for each usual mistake."""
    seen, names = seen.tolist(), names.tolist()
    counted = seen if count is None else count(seen, names)
    kept = [name for name in order(dict.fromkeys(counted)) if counted.count(name) >= least]
    return np.array([kept.index(name) + first if name in kept else unknown for name in names], dtype=int)


def _by_frequency(seen, names, least):
    often = seen.tolist()
    return _numbered(
        seen, names, least, order=lambda kept: sorted(sorted(kept), key=lambda name: -often.count(name))
    )


def _with_gaps(seen, names, least):
    """Numbered before the rare names are left out."""
    known, count = np.unique(seen, return_counts=True)
    row = {name: i + 1 for i, name in enumerate(known.tolist()) if count[i] >= least}
    return np.array([row.get(name, 0) for name in names.tolist()], dtype=int)


def _neighbours(seen, names, least):
    """Where each name would stand, whether or not it is there."""
    known, count = np.unique(seen, return_counts=True)
    return np.searchsorted(known[count >= least], names) + 1


_log = rng.integers(40, size=150)
unknown = Function(
    "08.unknown",
    cases=[
        Case("seven names", (np.array([7, 3, 7, 3, 5, 9, 9]), np.array([7, 5, 8, 3, 9, 1]), 2)),
        Case("names in words", (np.array(["sea", "air", "sea", "land"]), np.array(["sea", "sky", "air"]), 1)),
        Case("a new name that comes often today", (np.array([2, 2, 4]), np.array([3, 3, 3, 2, 4, 4]), 2)),
        Case("150 impressions of 40 names", (_log, np.arange(45), 4)),
        Case("nobody comes often enough", (np.array([6, 1]), np.array([1, 6, 6]), 3)),
        Case("nobody today", (np.array([6, 1, 1]), np.array([], dtype=int), 1)),
    ],
    oracle=_numbered,
    mistakes=[
        Mistake(
            "row 0 belongs to a name here; keep it for the unknown, and number from 1",
            lambda *a: _numbered(*a, first=0),
            2,
        ),
        Mistake(
            "a name that occurs exactly `least` times has a row of its own, too",
            lambda seen, names, least: _numbered(seen, names, least + 1),
            1,
        ),
        Mistake(
            "today's names are counted as well; only training decides who has a row",
            lambda *a: _numbered(*a, count=lambda seen, names: seen + names),
            1,
        ),
        Mistake(
            "every name of training has a row here; leave out those that come less than `least` times",
            lambda seen, names, least: _numbered(seen, names, 1),
            2,
        ),
        Mistake("the rows are in the order of frequency; sort the names", _by_frequency, 1),
        Mistake(
            "the rows are in the order in which names first come; sort the names",
            lambda *a: _numbered(*a, order=list),
            1,
        ),
        Mistake("there are gaps: leave out the rare names before you number the rest", _with_gaps, 2),
        Mistake(
            "a name without a row gets that of a neighbour; np.searchsorted does not say who is there",
            _neighbours,
            3,
        ),
        Mistake(
            "the unknown has row −1, which NumPy reads as the last; keep row 0 for it",
            lambda *a: _numbered(*a, unknown=-1),
            3,
        ),
    ],
    concepts=["embedding", "entity-embedding"],
)


# ----------------------------------------------------------------------------------------------- 08.ctr
def _mean_is_right(p, past, hidden, future):
    return 0.85 < p.mean() / future.click.mean() < 1.15


ctr = Function(
    "08.ctr",
    cases=hidden_ad_logs,
    like=lambda past, hidden: np.full(len(hidden), 0.5),
    rules=[
        Rule("a probability left (0, 1)", lambda p, *_: (p > 0).all() and (p < 1).all(), 3),
        Rule("the mean prediction is not the click rate, so no bid could use it", _mean_is_right, 3),
        Rule(
            "this is less than half of the gap, which lecture 03's regression reaches when told the crosses",
            lambda p, a, b, future: future.share_of_gap(p) > 0.5,
            2,
        ),
        Rule("this is less than 62 % of the gap", lambda p, a, b, future: future.share_of_gap(p) >= 0.62, 2),
    ],
    seconds=60,
    concepts=["entity-embedding"],
)

TASKS = [pool, pca, turned, survives, fm, unknown, ctr]
