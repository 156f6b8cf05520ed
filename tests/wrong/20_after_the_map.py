"""Wrong answers to lecture 20's tasks, each with its message, and right ones written otherwise."""

import numpy as np
import torch
from scipy.special import softmax


# ----------------------------------------------------------------------------------------------- mask
def mask(scores, lengths, causal=True, own=0, left=True, padded=True, blank=-np.inf, fill=0.0):
    B, T, _ = scores.shape
    row, column = np.arange(T)[:, None], np.arange(T)
    n = np.asarray(lengths)[:, None, None]
    real = (column >= T - n) if left else (column < n)
    seen = np.ones((B, T, T), bool)
    if causal:
        seen &= column <= row - own
    if padded:
        seen &= real
    with np.errstate(all="ignore"):
        w = softmax(np.where(seen, scores, blank), axis=2)
    return np.where(seen.any(2, keepdims=True), w, fill) if blank == -np.inf else w


def nan_rows(scores, lengths):
    return mask(scores, lengths, fill=np.nan)


def mask_by_product(scores, lengths):
    """Softmax first, the mask after: padding that is nan comes through."""
    T = scores.shape[1]
    seen = np.tril(np.ones((T, T))) * (np.arange(T) >= T - np.asarray(lengths)[:, None, None])
    with np.errstate(all="ignore"):
        w = softmax(scores, axis=2) * seen
        return w / np.maximum(w.sum(2, keepdims=True), 1e-30)


def no_shift(scores, lengths):
    seen = mask(np.zeros_like(scores), lengths) > 0
    with np.errstate(all="ignore"):
        e = np.where(seen, np.exp(scores), 0)
        return e / np.where(seen.any(2, keepdims=True), e.sum(2, keepdims=True), 1)


def rows_of_padding_only(scores, lengths):
    """Masks by the row's being padding, not by the column's."""
    T = scores.shape[1]
    row, column = np.arange(T)[:, None], np.arange(T)
    seen = (column <= row) & (row >= T - np.asarray(lengths)[:, None, None])
    with np.errstate(all="ignore"):
        return np.nan_to_num(softmax(np.where(seen, scores, -np.inf), axis=2))


def zero_is_hidden(scores, lengths):
    """Takes each 0 for a place that the mask has emptied."""
    kept = np.where(mask(np.zeros_like(scores), lengths) > 0, scores, 0)
    with np.errstate(all="ignore"):
        return np.nan_to_num(softmax(np.where(kept == 0, -np.inf, kept), axis=2))


def causal_by_sum(scores, lengths):
    """Adds −inf to the future: where padding asks, it may be nan."""
    T = scores.shape[1]
    real = np.arange(T) >= T - np.asarray(lengths)[:, None, None]
    scores = np.where(real, scores, -np.inf) + np.where(np.tri(T, dtype=bool), 0, -np.inf)
    with np.errstate(all="ignore"):
        return np.where(np.isneginf(scores).all(2, keepdims=True), 0, softmax(scores, axis=2))


def mask_by_torch(scores, lengths):
    T = scores.shape[1]
    hidden = torch.ones(T, T).triu(1).bool() | (torch.arange(T) < T - torch.tensor(lengths)[:, None, None])
    w = torch.tensor(scores).masked_fill(hidden, -torch.inf).softmax(2)
    return w.masked_fill(hidden, 0).numpy()


def mask_row_by_row(scores, lengths):
    out = np.zeros_like(scores)
    for b, n in enumerate(lengths):
        first = scores.shape[1] - n
        for t in range(first, scores.shape[1]):
            out[b, t, first : t + 1] = softmax(scores[b, t, first : t + 1])
    return out


# ----------------------------------------------------------------------------------------------- leak
def window(T, w, low=0, high=0):
    return np.tri(T, k=high, dtype=bool) & ~np.tri(T, k=-w - low, dtype=bool)


# ---------------------------------------------------------------------------------------------- cache
def cache(x, K, V, Wq, Wk, Wv, heads, root=None, order=1, newest=True, deal=False, value=None, shift=True):
    new = [(x @ Wk)[:, None], (x @ (Wk if value else Wv))[:, None]]
    K, V = (np.concatenate([old, n][::order], axis=1) for old, n in zip((K, V), new, strict=True))
    C = K.shape[2]
    out, q = np.empty_like(x), x @ Wq
    for h in range(heads):
        columns = np.arange(h, C, heads) if deal else np.arange(h * (C // heads), (h + 1) * (C // heads))
        scores = np.einsum("bd,btd->bt", q[:, columns], K[:, :, columns]) / (root or np.sqrt)(len(columns))
        if not newest:
            scores[:, -1] = -np.inf
        with np.errstate(all="ignore"):
            e = np.exp(scores - (scores.max(1, keepdims=True, initial=0) if shift == "down" else 0))
            w = softmax(scores, axis=1) if shift is True else e / e.sum(1, keepdims=True)
        out[:, columns] = np.einsum("bt,btd->bd", w, V[:, :, columns])
    return out, K, V


def old_cache_returned(x, K, V, *rest):
    return cache(x, K, V, *rest)[0], K, V


def scale_of_all(x, K, V, Wq, Wk, Wv, heads):
    return cache(x, K, V, Wq, Wk, Wv, heads, root=lambda d: np.sqrt(d * heads))


def one_head_only(x, K, V, Wq, Wk, Wv, heads):
    return cache(x, K, V, Wq, Wk, Wv, 1)


def query_cached(x, K, V, Wq, Wk, Wv, heads):
    """Caches the token itself, not its key."""
    return cache(x, K, V, Wq, np.eye(len(Wk)), Wv, heads)


def cache_by_einsum(x, K, V, Wq, Wk, Wv, heads):
    K, V = (np.append(a, x[:, None] @ W, axis=1) for a, W in ((K, Wk), (V, Wv)))
    q, k, v = (a.reshape(len(x), -1, heads, x.shape[1] // heads) for a in ((x @ Wq)[:, None], K, V))
    w = softmax(np.einsum("bihd,bjhd->bhij", q, k) / np.sqrt(q.shape[-1]), axis=3)
    return np.einsum("bhij,bjhd->bihd", w, v).reshape(x.shape), K, V


# ----------------------------------------------------------------------------------------------- back
def back(z, x, t, share):
    """By precisions, as in hint 2; t = 1 by itself."""
    if t == 1:
        return x.copy(), 0.0
    alpha = share[t] / share[t - 1]
    first, second = 1 / (1 - share[t - 1]), alpha / (1 - alpha)
    variance = 1 / (first + second)
    return variance * (first * np.sqrt(share[t - 1]) * x + second * z / np.sqrt(alpha)), variance


def back_by_noise(z, x, t, share):
    """The lecture's step: through the noise, with eta = 1."""
    now, before = share[t], share[t - 1]
    noise = (z - np.sqrt(now) * x) / np.sqrt(1 - now)
    variance = (1 - before) / (1 - now) * (1 - now / before)
    return np.sqrt(before) * x + np.sqrt(1 - before - variance) * noise, variance


def ddim(z, x, t, share):
    now, before = share[t], share[t - 1]
    noise = (z - np.sqrt(now) * x) / np.sqrt(1 - now)
    return np.sqrt(before) * x + np.sqrt(1 - before) * noise, 0.0


def one_late(z, x, t, share):
    return back(z, x, min(t + 1, len(share) - 1), share)


def divides_by_zero(z, x, t, share):
    with np.errstate(all="ignore"):
        alpha, first = share[t] / share[t - 1], 1 / (1 - share[t - 1])
        second = alpha / (1 - alpha)
        mean = (first * np.sqrt(share[t - 1]) * x + second * z / np.sqrt(alpha)) / (first + second)
        return mean, float(1 / (first + second))


def share_as_alpha(z, x, t, share):
    """Takes share[t] for the step's own alpha."""
    alpha, before = share[t], share[t - 1]
    mean = (np.sqrt(alpha) * (1 - before) * z + np.sqrt(before) * (1 - alpha) * x) / (1 - share[t])
    return mean, (1 - alpha) * (1 - before) / (1 - share[t])


def changed(how):
    return lambda z, x, t, share: how(*back(z, x, t, share), z, x, t, share)


# ---------------------------------------------------------------------------------------------- guide
def guide(z, told, free, w, now, then, cut=(-1, 1), again=True, on=0.0, fix=1.0):
    """By the guess of the data itself: it is linear in the noise."""

    def data(noise):
        return (z - np.sqrt(1 - now) * noise) / np.sqrt(now)

    x = (1 - w - on) * data(free) + (w + on) * data(told)
    noise = (z - np.sqrt(now) * x) / np.sqrt(1 - now)
    x = np.clip(x, *cut)
    if again:
        noise = (z - np.sqrt(now) * x) / np.sqrt(1 - now)
    return np.sqrt(then) * x + fix * np.sqrt(1 - then) * noise


def guide_by_torch(z, told, free, w, now, then):
    z, told, free = (torch.tensor(a) for a in (z, told, free))
    x = ((z - (1 - now) ** 0.5 * torch.lerp(free, told, w)) / now**0.5).clamp(-1, 1)
    return (then**0.5 * x + ((1 - then) / (1 - now)) ** 0.5 * (z - now**0.5 * x)).numpy()


def noise_cut(z, told, free, w, now, then):
    noise = np.clip(free + w * (told - free), -1, 1)
    return np.sqrt(then) * (z - np.sqrt(1 - now) * noise) / np.sqrt(now) + np.sqrt(1 - then) * noise


def without_roots(z, told, free, w, now, then):
    x = np.clip((z - (1 - now) * (free + w * (told - free))) / now, -1, 1)
    return then * x + (1 - then) * (z - now * x) / (1 - now)


# --------------------------------------------------------------------------------------------- clicks
def clicks(
    ads, clicked, lengths, candidate, base, trust, root=True, use=True, sink=None, divide=1.0, most=np.inf
):
    T, d = ads.shape[1:]
    real = np.arange(T) < np.asarray(lengths)[:, None]
    ads, clicked = np.where(real[..., None], ads, 0), np.where(real, clicked, 0)
    scores = (ads @ candidate[..., None])[..., 0] / (np.sqrt(d) if root else 1) * use
    scores = np.c_[np.where(real, np.minimum(scores, most), -np.inf), np.full(len(ads), trust / divide)]
    return (softmax(scores, axis=1) * np.c_[clicked, np.full(len(ads), base if sink is None else sink)]).sum(
        1
    )


def no_base(ads, clicked, lengths, candidate, base, trust):
    p = clicks(ads, clicked, lengths, candidate, base, -1e9)
    return np.where(np.asarray(lengths) > 0, p, base)


def padding_counts(ads, clicked, lengths, candidate, base, trust):
    full = np.full(len(ads), ads.shape[1])
    return clicks(np.nan_to_num(ads), np.nan_to_num(clicked), full, candidate, base, trust)


def nan_times_zero(ads, clicked, lengths, candidate, base, trust):
    T, d = ads.shape[1:]
    real = np.arange(T) < np.asarray(lengths)[:, None]
    scores = np.where(real, np.einsum("btd,bd->bt", ads, candidate) / np.sqrt(d), -np.inf)
    w = softmax(np.c_[scores, np.full(len(ads), trust)], axis=1)
    return (w * np.c_[clicked, np.full(len(ads), base)]).sum(1)


def overflowing(ads, clicked, lengths, candidate, base, trust):
    T, d = ads.shape[1:]
    real = np.arange(T) < np.asarray(lengths)[:, None]
    with np.errstate(all="ignore"):
        e = np.where(real, np.exp(np.einsum("btd,bd->bt", ads, candidate) / np.sqrt(d)), 0)
        top = (e * np.where(real, clicked, 0)).sum(1) + np.exp(trust) * base
        return top / (e.sum(1) + np.exp(trust))


def shifted_down_only(ads, clicked, lengths, candidate, base, trust):
    """No shift where all scores are negative: then all weights may be 0."""
    T, d = ads.shape[1:]
    real = np.arange(T) < np.asarray(lengths)[:, None]
    scores = np.where(real, np.einsum("btd,bd->bt", ads, candidate) / np.sqrt(d), -np.inf)
    scores = np.c_[scores, np.full(len(ads), trust)]
    with np.errstate(all="ignore"):
        w = np.exp(scores - scores.max(1, keepdims=True, initial=0))
        return (w * np.c_[np.where(real, clicked, 0), np.full(len(ads), base)]).sum(1) / w.sum(1)


def cut_at_700(ads, clicked, lengths, candidate, base, trust):
    """So that exp does not overflow; but then 1000 and 2000 count alike."""
    return clicks(ads, clicked, lengths, candidate, base, trust, most=700)


def blended(ads, clicked, lengths, candidate, base, trust):
    """Half history, half base."""
    return (no_base(ads, clicked, lengths, candidate, base, trust) + base) / 2


def clicks_by_torch(ads, clicked, lengths, candidate, base, trust):
    """The base as one more ad, whose dot product with the candidate is made to be trust."""
    out = []
    for a, c, n, q in zip(ads, clicked, lengths, candidate, strict=True):
        scores = torch.tensor(np.append(a[:n] @ q / len(q) ** 0.5, trust))
        out.append(float(scores.softmax(0) @ torch.tensor(np.append(c[:n], base))))
    return np.array(out)


WRONG = {
    "20.mask": {
        "nan rows": (nan_rows, "contains nan"),
        "a large negative number": (lambda *a: mask(*a, blank=-1e9), "even weights"),
        "own column shut": (lambda *a: mask(*a, own=1), "its own column"),
        "padded on the right": (lambda *a: mask(*a, left=False), "on the left"),
        "not causal": (lambda *a: mask(*a, causal=False), "after them"),
        "padding seen": (lambda *a: mask(*a, padded=False), "the padding is seen"),
        "mask by product": (mask_by_product, "contains nan for padding that is nan"),
        "zero is hidden": (zero_is_hidden, "wrong values for scores of just 0"),
        "causal by sum": (causal_by_sum, "contains nan for padding that is nan"),
        "no shift": (no_shift, "contains nan"),
        "rows, not columns": (rows_of_padding_only, "wrong values"),
        "transposed": (lambda s, n: mask(s, n).transpose(0, 2, 1), "wrong values"),
        "softmax over rows": (
            lambda s, n: mask(s.transpose(0, 2, 1), n).transpose(0, 2, 1),
            "wrong values",
        ),
        "even weights": (lambda s, n: mask(np.zeros_like(s), n), "wrong values"),
        "one length for all": (lambda s, n: mask(s, np.full(len(n), max(n))), "contains nan for padding"),
    },
    "20.leak": {
        "window too long": (lambda T, w: window(T, w, low=1), "one too long"),
        "one ahead": (lambda T, w: window(T, w, high=1), "still seen"),
        "not itself": (lambda T, w: window(T, w, high=-1), "sees itself"),
        "too short": (lambda T, w: window(T, w - 1), "too short"),
        "no window": (lambda T, w: np.tri(T, dtype=bool), "no window"),
        "transposed": (lambda T, w: window(T, w).T, "swapped"),
        "both sides": (lambda T, w: window(T, w) | window(T, w).T, "wrong values"),
        "triu": (lambda T, w: np.triu(np.ones((T, T), bool)), "wrong values"),
        "the last columns": (lambda T, w: np.tri(T, dtype=bool) & (np.arange(T) >= T - w), "wrong values"),
        "inverted": (lambda T, w: ~window(T, w), "wrong values"),
        "numbers": (lambda T, w: window(T, w).astype(float), "dtype"),
    },
    "20.cache": {
        "scale of all columns": (scale_of_all, "belongs to the head"),
        "no scale": (lambda *a: cache(*a, root=lambda d: 1.0), "not divided"),
        "does not see itself": (lambda *a: cache(*a, newest=False), "does not see itself"),
        "new one first": (lambda *a: cache(*a, order=-1), "not first"),
        "columns dealt out": (lambda *a: cache(*a, deal=True), "owns a block"),
        "value by key": (lambda *a: cache(*a, value=True), "key's matrix"),
        "old cache": (old_cache_returned, "should have shape"),
        "answer only": (lambda *a: cache(*a)[0], "expected 3 results"),
        "overflow": (lambda *a: cache(*a, shift=False), "contains nan"),
        "shifted down only": (lambda *a: cache(*a, shift="down"), "contains nan for the first token"),
        "squeezed": (lambda *a: (cache(*a)[0].squeeze(), *cache(*a)[1:]), "should have shape (1, 2)"),
        "one head": (one_head_only, "wrong values"),
        "token cached": (query_cached, "wrong values"),
        "weights turned": (lambda x, K, V, Q, *r: cache(x, K, V, Q.T, *r), "wrong values"),
        "plain sum": (
            lambda x, K, V, Q, *r: cache(x, K, V, 0 * Q, *r),
            "wrong values",
        ),
        "swapped caches": (lambda *a: (cache(*a)[0], *cache(*a)[:0:-1]), "wrong values"),
    },
    "20.lora": {
        "both zero": ("a", "can never change"),
        "both random": ("b", "changed at once"),
        "a number": (0, "answer with one of"),
    },
    "20.back": {
        "forward variance": (
            changed(lambda m, v, z, x, t, s: (m, 1 - s[t] / s[t - 1])),
            "step forward",
        ),
        "standard deviation": (changed(lambda m, v, *_: (m, v**0.5)), "standard deviation"),
        "x alone": (changed(lambda m, v, z, x, t, s: (np.sqrt(s[t - 1]) * x, v)), "does not use z"),
        "z alone": (
            changed(lambda m, v, z, x, t, s: (z * np.sqrt(s[t - 1] / s[t]), v)),
            "one of two",
        ),
        "swapped results": (changed(lambda m, v, *_: (v, m)), "result 1 should"),
        "no fresh noise": (ddim, "result 1 has wrong values"),
        "another step": (one_late, "wrong values"),
        "divides by zero": (divides_by_zero, "contains nan"),
        "share for alpha": (share_as_alpha, "wrong values"),
        "precision": (changed(lambda m, v, *_: (m, 1 / (v + 1e-9))), "wrong values"),
        "no variance": (changed(lambda m, v, *_: (m, 0.0)), "wrong values"),
        "clean x": (lambda z, x, t, s: (x.copy(), back(z, x, t, s)[1]), "wrong values"),
        "variance a vector": (
            changed(lambda m, v, z, *_: (m, np.full(len(z), v))),
            "should be one number",
        ),
    },
    "20.guide": {
        "counted from told": (lambda *a: guide(*a, on=1.0), "w = 1 should give `told` alone"),
        "swapped": (lambda z, told, free, *r: guide(z, free, told, *r), "are swapped"),
        "away": (lambda z, told, free, w, *r: guide(z, told, free, -w, *r), "away from"),
        "not cut": (lambda *a: guide(*a, cut=(-np.inf, np.inf)), "not cut off"),
        "old noise": (lambda *a: guide(*a, again=False), "goes with x"),
        "noise cut": (noise_cut, "the noise is cut off"),
        "no roots": (without_roots, "square roots"),
        "cut from 0": (lambda *a: guide(*a, cut=(0, 1)), "wrong values"),
        "no guidance": (lambda z, told, free, w, *r: guide(z, told, free, 1, *r), "wrong values"),
        "no noise": (lambda *a: guide(*a, fix=0.0), "wrong values"),
        "data at once": (lambda *a: guide(*a[:5], 1.0), "wrong values"),
        "stays": (lambda z, *a: z.copy(), "wrong values"),
    },
    "20.clicks": {
        "no base": (no_base, "no part where there is a history"),
        "no root": (lambda *a: clicks(*a, root=False), "not divided by √d"),
        "trust divided": (lambda *a: clicks(*a, divide=np.sqrt(a[0].shape[2])), "trust is not divided"),
        "plain mean": (lambda *a: clicks(*a, use=0), "count alike"),
        "empty is zero": (lambda *a: clicks(*a, sink=0.0), "not 0"),
        "padding counts": (padding_counts, "wrong values"),
        "nan times zero": (nan_times_zero, "contains nan"),
        "overflow": (overflowing, "contains nan"),
        "cut at 700": (cut_at_700, "wrong values for a single user, scores of 1000"),
        "shifted down only": (shifted_down_only, "contains nan for no trust"),
        "squeezed": (lambda *a: clicks(*a).squeeze(), "should have shape (1,), got (), for a single user"),
        "half and half": (blended, "wrong values"),
        "sum, not mean": (lambda *a: clicks(*a) * (1 + np.asarray(a[2])), "wrong values"),
        "trust without a limit": (lambda *a: np.full(len(a[0]), a[4]), "wrong values"),
        "negative scores": (lambda a, c, n, q, *r: clicks(a, c, n, -q, *r), "wrong values"),
        "a column": (lambda *a: clicks(*a)[:, None], "should have shape"),
    },
}

RIGHT = {
    "20.mask": {"torch": mask_by_torch, "row by row": mask_row_by_row, "arrays": mask},
    "20.leak": {
        "two triangles": window,
        "by distance": lambda T, w: np.array([[0 <= t - j < w for j in range(T)] for t in range(T)]),
    },
    "20.cache": {"head by head": cache, "einsum": cache_by_einsum},
    "20.lora": {"c": "c", "C)": "C)"},
    "20.back": {"precisions": back, "through the noise": back_by_noise},
    "20.guide": {"by the data": guide, "torch": guide_by_torch},
    "20.clicks": {"arrays": clicks, "user by user": clicks_by_torch},
}
