# %% [markdown]
# # 12 · Sequences: exercises
#
# Seven tasks, about 125 minutes, after lecture 12.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np
import torch
from torch import nn

from utils import plots, progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE, threads=1)
rng = np.random.default_rng(SEED)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · One gate less
#
# **build** · level ●●○ · 15 minutes · `lstm`
#
# *So that you know what each gate is for: take one away and see what must pay for it.*
#
# In an LSTM with **coupled** gates there is no input gate: what is forgotten makes room, $i = 1 - f$.
# So $c_t = f \odot c_{t-1} + (1 - f) \odot g$ and $h_t = o \odot \tanh(c_t)$.
# One unit, $c = 2$, $f = 0.9$, $g = -1$: the new cell is $1.8 - 0.1 = 1.7$.
# The three blocks of columns of `W`, `U` and `b` are forget, candidate, output, in this order.
# Write one step in NumPy. It must be right for scores of ±1000 as well.
#
# <details><summary>Hint 1</summary>There are three blocks now, and the second is the candidate. <code>np.split(scores, 3, axis=1)</code> cuts them apart.</details>
# <details><summary>Hint 2</summary>f and o go through a sigmoid, g through tanh. The weight of g is 1 − f, after the sigmoid.</details>
# <details><summary>Hint 3</summary>exp(1000) overflows, and inf / inf is nan. <code>0.5 * (1 + np.tanh(z / 2))</code> is the same sigmoid, and safe.</details>

# %%
def coupled(x, h, c, W, U, b):
    """x (B, d), h and c (B, H), W (d, 3H), U (H, 3H), b (3H,) -> new h, new c."""
    # solution
    f, g, o = np.split(x @ W + h @ U + b, 3, axis=1)
    f, o = 0.5 * (1 + np.tanh(f / 2)), 0.5 * (1 + np.tanh(o / 2))
    c = f * c + (1 - f) * np.tanh(g)
    return o * np.tanh(c), c
    # end solution


# %%
check("12.coupled", coupled)

# %% [markdown] tags=["solution-only"]
# The cell is now a running average of candidates, so it stays between −1 and 1 once it is there, and it can no longer count.
# A quarter of the weights is saved. In a large comparison of variants (K. Greff and others, 2017) coupling did no significant harm.
# A GRU makes the same bargain: its update gate is both.

# %% [markdown]
# ## 2 · Back through time, with a leak
#
# **build** · level ●●● · 25 minutes · `rnn`
#
# *Because whoever can derive one recurrent gradient can derive them all.*
#
# A **leaky** RNN moves only a part of the way in each step, with $0 < a \le 1$ and a first state of zeros:
#
# $$h_t = (1 - a)\, h_{t-1} + a \tanh(x_t W + h_{t-1} U + b)$$
#
# For example $a = 0.1$, an old state of 2 and a tanh of −1: $0.9 \cdot 2 - 0.1 = 1.7$.
#
# Given `direct`, the gradient that the loss sends to each $h_t$ directly (the lecture's $a_t$), return the gradients of `U` and of all inputs, by hand and in NumPy.
#
# <details><summary>Hint 1</summary>An earlier state reaches the next one on two paths: through the tanh, and straight. Both send a gradient back, and they add up.</details>
# <details><summary>Hint 2</summary>Keep s = tanh(…) of each step: its slope is 1 − s², and s is not h. The gradient of the score is a · dh · (1 − s²).</details>
# <details><summary>Hint 3</summary>With dz that gradient: <code>dU += before.T @ dz</code>, <code>dx = dz @ W.T</code>, and back goes <code>dz @ U.T + (1 - a) * dh</code>.</details>

# %%
def through_leaks(xs, W, U, b, a, direct):
    """xs (T, B, d), W (d, H), U (H, H), b (H,), a number, direct (T, B, H)
    -> dU (H, H), dxs (T, B, d)."""
    # solution
    hs, tanhs = [np.zeros_like(direct[0])], []
    for x in xs:
        tanhs.append(np.tanh(x @ W + hs[-1] @ U + b))
        hs.append((1 - a) * hs[-1] + a * tanhs[-1])
    dU, dxs, later = np.zeros_like(U), np.zeros_like(xs), np.zeros_like(direct[0])
    for t in reversed(range(len(xs))):
        dh = direct[t] + later
        dz = a * dh * (1 - tanhs[t] ** 2)
        dU += hs[t].T @ dz  # hs[t] is the state before step t
        dxs[t] = dz @ W.T
        later = dz @ U.T + (1 - a) * dh
    return dU, dxs
    # end solution


# %%
check("12.leaks", through_leaks)

# %% [markdown] tags=["solution-only"]
# The straight path is a factor of $1 - a$ per step, whatever the weights are: a skip connection through time.
# With $a$ = 0.01 a gradient fades to a third in a hundred steps. A forget gate is this leak, learned, and one for each unit and moment.

# %% [markdown]
# ## 3 · Nothing comes from padding
#
# **debug** · level ●○○ · 10 minutes · `rnn`
#
# *Because this bug crashes nothing; it only makes short sentences worse.*
#
# Instead of the last state, many take the **mean** of the states over a sentence.
# `h` holds the states of padded sentences, `lengths` their real numbers of steps. A sentence of length 0 gets zeros.
# The function below lets the padding in. Mend it. What stands in the padding must not matter, even if it is `nan`.
#
# <details><summary>Hint 1</summary>Which steps are real? <code>np.arange(T)[:, None] &lt; lengths</code> is (T, B), True where they are.</details>
# <details><summary>Hint 2</summary>0 · nan is nan, so do not multiply by a mask: <code>np.where(real[:, :, None], h, 0)</code>.</details>
# <details><summary>Hint 3</summary>Divide by the real number of steps, not by T; and by 1 where that is 0.</details>

# %%
def mean_state(h, lengths):
    """h: (T, B, H) states, lengths: (B,) of 0 … T -> (B, H) means over the real steps."""
    # solution
    real = np.arange(len(h))[:, None] < lengths  # (T, B)
    total = np.where(real[:, :, None], h, 0).sum(axis=0)
    return total / np.maximum(lengths, 1)[:, None]
    # exercise
    # return h.mean(axis=0)
    # end solution


# %%
check("12.padding", mean_state)

# %% [markdown] tags=["solution-only"]
# A short sentence in a batch with a long one was divided by the long one's length: its mean shrank, by an amount that depended on its neighbours.
# A good test for any such code: the result for a sentence must not change when a longer one joins the batch.

# %% [markdown]
# ## 4 · How open shall it start?
#
# **predict** · level ●○○ · 10 minutes · `lstm`
#
# *So that you can set a memory by arithmetic, without a search.*
#
# What matters lies about 500 steps back. You may choose the bias of the forget gates at the start.
# A good start keeps a fair share of the cell over 500 steps, and still has a slope, so that training can move the gate.
#
# - **a** – 1
# - **b** – 3
# - **c** – 6
# - **d** – 50
#
# <details><summary>Hint 1</summary>The bias is the logarithm of a time: which of the four has an exponential near 500?</details>
# <details><summary>Hint 2</summary>The slope of a sigmoid at b is about exp(−b). What does a gradient do that is multiplied by exp(−50)?</details>

# %%
# solution
answer = "c"
# end solution

# %%
check("12.bias", answer)

# %%
kept = {f"bias {bias}": 100 * (1 / (1 + np.exp(-bias))) ** 500 for bias in (1, 3, 6, 50)}
plots.bars("Share of the cell that is left after 500 steps", kept,
           xlabel="share left (%)", unit=" %", digits=1)
plots.show("Four bars: bias 1 and 3 keep nothing, 6 keeps about thirty per cent, "
           "50 keeps all.")

# %% [markdown] tags=["solution-only"]
# $e^6$ is 403 steps. Bias 50 keeps everything, for ever: its slope is $e^{-50}$, so no gradient will ever shut that gate, and the cell fills up.
# Open is good, locked open is not.

# %% [markdown]
# ## 5 · Write, but not nonsense
#
# **build** · level ●●○ · 20 minutes · `rnn`
#
# *Because this is how language models are made to write, today as well.*
#
# A thousand unlikely symbols, each with a chance of 0.0001, are drawn once in ten times. **Nucleus** sampling cuts that tail off:
# divide the logits by the temperature and take the softmax. Keep the likeliest symbols, as few as possible, such that their probabilities add up to at least `top`. Scale those to sum to one; the others get zero.
# On a tie, the symbol with the smaller number is kept first. With `top` = 1 all are kept.
#
# <details><summary>Hint 1</summary>Order: temperature first, then softmax, then the cut, then the scaling. Take the largest logit off before exp.</details>
# <details><summary>Hint 2</summary><code>np.argsort(-p, kind="stable")</code> sorts from the likeliest down, ties by number. Its running sum says how many to keep: all before which the sum is still below top.</details>
# <details><summary>Hint 3</summary>The symbol that takes the sum over top is kept too. And a running sum may end at 0.9999999999: think of top = 1.</details>

# %%
def nucleus(z, temperature, top):
    """z: (V,) logits -> (V,) probabilities, zero outside the nucleus."""
    # solution
    z = z / temperature
    p = np.exp(z - z.max())
    p /= p.sum()
    order = np.argsort(-p, kind="stable")
    before = np.cumsum(p[order]) - p[order]  # the sum of what is likelier
    keep = order[before < top] if top < 1 else order
    out = np.zeros_like(p)
    out[keep] = p[keep] / p[keep].sum()
    return out
    # end solution


# %%
check("12.nucleus", nucleus)

# %% [markdown] tags=["solution-only"]
# Temperature changes all chances a little, the cut changes a few completely. The size of the nucleus adapts: one symbol where the model is sure, many where it is not.
# See A. Holtzman and others (2020), *The curious case of neural text degeneration*.

# %% [markdown]
# ## 6 · Chrono for a GRU
#
# **build** · level ●●○ · 15 minutes · `rnn` `lstm`
#
# *So that you read a library's convention before you trust a formula.*
#
# A GRU has no forget gate. In `nn.GRU` the blocks are reset, update, new, and $h_t = (1 - z) \odot n + z \odot h_{t-1}$.
# Return a bias of `3 * hidden` numbers with which each unit keeps for its own span: spans uniform from 1 to `longest - 1`. All that is not the update gate's is zero.
# Draw from the generator `rng` and from nothing else.
#
# <details><summary>Hint 1</summary>Which block is the update gate's, and does z = 1 keep or renew? In some papers it is the other way round; here it keeps.</details>
# <details><summary>Hint 2</summary>Draw the spans first, with <code>rng.uniform(1, longest - 1, hidden)</code>, then take their logarithm. The LSTM's −b for the input gate has no place here: 1 − z does it.</details>

# %%
def gru_bias(hidden, longest, rng):
    """hidden units, longest lag (at least 3), a NumPy generator
    -> (3 * hidden,) float64."""
    # solution
    bias = np.zeros(3 * hidden)
    bias[hidden:2 * hidden] = np.log(rng.uniform(1, longest - 1, hidden))
    return bias
    # end solution


# %%
def remember(bias=None, lag=30, steps=160, H=24):
    """Train a GRU on lecture 12's symbol task and return its loss in bits at each step."""
    torch.manual_seed(SEED)
    gru, head = nn.GRU(8, H), nn.Linear(H, 4)
    if bias is not None:
        biases = {"bias_ih_l0": torch.tensor(bias), "bias_hh_l0": torch.zeros(3 * H)}
        gru.load_state_dict(biases, strict=False)
    descent = torch.optim.Adam([*gru.parameters(), *head.parameters()], lr=0.02)
    bits = []
    for _ in range(steps):
        y = torch.randint(4, (32,))
        x = nn.functional.one_hot(torch.cat([y[None], 4 + torch.randint(4, (lag, 32))]),
                                  8).float()
        loss = nn.functional.cross_entropy(head(gru(x)[0][-1]), y)
        descent.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(gru.parameters(), 1.0)
        descent.step()
        bits.append(loss.item() / np.log(2))
    return bits


if check("12.gru", gru_bias):
    _, ax = plots.figure("Your bias in a GRU: one symbol, 30 steps ago", xlabel="step",
                         ylabel="loss (bits)")
    for label, bias, color in [("as the library starts it", None, plots.GREY),
                               ("with your bias", gru_bias(24, 30, rng), plots.BLUE)]:
        bits = remember(bias)
        ax.plot(bits, color=color)
        plots.name(ax, 90, np.median(bits[80:]), label, color,
                   dy=-14 if bias is None else 12)
    plots.show("Loss of two GRUs over training: with your bias it falls to zero.")

# %% [markdown] tags=["solution-only"]
# $\sigma(\log s) = s / (1 + s)$: a gate that keeps all but one part in $s + 1$.
# With the library's start some seeds remember and some do not; change `SEED` and run again. The name of the cell decides less than its first bias.

# %% [markdown]
# ## 7 · May this ad be shown?
#
# **apply** · level ●●● · 30 minutes · `lstm`
#
# *Because a state that is kept for a visitor, event after event, is what a recurrent net is for.*
#
# A log holds visits: arrays of event numbers, 0 to 8. At one event a visitor consents to personal ads, at another one takes it back.
# Nobody knows which numbers these are: they are hashed. Of each past visit you know how it *ended*: with consent or without. At the start there is none.
# Return the probability of consent *after every event* of the new visits, in one long array.
# New visits are up to seven times as long, and one is empty.
# What comes later in a visit must not change what you said before (so no bidirectional net).
#
# <details><summary>Hint 1</summary>Train as in the lecture: pad, pick the state at the last real step. Let the padding have a number of its own: events start at 0.</details>
# <details><summary>Hint 2</summary>To answer, apply the same head to the states of all steps, <code>head(h)</code>, cut each visit at its length, and join them with <code>np.concatenate</code>.</details>
# <details><summary>Hint 3</summary>Twenty or so units, Adam at 0.01, ten epochs with batches of 64 are enough. Run each new visit from its first event to its last with one state, and let the forget gates start open.</details>

# %%
def consent(visits, ended, new):
    """visits: list of int arrays, ended: (n,) bool, new: list of int arrays
    -> (all events of new,)."""
    # solution
    torch.manual_seed(0)
    table, lstm, head = nn.Embedding(10, 16), nn.LSTM(16, 24), nn.Linear(24, 1)
    with torch.no_grad():
        lstm.bias_ih_l0[24:48] = 3  # the forget gates start open: twenty steps

    def scores(batch):  # event 0 is padding from here on -> (T, B)
        x = nn.utils.rnn.pad_sequence([torch.as_tensor(visit) + 1 for visit in batch])
        return head(lstm(table(x))[0])[:, :, 0]

    descent = torch.optim.Adam([*table.parameters(), *lstm.parameters(),
                                *head.parameters()], lr=0.01)
    y = torch.as_tensor(ended).float()
    lengths = torch.tensor([len(visit) for visit in visits])
    for _ in range(10):
        for rows in torch.randperm(len(visits)).split(64):
            all_steps = scores([visits[i] for i in rows])
            last = all_steps[lengths[rows] - 1, torch.arange(len(rows))]
            descent.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(last, y[rows]).backward()
            descent.step()
    with torch.no_grad():
        p = torch.sigmoid(scores(new)).numpy()
    return np.concatenate([p[:len(visit), i] for i, visit in enumerate(new)])
    # end solution


# %%
check("12.consent", consent)

# %% [markdown] tags=["solution-only"]
# It was trained on ends only, and answers at every step: the head does not know where it stands.
# It was trained on short visits, and holds for long ones, because a latch has no length.
# Once you have found the two events by looking at the gates, write the two lines of code that replace the net. That is a good day's work for an LSTM.
