# %% [markdown]
# # 20 · After the map: exercises
#
# Seven tasks, about 140 minutes, after lecture 20.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from utils import data, plots, progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE, threads=1)
rng = np.random.default_rng(SEED)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · Nothing to look at
#
# **build** · level ●●○ · 20 minutes · `attention`
#
# *Because a row that may see nothing is the usual source of nan in a Transformer.*
#
# Texts that are to be continued are padded on the **left**: of T columns, the *last* `lengths[b]` are real.
# Row t of a text may see the real columns up to t, itself included. Turn the scores into weights.
# A row that may see nothing gets zeros. Padding may hold anything, even `nan`; real scores may be ±1000.
#
# <details><summary>Hint 1</summary>Column j is real if <code>j >= T - lengths[b]</code>. Together with j ≤ t that is a mask of shape (B, T, T).</details>
# <details><summary>Hint 2</summary>Put −inf where nothing may be seen, with <code>np.where</code>. Before <code>exp</code>, take off each row's maximum; where that is −inf, take off 0.</details>
# <details><summary>Hint 3</summary>Such a row then sums to 0. Divide by the sum where it is positive, and by 1 elsewhere.</details>

# %%
def masked_weights(scores, lengths):
    """scores (B, T, T): row t asks, column j is asked;
    lengths (B,) of 0 … T -> weights (B, T, T)."""
    # solution
    T = scores.shape[1]
    row, column = np.arange(T)[:, None], np.arange(T)
    seen = (column <= row) & (column >= T - np.asarray(lengths)[:, None, None])  # (B, T, T)
    scores = np.where(seen, scores, -np.inf)
    top = scores.max(axis=2, keepdims=True)
    w = np.exp(scores - np.where(np.isfinite(top), top, 0))
    total = w.sum(axis=2, keepdims=True)
    return w / np.where(total > 0, total, 1)
    # end solution


# %%
check("20.mask", masked_weights)

# %% [markdown] tags=["solution-only"]
# A large negative number in place of −inf looks safe, and gives the empty rows even weights over what they must not see.
# PyTorch's `scaled_dot_product_attention` has its own rule for such rows; test what your version does before you rely on it.

# %% [markdown]
# ## 2 · It can see tomorrow
#
# **debug** · level ●○○ · 10 minutes · `attention`
#
# *Because a leak shows as a loss that is too good, and nobody looks into good news.*
#
# For long texts many models use a **sliding window**: position t sees itself and the `window - 1` positions before it.
# This mask lets it see more than that, and some of it is the future. Mend it. True means "may see".
#
# <details><summary>Hint 1</summary>Print the mask for T = 5 and window = 2. In row t, which columns should be True?</details>
# <details><summary>Hint 2</summary>The distance <code>back = t - j</code> must be at least 0 and below the window. Two comparisons do it.</details>

# %%
def window_mask(T, window):
    """T positions, window of at least 1 -> (T, T) bool: may row t see column j?"""
    # solution
    back = np.arange(T)[:, None] - np.arange(T)
    return (back >= 0) & (back < window)
    # exercise
    # return np.tril(np.ones((T, T), bool), k=1) & np.triu(np.ones((T, T), bool), k=-window)
    # end solution


# %%
check("20.leak", window_mask)

# %% [markdown] tags=["solution-only"]
# Both diagonals were off by one: `k=1` in `tril` keeps the diagonal above, which is the next token.
# A test that needs no reading of code: change the last token, and see whether an earlier output moves.

# %% [markdown]
# ## 3 · Do not compute it twice
#
# **build** · level ●●○ · 25 minutes · `attention`
#
# *So that you know why writing with a large model needs so much memory.*
#
# A model that writes adds one token at a time. The keys and values of the earlier ones do not change, so they are kept: the **KV cache**.
# Given the new token and the cache, return attention's answer for the new token, and the longer cache.
# The new token sees all earlier ones and itself. Head number i owns the i-th block of C/heads columns. The first token finds an empty cache.
#
# <details><summary>Hint 1</summary>First make the new key and value, then join them to the cache with <code>np.concatenate</code> along axis 1, and only then look.</details>
# <details><summary>Hint 2</summary><code>K.reshape(B, t, heads, -1)</code> cuts the columns into heads. Each head has d = C/heads numbers, and √d belongs to the head.</details>
# <details><summary>Hint 3</summary><code>np.einsum("bhd,bthd->bht", q, K)</code> are the scores; softmax over t; then <code>"bht,bthd->bhd"</code>.</details>

# %%
def cached_step(x, K, V, Wq, Wk, Wv, heads):
    """x (B, C), cache K, V (B, t, C), Wq, Wk, Wv (C, C) for x @ W
    -> out (B, C), K and V (B, t + 1, C)."""
    # solution
    K = np.concatenate([K, (x @ Wk)[:, None]], axis=1)
    V = np.concatenate([V, (x @ Wv)[:, None]], axis=1)
    B, t, C = K.shape
    q = (x @ Wq).reshape(B, heads, -1)
    k = K.reshape(B, t, heads, -1)
    v = V.reshape(B, t, heads, -1)
    scores = np.einsum("bhd,bthd->bht", q, k) / np.sqrt(C / heads)
    w = np.exp(scores - scores.max(axis=2, keepdims=True))
    w /= w.sum(axis=2, keepdims=True)
    return np.einsum("bht,bthd->bhd", w, v).reshape(B, C), K, V
    # end solution


# %%
check("20.cache", cached_step)

# %% [markdown] tags=["solution-only"]
# Without a cache the t-th token costs t times a token's work, with it one look back over t keys.
# The price is memory: two numbers for each layer, channel and token, for each text that is being written.

# %% [markdown]
# ## 4 · Fine-tune a little
#
# **predict** · level ●○○ · 10 minutes · `attention`
#
# *Because most fine-tuning today is done this way, and its start is a choice.*
#
# **LoRA** freezes a pre-trained weight matrix $W$ and trains a correction of low rank: $y = x (W + A B)$, with $A$ of shape (d, r) and $B$ of shape (r, d).
# Before the first step the model must be what it was, and the first steps must be able to change it. How do you start?
#
# - **a** – A and B zero
# - **b** – A and B small and random
# - **c** – A small and random, B zero
#
# <details><summary>Hint 1</summary>What is AB at the start in each case?</details>
# <details><summary>Hint 2</summary>The gradient of B holds A as a factor, and that of A holds B. What if both are zero?</details>

# %%
# solution
answer = "c"
# end solution

# %%
check("20.lora", answer)

# %%
def fine_tune(a, b, steps=60, d=32, r=2):
    """How far the start is from the pre-trained model,
    and the error that is left at the end, in per cent."""
    torch.manual_seed(SEED)
    x, W = torch.randn(256, d), torch.randn(d, d) / d**0.5
    target = x @ (W + torch.randn(d, r) @ torch.randn(r, d) / d)
    A, B = nn.Parameter(a * torch.randn(d, r)), nn.Parameter(b * torch.randn(r, d))
    moved = (x @ A @ B).norm().item() / (x @ W).norm().item()
    descent, errors = torch.optim.Adam([A, B], lr=0.03), []
    for _ in range(steps):
        loss = (x @ (W + A @ B) - target).square().mean()
        descent.zero_grad()
        loss.backward()
        descent.step()
        errors.append(loss.item())
    return 100 * moved, 100 * errors[-1] / errors[0]


kinds = {"a: both zero": (0, 0), "b: both random": (0.2, 0.2), "c: B zero": (0.2, 0)}
results = {kind: fine_tune(*start) for kind, start in kinds.items()}
fig, axes = plots.panels("One factor zero: unchanged at the start, and it learns",
                         ["changed at the start", "error left after 60 steps"],
                         xlabel="%", ylabel="", size=(9, 2.4), sharey=True)
for ax, column in zip(axes, (0, 1), strict=True):
    bars = ax.barh(list(results), [pair[column] for pair in results.values()],
                   color=plots.BLUE)
    ax.bar_label(bars, fmt=" %.0f", color=plots.INK)
    ax.margins(x=0.15)
axes[0].invert_yaxis()
plots.show("Bars: both zero never learns, both random starts changed, "
           "B zero starts unchanged and learns.")

# %% [markdown] tags=["solution-only"]
# Both zero is a saddle: each gradient has the other factor in it, so nothing moves, for ever. It is lecture 07's symmetry again.
# After training, $W + AB$ is one matrix: the correction costs nothing at prediction.

# %% [markdown]
# ## 5 · One step back
#
# **build** · level ●●● · 25 minutes · `diffusion`
#
# *Because this one formula is what a DDPM does at each step, and you can derive it.*
#
# Given the noisy $z_t$ and the clean $x$, where was $z_{t-1}$? It is normally distributed. Return its mean and its variance.
# `share[t]` is $\bar\alpha_t$, with `share[0] = 1`; one step keeps $\alpha_t = \bar\alpha_t / \bar\alpha_{t-1}$ of the variance.
#
# <details><summary>Hint 1</summary>Two facts about the unknown u = z at t − 1: given x, u has mean √ᾱ(t−1) x and variance 1 − ᾱ(t−1). And z_t has mean √α u and variance 1 − α.</details>
# <details><summary>Hint 2</summary>Two Gaussian facts combine by precision (1 / variance). The first says u ≈ √ᾱ(t−1) x with precision 1 / (1 − ᾱ(t−1)), the second u ≈ z / √α with precision α / (1 − α).</details>
# <details><summary>Hint 3</summary>Multiply numerator and denominator by (1 − α)(1 − ᾱ(t−1)), so that t = 1 does not divide by zero. The precisions' sum becomes 1 − ᾱ(t), in both.</details>

# %%
def step_back(z, x, t, share):
    """z, x (n, d); t of at least 1;
    share (steps + 1,) -> mean (n, d), variance: one number."""
    # solution
    now, before = share[t], share[t - 1]
    alpha = now / before
    mean = ((np.sqrt(alpha) * (1 - before) * z + np.sqrt(before) * (1 - alpha) * x)
            / (1 - now))
    return mean, (1 - alpha) * (1 - before) / (1 - now)
    # end solution


# %%
check("20.back", step_back)

# %% [markdown] tags=["solution-only"]
# The walk back puts the net's guess of x in the place of x. At t = 1 the mean is x itself and the variance is 0: the last step adds no noise.
# The lecture's `back` with eta = 1 is this step, written with the guessed noise; it also serves when steps are skipped.

# %% [markdown]
# ## 6 · One step back, to order
#
# **build** · level ●●○ · 20 minutes · `diffusion`
#
# *Because this is the slider of every image generator, and half of its bugs.*
#
# A net gave two predictions of the noise in $z$: `told`, which knows what was asked for, and `free`, which does not. Make one step from the time with share `now` to the earlier one with share `then`, in this order:
#
# 1. guidance: go from `free` towards `told`, `w` times the whole way;
# 2. the guess of the data, $\hat x = (z - \sqrt{1 - \text{now}}\ \hat\varepsilon) / \sqrt{\text{now}}$, cut off at −1 and 1: pixels have no more;
# 3. the noise that goes with *this* $\hat x$;
# 4. on to `then` with both, and no fresh noise (DDIM).
#
# <details><summary>Hint 1</summary>w = 0 must give <code>free</code> alone, w = 1 <code>told</code> alone; w = 3 goes beyond <code>told</code>.</details>
# <details><summary>Hint 2</summary>For step 3 solve z = √now · x + √(1 − now) · noise for the noise, with the x that was cut off.</details>

# %%
def guided_step(z, told, free, w, now, then):
    """z, told, free (n, d); three numbers, 0 < now < 1, now < then <= 1 -> z at `then`."""
    # solution
    noise = free + w * (told - free)
    x = np.clip((z - np.sqrt(1 - now) * noise) / np.sqrt(now), -1, 1)
    noise = (z - np.sqrt(now) * x) / np.sqrt(1 - now)
    return np.sqrt(then) * x + np.sqrt(1 - then) * noise
    # end solution


# %%
check("20.guide", guided_step)

# %% [markdown] tags=["solution-only"]
# A large w pushes the guess of x beyond what any picture holds. Without the cut the picture saturates; with the cut but the old noise, x and noise no longer make up z, and the error grows from step to step.
# The paper of Ho and Salimans counts w from `told` on: theirs is ours minus 1. Libraries differ, too; try w = 0 before you trust a slider.

# %% [markdown]
# ## 7 · What did this user click?
#
# **apply** · level ●●● · 30 minutes · `attention`
#
# *Because attention over a user's past ads is in most ranking systems of today, and its core is a kernel regression.*
#
# Predict a click on a `candidate` ad as a weighted mean of the user's past clicks. Past ad i gets the score $a_i \cdot c / \sqrt d$, with $a_i$ and the candidate $c$ as vectors of $d$ numbers.
# A user with little history should stay near the base rate. So add one more entry to the history of each user: its value is `base`, its score is `trust`, a number that is not divided.
# Softmax over all entries gives the weights. The first `lengths[b]` ads are real, the rest is padding and may be `nan`.
#
# <details><summary>Hint 1</summary>Make an array of scores (B, T + 1): the past ads, and one column of <code>trust</code>. Padding gets −inf.</details>
# <details><summary>Hint 2</summary>The extra entry is always there, so a row's maximum is finite. Take it off before <code>exp</code>: scores may be in the thousands.</details>
# <details><summary>Hint 3</summary>0 · nan is nan: set the clicks of padding to 0 with <code>np.where</code> before you take the weighted mean.</details>

# %%
def click_rate(ads, clicks, lengths, candidate, base, trust):
    """ads (B, T, d), clicks (B, T), lengths (B,), candidate (B, d), two numbers
    -> (B,) probabilities."""
    # solution
    B, T, d = ads.shape
    real = np.arange(T) < np.asarray(lengths)[:, None]  # (B, T)
    scores = (np.einsum("btd,bd->bt", np.where(real[:, :, None], ads, 0), candidate)
              / np.sqrt(d))
    scores = np.column_stack([np.where(real, scores, -np.inf), np.full(B, trust)])
    values = np.column_stack([np.where(real, clicks, 0), np.full(B, base)])
    w = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (w * values).sum(axis=1) / w.sum(axis=1)
    # end solution


# %%
def on_the_log(scale, asked, past=100):
    """Rates for some rows of the ad log, each from its user's rows before it.
    `scale` 0: all alike."""
    user, category, advertiser = (log.features[name]
                                  for name in ("user", "category", "advertiser"))
    kinds = scale * np.hstack([np.eye(column.max() + 1)[column]
                               for column in (category, advertiser)])
    rates = []
    for row in asked:
        rows = np.flatnonzero(user[:row] == user[row])[-past:]
        given = (kinds[None, rows], log.click[None, rows].astype(float),
                 np.array([len(rows)]), kinds[None, row])
        rates.append(click_rate(*given, base, 5.0)[0])
    return np.array(rates)


if check("20.clicks", click_rate):
    log = data.load("ads")
    base = log.click[:150_000].mean()
    asked = rng.choice(np.arange(150_000, 200_000), 3000, replace=False)
    area = {name: 100 * roc_auc_score(log.click[asked], on_the_log(scale, asked))
            for name, scale in [("mean of the user's past", 0),
                                ("attention to like ads", 4)]}
    area["the truth"] = 100 * roc_auc_score(log.click[asked], log.truth[asked])
    plots.bars("Your function on the ad log, with nothing trained", area, xlabel="AUC (%)")
    plots.show("Three bars of AUC: attention to like ads beats the user's mean, "
               "and is below the truth.")

# %% [markdown] tags=["solution-only"]
# With no history the answer is the base rate, and the more similar ads were seen, the less the base counts: shrinkage, as in lectures 06 and 15.
# On the log the vectors are one-hot, category beside advertiser, so two ads are alike if they share one or both.
# In production the ads' vectors are learned from end to end (lecture 08), and the score is a small net of both ads: see G. Zhou and others (2018), *Deep interest network*.
