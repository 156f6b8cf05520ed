"""Wrong answers to lecture 09's tasks, each with its message, and right ones written otherwise."""

from collections import Counter

import numpy as np
import torch
from scipy.sparse import coo_array

from utils.scratch import word2vec


# ----------------------------------------------------------------------------------------------- right
def the_lectures_pairs(ids, sentence, window, size):
    """As in the lecture: both sides, each pair once, and a sparse table."""
    counts = coo_array((size, size)).tocsr()
    for d in range(1, window + 1):
        same = sentence[d:] == sentence[:-d]
        left, right = ids[:-d][same], ids[d:][same]
        counts += coo_array((np.ones(len(left)), (left, right)), counts.shape).tocsr()
    return counts + counts.T


def right_with(weight=lambda d: 1 / d, both=False, turned=False, sentences=True, more=0, once=False):
    def count(ids, sentence, window, size):
        counts = np.zeros((size, size))
        for i in range(len(ids)):
            for j in range(i + 1, min(len(ids), i + window + 1 + more)):
                if sentence[i] == sentence[j] or not sentences:
                    one, other = (ids[j], ids[i]) if turned else (ids[i], ids[j])
                    counts[one, other] += weight(j - i)
                    counts[other, one] += weight(j - i) * both
        return counts

    return count


def one_of_several(ids, sentence, window, size):
    counts = np.zeros((size, size))
    for d in range(1, min(window, len(ids) - 1) + 1):
        same = sentence[:-d] == sentence[d:]
        counts[ids[:-d][same], ids[d:][same]] += 1 / d
    return counts


def no_place_for_silent_words(ids, sentence, window, size):
    return right_with()(ids, sentence, window, size)[: ids.max() + 1, : ids.max() + 1]


def as_a_tensor(ids, sentence, window, size):
    return torch.from_numpy(right_with()(ids, sentence, window, size))


def flattened(ids, sentence, window, size):
    """Cells as one number each, added up by bincount."""
    counts = np.zeros(size * size)
    for d in range(1, window + 1):
        pairs = [i for i in range(len(ids) - d) if sentence[i] == sentence[i + d]]
        cell = [ids[i] * size + ids[i + d] for i in pairs]
        counts += np.bincount(np.array(cell, dtype=int), minlength=size * size) / d
    return counts.reshape(size, size)


def from_a_counter(ids, sentence, window, size):
    seen = Counter()
    for d in range(window, 0, -1):
        for one, other, s, t in zip(ids, ids[d:], sentence, sentence[d:], strict=False):
            seen[int(one), int(other)] += (s == t) / d
    counts = np.zeros((size, size))
    for cell, value in seen.items():
        counts[cell] = value
    return counts


# ------------------------------------------------------------------------------------------------ npmi
def npmi_with(zero=-1.0, positive=False, scale=True, power=1.0, sign=1, row_share=False, eps=0.0):
    def code(counts):
        with np.errstate(all="ignore"):
            p = (counts + eps) / (counts + eps).sum()
            row, column = p.sum(axis=1, keepdims=True), p.sum(axis=0) ** power
            pmi = np.log(p / (row * column / column.sum()))
            result = pmi / (-sign * np.log(p / row if row_share else p)) if scale else pmi
        result = np.where(counts > 0, result, zero)
        result[(counts > 0) & (p == 1)] = 1 if scale else 0
        return np.maximum(result, 0) if positive else result

    return code


def the_lectures_pmi(counts):
    cells = coo_array(counts)
    row, column = counts.sum(axis=1), counts.sum(axis=0) ** 0.75
    pmi = np.log(cells.data * column.sum() / (row[cells.row] * column[cells.col]))
    return coo_array((np.maximum(pmi, 0), (cells.row, cells.col)), counts.shape).tocsr()


def logarithm_of_zero(counts):
    p = counts / counts.sum()
    with np.errstate(all="ignore"):
        return np.log(p / (p.sum(1, keepdims=True) * p.sum(0))) / -np.log(p)


def npmi_in_place(counts):
    counts /= counts.sum()
    return npmi_with()(counts)


def nan_for_one_cell(counts):
    p = counts / counts.sum()
    result = np.full(counts.shape, -1.0)
    with np.errstate(all="ignore"):
        result[p > 0] = (np.log(p / (p.sum(1, keepdims=True) * p.sum(0))) / -np.log(p))[p > 0]
    return result


def base_two(counts):
    """Bits in place of nats, and the ratio turned round: log(p(w) p(c)) / log p - 1."""
    share = counts / counts.sum()
    chance = np.log2(np.maximum(np.outer(share.sum(axis=1), share.sum(axis=0)), 1e-300))
    result = -np.ones_like(share)
    for cell in zip(*np.nonzero(counts), strict=True):
        result[cell] = 1.0 if share[cell] == 1 else chance[cell] / np.log2(share[cell]) - 1
    return result


# ------------------------------------------------------------------------------------------------ cbow
def sigmoid(s):
    return 0.5 * (1 + np.tanh(s / 2))


def cbow_with(
    mean=True, divide=True, mask=True, yes=1, average=False, forget=False, over_m=False, batch=False
):
    def code(x, there, v, z):
        number = np.full((len(x), 1), x.shape[1]) if over_m else there.sum(1, keepdims=True)
        h = (there[:, :, None] * x).sum(1) / (number if mean else 1)
        on, off = (h * v).sum(1), (z @ h[:, :, None])[:, :, 0]
        k, n = (z.shape[1] if average else 1), (len(x) if batch else 1)
        loss = (np.logaddexp(0, -on).sum() + np.logaddexp(0, off).sum() / k) / n
        error, errors = (sigmoid(on) - yes) / n, sigmoid(off) / k / n
        h_grad = error[:, None] * v + (0 if forget else (errors[:, :, None] * z).sum(1))
        share = (there if mask else np.ones_like(there)) / (number if mean and divide else 1)
        if not mask:
            share = np.ones_like(there) / number
        return loss, share[:, :, None] * h_grad[:, None], error[:, None] * h, errors[:, :, None] * h[:, None]

    return code


def the_lectures_sgns(x, there, v, z):
    return word2vec.skipgram_gradients(x, v, z, there, 5)


def the_lectures_formula(x, there, v, z, k=5):
    """The lecture's `sgns`, with the mean for u: the noise is shared, and averaged."""
    x, v, z = (torch.from_numpy(a) for a in (x, v, z))
    u = x.mean(1)
    yes, no = (u * v).sum(1, keepdim=True), u @ z[0].T
    error, error_no = torch.sigmoid(yes) - 1, torch.sigmoid(no) * k / len(z)
    return yes.sum(), error * v + error_no @ z[0], error * u, error_no.T @ u


def overflows(x, there, v, z):
    with np.errstate(all="ignore"):
        h = (there[:, :, None] * x).sum(1) / there.sum(1, keepdims=True)
        on, off = (h * v).sum(1), (z @ h[:, :, None])[:, :, 0]
        p, q = 1 / (1 + np.exp(-on)), 1 / (1 + np.exp(-off))
        loss = -np.log(p).sum() - np.log(1 - q).sum()
    _, *gradients = cbow_with()(x, there, v, z)
    return loss, *gradients


def ignores_there(x, there, v, z):
    return cbow_with()(x, np.ones_like(there), v, z)


def by_torch(x, there, v, z):
    """Autograd on the whole batch, with the library's own loss."""
    x, v, z = (torch.tensor(a, requires_grad=True) for a in (x, v, z))
    exists = torch.tensor(there)[:, :, None]
    h = ((x * exists).sum(1) / exists.sum(1))[:, None]
    score = torch.cat([(h * v[:, None]).sum(2), (h * z).sum(2)], dim=1)
    answer = torch.zeros_like(score)
    answer[:, 0] = 1
    loss = torch.nn.functional.binary_cross_entropy_with_logits(score, answer, reduction="sum")
    gradients = torch.autograd.grad(loss, (x, v, z))
    return loss.item(), *(g.numpy() for g in gradients)


def window_by_window(x, there, v, z):
    loss, grads = 0.0, [np.zeros_like(a) for a in (x, v, z)]
    for i in range(len(x)):
        rows = np.flatnonzero(there[i])
        h = x[i, rows].mean(axis=0)
        for other, target, place in [
            (v[i], 1, (1, i)),
            *((z[i, j], 0, (2, (i, j))) for j in range(z.shape[1])),
        ]:
            s = h @ other
            loss += np.logaddexp(0, -s if target else s)
            error = sigmoid(s) - target
            grads[place[0]][place[1]] += error * h
            grads[0][i, rows] += error * other / len(rows)
    return loss, *grads


# --------------------------------------------------------------------------------------------- analogy
def analogy_with(scale=True, out=("a", "b", "c"), swap=False, far=False, sums=False, cut=0, kind="stable"):
    def code(table, a, b, c, n):
        rows = table / np.linalg.norm(table, axis=1)[:, None] if scale else table
        a_, b_ = (b, a) if swap else (a, b)
        target = rows[b_] + rows[a_] + rows[c] if sums else rows[b_] - rows[a_] + rows[c]
        score = (rows @ target) * (-1 if far else 1)
        score[[{"a": a, "b": b, "c": c}[name] for name in out]] = -np.inf
        return (-score).argsort(kind=kind)[cut : cut + n]

    return code


def the_lectures_analogy(table, a, b, c, n):
    vectors = word2vec.WordVectors([str(i) for i in range(len(table))], table)
    return vectors.analogy(a, b, c, n)


def cut_by_how_many(table, a, b, c, n):
    """Cuts off as many as there are different words: still as if they came first."""
    return analogy_with(out=(), cut=len({a, b, c}))(table, a, b, c, n)


def unit_in_place(table, a, b, c, n):
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    return analogy_with()(table, a, b, c, n)


def all_three_must_differ(table, a, b, c, n):
    """Takes more than enough, then filters; but the room for three is cut too tight."""
    order = analogy_with(out=())(table, a, b, c, n)
    return np.array([i for i in order if i not in (a, b, c)])


def filtered(table, a, b, c, n):
    unit = (table.T / np.sqrt((table**2).sum(axis=1))).T
    order = np.lexsort((np.arange(len(unit)), -(unit @ (unit[b] - unit[a] + unit[c]))))
    return order[~np.isin(order, [a, b, c])][:n]


def word_by_word(table, a, b, c, n):
    def unit(i):
        return table[i] / np.linalg.norm(table[i])

    target = unit(b) + unit(c) - unit(a)
    candidates = [i for i in range(len(table)) if i != a and i != b and i != c]
    candidates.sort(key=lambda i: -np.dot(unit(i), target))
    return np.array(candidates[:n])


# ---------------------------------------------------------------------------------------------- pieces
def pieces_with(mark="<{}>", more=0, fewer=0, once=False, over_all=False, total=False, zeros=True):
    def code(word, rows, shortest, longest):
        marked, found, seen = mark.format(word), [], 0
        for i in range(len(marked)):
            for j in range(i + shortest + fewer, min(i + longest + more, len(marked)) + 1):
                seen += j > i
                found += [marked[i:j]] if j > i and marked[i:j] in rows else []
        found = set(found) if once else found
        known = [rows[run] for run in sorted(found)]
        if not known and zeros:
            return 0 * next(iter(rows.values()))
        return np.sum(known, axis=0) / (1 if total else seen if over_all else len(known))

    return code


def nan_for_none(word, rows, shortest, longest):
    with np.errstate(all="ignore"):
        known = pieces_with(total=True)(word, rows, shortest, longest)
        number = pieces_with(total=True)(word, {run: np.ones(1) for run in rows}, shortest, longest)
        return known / number


def every_piece_must_be_known(word, rows, shortest, longest):
    marked = f"<{word}>"
    return np.mean(
        [rows[marked[i : i + n]] for n in range(shortest, longest + 1) for i in range(len(marked) - n + 1)],
        axis=0,
    )


def one_number(word, rows, shortest, longest):
    return float(pieces_with()(word, rows, shortest, longest).mean())


def as_a_list(word, rows, shortest, longest):
    return pieces_with()(word, rows, shortest, longest).tolist()


def eats_its_pieces(word, rows, shortest, longest):
    """Takes each piece out of the dictionary when it is used."""
    result = pieces_with()(word, rows, shortest, longest)
    for i in range(len(word) + 2):
        for j in range(i + shortest, i + longest + 1):
            rows.pop(f"<{word}>"[i:j], None)
    return result


def running_mean(word, rows, shortest, longest):
    """By size, longest first, with a mean that is carried along."""
    mean, number, marked = 0.0 * next(iter(rows.values())), 0, f"<{word}>"
    for n in reversed(range(shortest, longest + 1)):
        for run in map("".join, zip(*(marked[i:] for i in range(n)), strict=False)):
            if run in rows:
                number += 1
                mean = mean + (rows[run] - mean) / number
    return mean


# ------------------------------------------------------------------------------------------------- ads
def cells(user, ad, click):
    shown, clicks = np.zeros((50, 400)), np.zeros((50, 400))
    np.add.at(shown, (ad, user), 1.0)
    np.add.at(clicks, (ad, user), click)
    return shown, clicks


def squeezed(table, dim=12, power=0.5):
    u, s, _ = np.linalg.svd(table, full_matrices=False)
    return u[:, :dim] * s[:dim] ** power


def expected(shown, clicks):
    ad, user = clicks.sum(1) / shown.sum(1), clicks.sum(0) / np.maximum(shown.sum(0), 1)
    return shown * ad[:, None] * user * shown.sum() / clicks.sum()


def the_lectures_ads(user, ad, click):
    _, clicks = cells(user, ad, click)
    column = clicks.sum(0) ** 0.75
    with np.errstate(all="ignore"):
        pmi = np.log(clicks * column.sum() / (clicks.sum(1, keepdims=True) * column))
    return squeezed(np.maximum(np.nan_to_num(pmi, neginf=0), 0))


def ads_from(table, **options):
    return lambda user, ad, click: squeezed(table(*cells(user, ad, click)), **options)


def signed_root(user, ad, click):
    """Residuals over their spread, with the clicks that each cell's impressions lead one to expect."""
    shown, clicks = cells(user, ad, click)
    due = expected(shown, clicks)
    return squeezed((clicks - due) / np.sqrt(due + 0.1))


def by_eigenvectors(user, ad, click):
    """The same squeeze from the 50 x 50 table of products; half a click more in each cell."""
    shown, clicks = cells(user, ad, click)
    ratio = np.log(clicks + 0.5) - np.log(expected(shown, clicks) + 0.5)
    values, vectors = np.linalg.eigh(ratio @ ratio.T)
    return vectors[:, -12:] * values[-12:] ** 0.25


WRONG = {
    "09.right": {
        "the lecture's": (the_lectures_pairs, "should be a NumPy array"),
        "both sides": (right_with(both=True), "both ways"),
        "flat": (right_with(lambda d: 1), "each pair counts 1"),
        "left": (right_with(turned=True), "swapped"),
        "over the end": (right_with(sentences=False), "across the end"),
        "one of several": (one_of_several, "only once"),
        "1 / (d + 1)": (right_with(lambda d: 1 / (d + 1)), "its distance is 1"),
        "1 / d²": (right_with(lambda d: 1 / d**2), "wrong values"),
        "window too long": (right_with(more=1), "one too long"),
        "window too short": (right_with(more=-1), "one too short"),
        "no silent words": (no_place_for_silent_words, "shape"),
        "tensor": (as_a_tensor, "should be a NumPy array"),
    },
    "09.npmi": {
        "the lecture's": (the_lectures_pmi, "should be a NumPy array"),
        "PMI": (npmi_with(scale=False), "not divided"),
        "positive": (npmi_with(positive=True), "cut off"),
        "zero for unseen": (npmi_with(zero=0.0), "their limit is -1"),
        "0.75": (npmi_with(power=0.75), "plain shares"),
        "sign": (npmi_with(sign=-1), "the sign is wrong"),
        "share of the row": (npmi_with(row_share=True), "share of all"),
        "log of zero": (logarithm_of_zero, "contains nan"),
        "one cell": (nan_for_one_cell, "nan where one cell"),
        "a little added": (npmi_with(eps=1e-3), "wrong values"),
        "in place": (npmi_in_place, "changes its input"),
    },
    "09.cbow": {
        "the lecture's blocks": (the_lectures_sgns, "your code stops"),
        "the lecture's formula": (the_lectures_formula, "should be a NumPy array"),
        "sum": (cbow_with(mean=False), "take their mean"),
        "not divided": (cbow_with(divide=False), "not divided by the number"),
        "no mask": (cbow_with(mask=False), "do not exist"),
        "ignores there": (ignores_there, "wrong values"),
        "over m": (cbow_with(over_m=True), "divided by m"),
        "mean of negatives": (cbow_with(average=True), "adds them up"),
        "mean of windows": (cbow_with(batch=True), "should be a sum"),
        "no negatives": (cbow_with(forget=True), "forgets the negatives"),
        "no minus one": (cbow_with(yes=0), "minus one"),
        "overflow": (overflows, "contains inf"),
        "loss only": (lambda *args: cbow_with()(*args)[0], "expected 4 results"),
    },
    "09.rest": {
        "zero": ("a", "ends elsewhere"),
        "plus": ("c", "ends elsewhere"),
        "infinite": ("d", "ends elsewhere"),
        "number": (-1.6, "answer with one of"),
    },
    "09.analogy": {
        "the lecture's": (the_lectures_analogy, "your code stops"),
        "nothing left out": (analogy_with(out=()), "still among"),
        "only c": (analogy_with(out=("c",)), "wrong values"),
        "a may come back": (analogy_with(out=("b", "c")), "a is left out no longer"),
        "c comes back": (analogy_with(out=("a", "b")), "c comes back"),
        "b comes back": (analogy_with(out=("a", "c")), "b comes back"),
        "not scaled": (analogy_with(scale=False), "not scaled"),
        "farthest": (analogy_with(far=True), "farthest"),
        "swapped": (analogy_with(swap=True), "swapped"),
        "any of a tie": (analogy_with(kind=None), "wrong values for sixty"),
        "all added": (analogy_with(sums=True), "wrong values"),
        "cut by how many": (cut_by_how_many, "wrong values"),
        "too few": (all_three_must_differ, "shape"),
        "in place": (unit_in_place, "changes its input"),
    },
    "09.pieces": {
        "no marks": (pieces_with(mark="{}"), "lacks its marks"),
        "one mark": (pieces_with(mark="<{}"), "wrong values"),
        "to longest - 1": (pieces_with(more=-1), "`longest` is included"),
        "to longest + 1": (pieces_with(more=1), "longer than"),
        "from shortest - 1": (pieces_with(fewer=-1), "shorter than"),
        "each once": (pieces_with(once=True), "counts twice"),
        "over all": (pieces_with(over_all=True), "divided by all pieces"),
        "sum": (pieces_with(total=True), "take the mean"),
        "nan": (nan_for_none, "contains nan"),
        "all known": (every_piece_must_be_known, "your code stops"),
        "one number": (one_number, "should be a NumPy array"),
        "list": (as_a_list, "should be a NumPy array"),
        "eats its pieces": (eats_its_pieces, "changes its input"),
    },
    "09.ads": {
        "the lecture's": (the_lectures_ads, "0.76"),
        "clicks": (ads_from(lambda shown, clicks: clicks), "0.76"),
        "log clicks": (ads_from(lambda shown, clicks: np.log(clicks + 1)), "0.76"),
        "rates": (ads_from(lambda shown, clicks: clicks / np.maximum(shown, 1)), "0.76"),
        "impressions": (ads_from(lambda shown, clicks: shown), "hardly nearer"),
        "bare difference": (ads_from(lambda shown, clicks: clicks - expected(shown, clicks)), "0.76"),
        "three numbers": (
            lambda *log: np.pad(signed_root(*log)[:, :3], ((0, 0), (0, 9))),
            "hardly nearer",
        ),
        "users": (lambda user, ad, click: np.zeros((400, 12)), "shape"),
        "random": (lambda *log: np.random.default_rng(0).normal(size=(50, 12)), "hardly nearer"),
        "all the same": (lambda *log: np.ones((50, 12)), "same vector"),
    },
}

RIGHT = {
    "09.right": {"flattened": flattened, "counter": from_a_counter, "loop": right_with()},
    "09.npmi": {"base two": base_two},
    "09.cbow": {"autograd": by_torch, "window by window": window_by_window},
    "09.rest": {"b": "b", "B.": "B."},
    "09.analogy": {"filtered": filtered, "word by word": word_by_word},
    "09.pieces": {"running mean": running_mean, "by start and end": pieces_with()},
    "09.ads": {"residuals": signed_root, "eigenvectors": by_eigenvectors},
}
