# %% [markdown]
# # 20 · After the map
#
# **Question.** The map of this course was drawn in 2017. What came after, how does it work in small, and what of the map stays?
#
# **You will be able to** write attention that equals the library's, and say why it divides by $\sqrt d$; see in it a regression with learned weights; cut text into tokens; train a tiny GPT and judge it against an LSTM and against counting, in few steps and in many; turn noise into letters with a diffusion model, beside its strongest rival; steer it by guidance; place today's words on the map.
#
# **Needs** 09, 12, 13, 14, 16 · **Minutes** 95 to teach, 170 to study · **CPU** 45 s
#
# On the map: `attention` · `diffusion`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many training steps

# %%
import math
import time
from copy import deepcopy
from itertools import pairwise

import numpy as np
import torch
from sklearn.ensemble import RandomForestRegressor
from torch import nn
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch import generators, latent
from utils.scratch.recurrent import CharModel, fit_text, forget_bias_, ngram_bits, text_bits

# nets this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
torch.set_flush_denormal(True)  # numbers below 1e-38 are slow on a CPU: make them zero

# %%
concept_map.show("20")

# %% [markdown]
# ## 1 · Attention is a lookup, and the lookup is a regression
#
# On the map: `attention`
#
# A dictionary gives the value whose key equals the query; attention gives a mean of all values, weighted by how well their keys fit.
#
# Statisticians have had it since 1964, as **kernel regression** (커널 회귀; Nadaraya, Watson).
# To predict at a query $q$, take the mean of the known values $v_i$; those with a key $k_i$ near $q$ count more:
#
# $$\hat v(q) = \sum_i w_i v_i \qquad w_i \propto e^{-(q - k_i)^2 / 2} \qquad \textstyle\sum_i w_i = 1$$
#
# By hand: keys 1, 2, 4 with the values 10, 20, 40; the query is 2.
# The bells are $e^{-1/2} = 0.61$, 1 and $e^{-2} = 0.14$. Divided by their sum: 0.35, 0.57, 0.08.
# The answer is $0.35 \cdot 10 + 0.57 \cdot 20 + 0.08 \cdot 40 = 18.1$.

# %% [markdown]
# **Attention** (어텐션) scores a key by a product instead, and softmax makes the weights. In the example the scores $q k_i$ are 2, 4, 8, and softmax gives 0.00, 0.02, 0.98: the largest key shouts loudest.
# Take $k_i^2/2$ off each score, and 1.5, 2 and 0 are left: weights 0.35, 0.57, 0.08 again. That is no accident:
#
# $$-(q - k)^2/2 = q k - k^2/2 - q^2/2$$
#
# The last term is the same for all keys, so softmax cancels it. The second can be one more number in the key, which meets a 1 in the query.
# With $d$ numbers in $q$ and $k$ the product is a dot product, and attention divides it by $\sqrt d$ (section 2 says why):
#
# $$w = \text{softmax}\big(q \cdot k_1 / \sqrt d,\ q \cdot k_2 / \sqrt d,\ \dots\big)$$

# %%
s = schematics.Sketch("Attention: scores of the keys, softmax, a mean of the values",
                      width=10, height=3.1)
query = s.circle("q", at=(0.6, 1.5), kind="data")
soft = s.box("softmax", at=(4.5, 1.5), kind="family", size=(1.1, 2.5))
out = s.circle("Σ", at=(8.3, 1.5), kind="good")
for i, (y, w) in enumerate(zip((2.5, 1.5, 0.5), ("0.35", "0.57", "0.08"), strict=True)):
    score = s.box(f"q·k{'₁₂₃'[i]} / √d", at=(2.6, y))
    s.arrow(query, score)
    s.arrow(score, (soft.x - soft.w, y))
    times = s.circle("×", at=(6.6, y), kind="family", r=0.2)
    s.arrow((soft.x + soft.w, y), times, w)
    s.arrow(s.circle(f"v{'₁₂₃'[i]}", at=(7.3, y + 0.42), kind="data", r=0.22), times)
    s.arrow(times, out)
s.arrow(out, (9.6, 1.5), "18.1")
s.show("A query meets three keys in three boxes; their scores enter one softmax; its three "
       "weights multiply three values, whose sum is the answer, 18.1 in the example.")

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Play it: each person has a number on a card (key) and a price (value). You call out a query; near numbers shout louder. What is your estimate?
# Wrong answer to expect: "attention is about words". Nothing here is about words.

# %%
def attention(q, k, v, mask=None):
    """q (…, n, d), k (…, m, d), v (…, m, e) -> out (…, n, e), weights (…, n, m).
    mask: True may be seen."""
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1)  # each row sums to one: a weighted mean
    return weights @ v, weights


def near(q, k):
    """Queries and keys whose attention is a Gaussian kernel:
    one more number each, and √d undone."""
    q = torch.cat([q, torch.ones_like(q[:, :1])], 1)
    k = torch.cat([k, -k.square().sum(1, keepdim=True) / 2], 1)
    return math.sqrt(q.shape[1]) * q, k


keys, prices = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[10.0], [20.0], [40.0]])
answer, weights = attention(*near(torch.tensor([[2.0]]), keys), prices)
print("by hand, in code:", weights.round(decimals=2).tolist(), f"{answer.item():.1f}")

# %% [markdown]
# The thesis, once more: a prediction is an ensemble of what is known. In lecture 03 its weights were fixed, in lecture 17 a gate sets them; here each query sets its own.
#
# What does deep learning add? The distances are *learned*: queries and keys are $xW$, a linear regression, and $W$ gets a gradient.
# (In a Transformer the values are learned too, so there the picture of "known" values ends.)
#
# A test: 200 known rows of three features, of which only the first counts. Four ways answer for 200 new rows: one width for all features; a learned $W$; a random forest; and one that is told to use the first feature only.
# The width (best of twenty) and $W$ are chosen on the same known rows by the same error: each row is predicted from all *others*.
#
# **Predict first.** Of the three that are not told: who leads in squared error, by more than a third?

# %%
LEADS = ("the learned W", "the forest", "these two, and they are alike", "nobody")
predict("20.lookup", *LEADS)

# %%
torch.manual_seed(SEED)
x = 2 * torch.rand(400, 3, device=run.device) - 1
y = torch.sin(4 * x[:, :1]) + 0.1 * torch.randn(400, 1, device=run.device)
known, asked = slice(0, 200), slice(200, 400)
others = ~torch.eye(200, dtype=torch.bool, device=run.device)  # nobody looks up themselves


def estimate(queries, W, mask=None):
    return attention(*near(queries @ W, x[known] @ W), y[known], mask)[0]


def left_out(W):
    """Error on the known rows, each predicted from the others."""
    return (estimate(x[known], W, others) - y[known]).square().mean()


one = torch.eye(3, device=run.device)
first = torch.diag(one[0])  # lets the first feature through, and stops the others
widths = np.geomspace(1, 30, 20)
fixed, told = (min((scale * kind for scale in widths), key=left_out) for kind in (one, first))

W = (3 * one).requires_grad_()
descent = torch.optim.Adam([W], 0.1)
for _ in range(run.steps(150)):
    descent.zero_grad()
    left_out(W).backward()
    descent.step()

# %%
forest = RandomForestRegressor(200, random_state=SEED).fit(x[known].cpu(), y[known, 0].cpu())
with torch.no_grad():
    guesses = {"one width": estimate(x[asked], fixed), "learned W": estimate(x[asked], W),
               "random forest": torch.tensor(forest.predict(x[asked].cpu()))[:, None],
               "told which": estimate(x[asked], told)}
errors = {name: (guess.cpu() - y[asked].cpu()).square().mean().item()
          for name, guess in guesses.items()}
print(", ".join(f"{name} {error:.3f}" for name, error in errors.items()))
shown = ("one width", "learned W", "random forest")
fig, axes = plots.panels("A learned lookup finds out which feature counts",
                         shown, xlabel="first feature", ylabel="value", sharey=True)
grid = np.linspace(-1, 1, 100)
for ax, name, color in zip(axes, shown, [plots.ORANGE, plots.BLUE, plots.GREEN],
                           strict=True):
    ax.plot(x[asked, 0].cpu(), guesses[name].cpu(), ".", color=color)
    ax.plot(grid, np.sin(4 * grid), color=plots.INK, linewidth=1)
    ax.set_xticks([-1, 0, 1])
plots.name(axes[0], 0.55, 0.3, "truth", plots.INK)
plots.show("Three panels of predictions around a sine: one width scatters widely, "
           "the learned lookup and the forest lie close to it.")
against = {name: errors["learned W"] / errors[name] for name in shown}
behind = errors["one width"] / min(errors.values()) > 1.5
outcome("20.lookup", LEADS[3] if not behind else LEADS[0] if against["random forest"] < 0.67
        else LEADS[1] if against["random forest"] > 1.5 else LEADS[2])
claim("squared error, learned W against one width (ratio)", against["one width"],
      at_most=0.22)
claim("squared error, learned W against the forest (ratio)", against["random forest"],
      at_least=0.75, at_most=1.4)

# %% [markdown]
# So learning the distances brings the lookup to where lecture 03's forest stands, and near the one that was told. It is not the only way to find out what counts; but this one has a gradient, and can be a layer.

# %% [markdown]
# ## 2 · From scratch: scale, mask, heads, positions
#
# On the map: `attention`
#
# Four details turn the lookup into the layer that runs today's models. Each fits in a line.
#
# **Scale.** If entries of $q$ and $k$ have variance 1, each product of two has variance 1, and the sum of $d$ of them, the score, has variance $d$: at $d = 256$ scores of ±16. Softmax of 16 and 0 is 0.9999999 and 0.0000001: all weight on one key, and no gradient (lecture 05's sigmoid again). Divided by $\sqrt d$, the variance is 1 at any $d$.
#
# **Predict first.** 64 random keys, $d = 256$, no scaling. Even weights have an entropy of 6 bits. What is left of them?

# %%
LEFT = {"about 6 bits": 6, "about 3 bits": 3, "less than 1 bit": 0.5}
predict("20.scale", *LEFT)

# %%
def entropy(scores):
    """Mean entropy of the softmax in bits,
    and mean slope w(1 − w) of its largest weight."""
    w = scores.softmax(-1)
    top = w.amax(-1)
    entropy = -(w * w.clamp(min=1e-30).log2()).sum(-1).mean()
    return entropy.item(), (top * (1 - top)).mean().item()


dims = [4, 16, 64, 256, 1024]
plain, scaled = {}, {}
for d in dims:
    q, k = torch.randn(2, 500, 64, d)
    scores = torch.einsum("nd,nmd->nm", q[:, 0], k)  # (500, 64): one query, its own 64 keys
    plain[d], scaled[d] = entropy(scores), entropy(scores / math.sqrt(d))

# %%
fig, ax = plots.figure("Without 1/√d, a query soon looks at one key only",
                       xlabel="d, numbers in a key", ylabel="entropy of the weights (bits)")
for values, label, color, dy in [(scaled, "divided by √d", plots.BLUE, 10),
                                 (plain, "not", plots.RED, 12)]:
    ax.semilogx(dims, [values[d][0] for d in dims], "o-", color=color, base=2)
    plots.name(ax, 64, values[64][0], label, color, dy=dy)
ax.set_ylim(0, 6.2)
plots.show("Entropy against d: flat near five bits when scaled, "
           "falling to nearly zero when not.")
outcome("20.scale", min(LEFT, key=lambda label: abs(LEFT[label] - plain[256][0])))
claim("scaled: the entropy changes with d by at most (bits)",
      max(abs(scaled[d][0] - scaled[64][0]) for d in dims), at_most=0.4)
claim("slope of the largest weight, d = 1024 against 16, not scaled (ratio)",
      plain[1024][1] / plain[16][1], at_most=0.6)

# %% [markdown] tags=["notes"]
# **Notes for the room (14 minutes).**
# Write the mask on the board as a triangle and ask which half is forbidden. The room splits; let them argue from "row = who asks".
# Entropy in bits: 2 to that power is about how many keys are really looked at.

# %% [markdown]
# **Causal mask.** Who predicts the next word must not see it: position $t$ looks at $1 \dots t$. For three positions, 1 may be seen: rows `1 0 0`, `1 1 0`, `1 1 1`. A score that may not be seen becomes $-\infty$, its weight $e^{-\infty} = 0$.
#
# **Heads.** One mean can answer one question. So cut the $C$ numbers of a token into **heads** (헤드), let each look where it likes, and put the answers side by side.
# Queries, keys and values are three linear regressions on the same tokens: **self-attention** (셀프 어텐션).
#
# **Positions.** A mean has no order: permute the tokens, and the answers are permuted, no more.
# So position must be put in. *Rotary* positions (Su and others, 2021) turn each pair of numbers of $q$ and $k$ by an angle proportional to the position $t$: 1 radian a step for the fastest pair. A dot product sees only the *difference* of two angles, $t_q - t_k$.
#
# **The library's way** is `F.scaled_dot_product_attention`, and around it `nn.MultiheadAttention`.

# %%
q, k, v = (torch.randn(2, 4, 10, 16, requires_grad=True) for _ in range(3))
causal = torch.ones(10, 10, dtype=torch.bool).tril()   # row t: True up to t
both = (attention(q, k, v, causal)[0],
        F.scaled_dot_product_attention(q, k, v, is_causal=True))
upstream = torch.randn_like(both[0])
ours, library = ([out.detach(), *torch.autograd.grad(out, (q, k, v), upstream)]
                 for out in both)
claim("our attention and its gradients are PyTorch's (largest difference)",
      max((a - b).abs().max() for a, b in zip(ours, library, strict=True)), at_most=1e-5)

# %%
def rotary(x):
    """Turn pairs of x (…, T, d) by position times a speed;
    the speeds fall from 1 to about 1/10,000."""
    T, d = x.shape[-2:]
    speed = 10_000.0 ** (-torch.arange(0, d, 2, device=x.device) / d)
    angle = torch.arange(T, device=x.device)[:, None] * speed              # (T, d/2)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()],
                     -1)


class SelfAttention(nn.Module):
    def __init__(self, C, heads, positions=True, causal=True):
        super().__init__()
        self.heads, self.positions, self.causal = heads, positions, causal
        self.qkv, self.out = nn.Linear(C, 3 * C), nn.Linear(C, C)

    def forward(self, x):                                                  # (B, T, C)
        B, T, C = x.shape
        # (B, heads, T, C/heads)
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if self.positions:
            q, k = rotary(q), rotary(k)
        mask = (torch.ones(T, T, dtype=torch.bool, device=x.device).tril() if self.causal
                else None)
        mixed, self.weights = attention(q, k, v, mask)
        return self.out(mixed.transpose(1, 2).reshape(B, T, C))

# %% [markdown]
# Two checks. With the same weights, four heads are the library's. And a score must depend on the distance alone: one query and one key, each put at 50 places, give a table of scores whose diagonals are constant.

# %%
layer = SelfAttention(32, 4, positions=False, causal=False).to(run.device)
theirs = nn.MultiheadAttention(32, 4, batch_first=True).to(run.device)
theirs.load_state_dict(dict(zip(theirs.state_dict(), layer.state_dict().values(),
                                strict=True)))
tokens, shuffle = torch.randn(8, 20, 32, device=run.device), torch.randperm(20)
with torch.no_grad():
    ours, library = layer(tokens), theirs(tokens, tokens, tokens)[0]
    shuffled = (layer(tokens[:, shuffle]) - ours[:, shuffle]).abs().max()
    layer.positions = True
    moved = (layer(tokens[:, shuffle]) - layer(tokens)[:, shuffle]).abs().max()
q, k = (rotary(torch.randn(16).expand(50, 16)) for _ in range(2))
scores = q @ k.T                                                           # (50, 50)
print(f"off our own shuffled answers: {shuffled:.0e} without positions, {moved:.2f} with;",
      f"along the diagonals: {(scores[1:, 1:] - scores[:-1, :-1]).abs().max():.0e}")
claim("four heads are nn.MultiheadAttention's (largest difference)",
      (ours - library).abs().max(), at_most=1e-5)

# %% [markdown]
# ## 3 · Tokens: merge the commonest pair
#
# On the map: `attention`
#
# A model of language reads neither letters nor words, but pieces that were found by counting.
#
# Letters make long sequences. Words make a table without end, and a new word is unknown.
# **Byte-pair encoding** (바이트 페어 인코딩; Gage 1994; Sennrich and others 2016) stands between: start from single characters; find the pair of neighbours that is commonest; make it a new symbol; repeat.
#
# By hand, `low lower lowest`: `l o` and `o w` both stand there 3 times. Merge `l o` to `lo`; then `lo w` is commonest: `low`. After two merges the three words are `low`, `low e r`, `low e s t`.
#
# The text is lecture 12's, the Python manual. Merges are learned on the first nine tenths.

# %% [markdown] tags=["notes"]
# **Notes for the room (6 minutes).**
# Show a merge list and let the room guess the next piece. Then type a word in Korean into any tokenizer at hand: how many pieces, against its English translation? That is what it costs.

# %%
text = data.load("manual")
alphabet, cut = sorted(set(text)), len(text) * 9 // 10
number = {character: i for i, character in enumerate(alphabet)}
codes = torch.tensor([number[character] for character in text], device=run.device)
train, test = codes[:cut], codes[cut:]


def merge(codes, pair, new):
    """Put the symbol `new` for each occurrence of the pair, from left to right."""
    places = []
    for place in np.flatnonzero((codes[:-1] == pair[0]) & (codes[1:] == pair[1])):
        if not places or place > places[-1] + 1:  # of "aaa", only the first two
            places.append(place)
    codes = codes.copy()
    codes[places] = new
    return np.delete(codes, np.array(places, dtype=int) + 1)


pieces, read, unread = list(alphabet), train.cpu().numpy(), test.cpu().numpy()
for new in range(len(alphabet), len(alphabet) + 300):
    # a pair as one number, in base `new`; count each; back to two
    pair = divmod(np.bincount(read[:-1] * new + read[1:]).argmax(), new)
    read, unread = merge(read, pair, new), merge(unread, pair, new)
    pieces.append(pieces[pair[0]] + pieces[pair[1]])

# %%
shown = [piece.replace(" ", "·").replace("\n", "↵") for piece in pieces]
first = len(alphabet)
print("first merges:", *shown[first:first + 12], "\nlast merges: ", *shown[-12:])
print("unread text: ", *[shown[i] for i in unread[:40]])
per_character = {}
for order in (1, 2, 3):  # bits per character, of characters and of pieces
    per_character[order] = [ngram_bits(a, b, order, n).mean() * len(b) / len(test)
                            for a, b, n in ((train.cpu().numpy(), test.cpu().numpy(), first),
                                            (read, unread, len(pieces)))]
    print("{}-gram: {:.2f} bits per character, with pieces {:.2f}".format(
        order, *per_character[order]))
claim("300 merges: characters of unread text per piece", len(test) / len(unread),
      at_least=2.3, at_most=2.5)
claim("2-gram: pieces save (bits per character)",
      per_character[2][0] - per_character[2][1], at_least=1)

# %% [markdown]
# Unseen words are no trouble: they fall into smaller pieces, in the end into letters. (Real tokenizers start from the 256 bytes, do not merge across words, and learn some 100,000 pieces.)
# Two models with different tokens are compared in bits per *character*: the sum of all surprise, divided by the characters. For our tiny GPT we stay with characters: its rivals read them, too.

# %% [markdown]
# ## 4 · A tiny GPT: behind in few steps, ahead in many
#
# On the map: `attention`
#
# A **Transformer** (트랜스포머) is a stack of blocks: look around, then think; both are added to what was there.
#
# "Think" is lecture 04's two-layer net, applied to each position alone. "Added" is lecture 11's skip.
# *Layer norm* first scales each token's numbers to mean 0 and variance 1.
# A **GPT** (생성형 사전학습 트랜스포머) is such a stack with a causal mask, trained to predict the next token.

# %%
s = schematics.Sketch("One block: look around, then think; each is added to what was there",
                      width=10, height=2.3)
shapes = [s.circle("x", at=(0.4, 1.5), kind="data")]
for at, word in ((1.6, "norm"), (3.0, "look")):
    shapes.append(s.box(word, at=(at, 1.5), kind="family" if word == "norm" else "concept"))
shapes.append(s.circle("+", at=(4.2, 1.5), r=0.2, kind="good"))
for at, word in ((5.4, "norm"), (6.8, "think")):
    shapes.append(s.box(word, at=(at, 1.5), kind="family" if word == "norm" else "concept"))
shapes.append(s.circle("+", at=(8.0, 1.5), r=0.2, kind="good"))
for a, b in pairwise(shapes):
    s.arrow(a, b)
s.arrow(shapes[-1], (9.3, 1.5), "next block")
for start, end in ((0.85, 4.2), (4.6, 8.0)):
    s.arrow((start, 1.5), (start, 0.6), head=False, color=plots.ORANGE)
    s.arrow((start, 0.6), (end, 0.6), head=False, color=plots.ORANGE)
    s.arrow((end, 0.6), (end, 1.27), color=plots.ORANGE)
s.text("skip", (2.5, 0.82), color=plots.ORANGE)
s.text("skip", (6.3, 0.82), color=plots.ORANGE)
s.show("A line from x through norm and look to a plus sign, then through norm and think to "
       "another; below, two arrows skip the boxes and end at the plus signs.")

# %%
class Block(nn.Module):
    def __init__(self, C, heads):
        super().__init__()
        self.look = SelfAttention(C, heads)
        self.norm1 = nn.LayerNorm(C)
        self.norm2 = nn.LayerNorm(C)
        self.think = nn.Sequential(nn.Linear(C, 2 * C), nn.ReLU(), nn.Linear(2 * C, C))
        with torch.no_grad():
            self.look.out.weight *= 0.5                # start close to doing nothing
            self.think[2].weight *= 0.5

    def forward(self, x):
        x = x + self.look(self.norm1(x))
        return x + self.think(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, symbols, C=64, heads=4, layers=2, out=None):
        super().__init__()
        self.table = nn.Embedding(symbols, C)
        self.blocks = nn.Sequential(*(Block(C, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(C), nn.Linear(C, out or symbols)

    def forward(self, x):                              # (B, T) -> logits (B, T, symbols)
        return self.head(self.norm(self.blocks(self.table(x))))

# %%
def descend(model, loss, steps, lr, cycle=True):
    """Adam; with `cycle` its rate rises, then falls. `loss()` draws a batch.
    Returns each step's loss."""
    optimizer = torch.optim.Adam(model.parameters(), lr, betas=(0.9, 0.99))
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps + 1,
                                               pct_start=0.1,
                                               cycle_momentum=False) if cycle else None
    losses = []
    for _ in runtime.track(range(steps), "steps"):
        value = loss()
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if cycle:
            rate.step()
        losses.append(value.detach())
    return torch.stack(losses).cpu().numpy()


T = run.pick(lecture=32, full=128)


def next_character(B=16):
    """Loss on B random windows, in nats a character."""
    rows = (torch.randint(len(train) - T, (B, 1), device=run.device)
            + torch.arange(T + 1, device=run.device))
    logits = gpt(train[rows[:, :-1]])
    return F.cross_entropy(logits.flatten(0, 1), train[rows[:, 1:]].flatten())

# %% [markdown]
# The judge is lecture 12's: bits per character on the last tenth, at places that have at least 16 characters before them in the window. The rivals are lecture 12's LSTM, given about the same processor time, and counting. Both nets take 400 steps at the best of the rates 0.005, 0.01 and 0.02.
#
# **Predict first.** Who has the fewest bits per character, after some seconds each?

# %%
predict("20.text", "GPT", "LSTM", "5-gram")

# %%
clock = time.process_time()
gpt = GPT(len(alphabet),
          **run.pick(lecture={}, full={"C": 256, "heads": 8, "layers": 4})).to(run.device)
rate, steps = run.pick(lecture=(0.01, 400), full=(0.001, 20_000))  # TOMEASURE: best rate
descend(gpt, next_character, run.steps(steps), rate)
gpt_seconds = time.process_time() - clock

# %%
clock = time.process_time()
lstm = CharModel(forget_bias_(nn.LSTM(32, run.pick(lecture=128, full=512)), 1),
                 len(alphabet)).to(run.device)
fit_text(lstm, train, steps=run.steps(run.pick(lecture=400, full=8000)),
         lr=run.pick(lecture=0.02, full=0.005))  # TOMEASURE: best rate
lstm_seconds = time.process_time() - clock
print(f"seconds of processor time: GPT {gpt_seconds:.1f}, LSTM {lstm_seconds:.1f}")


@torch.no_grad()
def gpt_bits(model, codes):
    """Surprise by place in the window: (T,) bits. Windows start at every half length."""
    starts = torch.arange(0, len(codes) - T - 1, T // 2, device=run.device)[:, None]
    rows = codes[starts + torch.arange(T + 1, device=run.device)]
    bits = [F.cross_entropy(model(part[:, :-1]).transpose(1, 2), part[:, 1:],
                            reduction="none").cpu()
            for part in rows.split(256)]
    return torch.cat(bits).mean(0).numpy() / math.log(2)

# %%
by_place = gpt_bits(gpt, test)
counts = {f"{n}-gram": ngram_bits(train.cpu().numpy(), test.cpu().numpy(), n,
                                  len(alphabet)).mean()
          for n in (3, 5)}
# at least T/2 seen
bits = {"GPT": by_place[T // 2:].mean(), "LSTM": text_bits(lstm, test).mean(), **counts}
print("bits per character:", ", ".join(f"{k} {v:.2f}" for k, v in bits.items()))
outcome("20.text", min(("GPT", "LSTM", "5-gram"), key=bits.get))
if run.profile == "lecture":
    claim("in 400 steps the GPT needs more than the LSTM (bits per character)",
          bits["GPT"] - bits["LSTM"], at_least=0, short=True)  # TOMEASURE
    claim("in 400 steps the better net needs more than the 5-gram (bits per character)",
          min(bits["GPT"], bits["LSTM"]) - bits["5-gram"], at_least=0.1, short=True)
claim("the GPT reads its context: bits more at place 1 than in the later half",
      by_place[0] - bits["GPT"], at_least=0.7)

# %% [markdown] tags=["notes"]
# **Notes for the room (16 minutes).**
# Take the vote before you run it. Most rooms vote for the Transformer, by its name.
# Per step it reads all positions at once, so its training does not walk through time. On a GPU that is its real advantage; on one CPU core it is small.
# Then the stored curve. Ask where the crossing would be on a text ten times as long.

# %% [markdown]
# No miracle here: in this time a table that was counted in a moment is ahead. What made the Transformer win is *scale*. It trains on all positions at once, and its loss keeps falling as data, size and steps grow together.
#
# The table below is a stored one (`benchmarks/scale.py`): windows of 64 characters, 32 at once, each net from scratch for each number of steps, at its best of three rates.

# %%
STEPS_RUN = [125, 250, 500, 1000, 2000]
STORED = {  # bits per character, seed 0
    "GPT": [2.95, 2.60, 2.25, 1.98, 1.79],   # TOMEASURE, all but the last
    "LSTM": [2.75, 2.45, 2.20, 2.02, 1.90],  # TOMEASURE, all
}
fig, ax = plots.figure("With sixteen times the steps, the GPT passes the 5-gram",
                       xlabel="training steps", ylabel="bits per character")
for (name, line), color in zip(STORED.items(), [plots.BLUE, plots.GREY], strict=True):
    ax.semilogx(STEPS_RUN, line, "o-", color=color)
    plots.name(ax, STEPS_RUN[-1], line[-1], name, color)
for name, value in counts.items():
    ax.axhline(value, color=plots.ORANGE, linewidth=1)
    plots.name(ax, STEPS_RUN[0], value, f"{name}, counted", plots.ORANGE, dx=0, dy=7)
ax.set_xticks(STEPS_RUN, STEPS_RUN)
ax.set_xlim(115, 3000)
ax.minorticks_off()
plots.show("Bits against steps: the GPT starts above the LSTM, falls more steeply, and ends "
           "below the line of the 5-gram.")
claim("stored: at 2,000 steps the GPT is ahead of the 5-gram (bits per character)",
      counts["5-gram"] - STORED["GPT"][-1], at_least=0.05)

# %% [markdown]
# How large a net for how much text? Training costs about $6 N D$ operations for $N$ weights and $D$ tokens: a multiplication and an addition forward, twice that backward.
# Kaplan and others (2020) said: put a larger budget mostly into $N$. Hoffmann and others (2022; the net was called Chinchilla) measured again, with a schedule fitted to each length: grow both alike, about 20 tokens a weight.
#
# By hand: a budget of $10^{21}$ operations. $6 \cdot N \cdot 20 N = 10^{21}$ gives $N = \sqrt{10^{21}/120} \approx 2.9 \cdot 10^9$ weights and 58 billion tokens.
# Today's models train far beyond that: a small model that is asked often pays its training back.
#
# And what does ours write?

# %%
@torch.no_grad()
def write(start, length=160, temperature=0.6):
    line = torch.tensor([[number[c] for c in start]], device=run.device)
    for _ in range(length):
        p = torch.softmax(gpt(line[:, -T:])[:, -1] / temperature, -1)
        line = torch.cat([line, torch.multinomial(p, 1)], 1)
    return "".join(alphabet[i] for i in line[0].tolist())


print(write("The "))

# %% [markdown]
# ## 5 · What attention is for: recall
#
# On the map: `attention`
#
# An LSTM must decide what to keep before it knows the question; attention keeps everything and looks it up when asked.
#
# Each sequence has its own secret dictionary from eight keys to eight values. It lists random entries: `c7 a2 c7 f4 …`.
# When a key comes again, its value can be known. To guess is right once in eight, and costs 3 bits.
#
# **Ask the room.** Why can one layer of attention not do it, but two can?
#
# <details><summary>One answer</summary>
#
# Layer one: each value looks one step back and notes which key stands there.
# Layer two: the query looks for that note. One layer has no notes.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (9 minutes).**
# The two-step circuit of the answer is called an induction head (Olsson and others, 2022). Its onset is sudden; point at the cliff in the picture.

# %%
KEYS = 8


def entries(B=32, n=20):
    """x (B, 2n): key, value, key, value …; the values (B, n);
    which of the keys have come before (B, n)."""
    secret = torch.randint(KEYS, (B, KEYS), device=run.device)
    keys = torch.randint(KEYS, (B, n), device=run.device)
    values = secret.gather(1, keys)
    seen = (keys[:, :, None] == keys[:, None]).tril(-1).any(2)
    return torch.stack([keys, KEYS + values], 2).flatten(1), values, seen


class Reader(nn.Module):
    """An LSTM with the GPT's shape outside: (B, T) -> logits (B, T, KEYS)."""

    def __init__(self, H=40):
        super().__init__()
        self.net = CharModel(forget_bias_(nn.LSTM(32, H), 1), 2 * KEYS)
        self.head = nn.Linear(2 * KEYS, KEYS)

    def forward(self, x):
        return self.head(self.net(x.T)[0]).transpose(0, 1)


def recall(make, steps, seed):
    """Train on fresh sequences -> bits at each step, and the share right at the end."""
    torch.manual_seed(seed)
    model = make().to(run.device)

    def loss():
        x, values, seen = entries()
        # at the keys, where it can be known
        return F.cross_entropy(model(x)[:, ::2][seen], values[seen])

    bits = descend(model, loss, steps, lr=0.015, cycle=False) / math.log(2)
    x, values, seen = entries(500)
    return bits, (model(x)[:, ::2].argmax(-1) == values)[seen].float().mean().item()

# %%
models = {"attention, 2 layers": (lambda: GPT(2 * KEYS, 24, 1, 2, KEYS), 130),
          "attention, 1 layer": (lambda: GPT(2 * KEYS, 24, 1, 1, KEYS), 130),
          "LSTM": (Reader, 230)}
recalled = {}
for name, (make, steps) in models.items():
    clock = time.process_time()
    recalled[name] = [recall(make, run.steps(steps), 10 * SEED + i) for i in range(3)]
    print(f"{name:20} {sum(p.numel() for p in make().parameters()):6} weights, "
          f"{time.process_time() - clock:4.1f} s, three starts")

# %%
fig, axes = plots.panels("Two layers of attention look it up at once", recalled,
                         xlabel="step", ylabel="loss (bits)", size=(10, 3), sharey=True)
for ax, runs, color in zip(axes, recalled.values(), [plots.BLUE, plots.SKY, plots.GREY],
                           strict=True):
    for losses, _ in runs:
        ax.plot(np.convolve(losses, np.ones(10) / 10, "valid"), color=color, linewidth=1.2)
    ax.axhline(3, color=plots.INK, linewidth=0.8, linestyle=":")
plots.show("Three panels, three starts each: "
           "two layers fall to zero, one layer and the LSTM stay above two.")
right = {name: 100 * np.array([share for _, share in runs])
         for name, runs in recalled.items()}
claim("two layers: right, median of three starts (per cent)",
      np.median(right["attention, 2 layers"]), at_least=85)
claim("one layer: right, best of three starts (per cent)",
      right["attention, 1 layer"].max(), at_most=50)  # TOMEASURE
claim("in 230 steps, LSTM: right, best of three starts (per cent)",
      right["LSTM"].max(), at_most=60, short=True)  # TOMEASURE

# %% [markdown]
# Be fair to the LSTM: its failure is mostly the budget. Longer training helps it (60 % at 1,500 steps, 67 at 3,000), and so does a wider state (128 numbers: 93 % at 1,500). TOMEASURE
# One layer of attention stays at a third: no budget gives it notes.
#
# The price of attention: it compares all pairs, so its work grows with the square of the length, and while it writes it must keep all keys and values. An LSTM's state has one size.
# State-space models (S4, Mamba) are recurrent nets with a state of one size, too, but built to train in parallel; many of today's models mix both.
#
# Lecture 17's mixture of experts sits where section 4 "thinks": many two-layer nets, of which a gate picks a few for each token (Shazeer and others, 2017). Weights grow, work a token does not.

# %% [markdown]
# ## 6 · Diffusion: learn to remove noise
#
# On the map: `diffusion`
#
# To drown a picture in noise is easy; a net that undoes one small step of it can make pictures from nothing but noise.
#
# **Diffusion** (확산; Sohl-Dickstein and others, 2015): start with data $x$ and in each step keep a share $\alpha$ of the variance, with fresh Gaussian noise for the rest. After $t$ steps the share is the product of all, written $\bar\alpha_t$. In one go:
#
# $$z_t = \sqrt{\bar\alpha_t}\, x + \sqrt{1 - \bar\alpha_t}\, \varepsilon$$
#
# $\varepsilon$ is standard normal noise; $\bar\alpha$ falls from 1 to nearly 0. By hand: $x = 2$, $\bar\alpha = 0.64$, $\varepsilon = -2.5$: $z = 0.8 \cdot 2 - 0.6 \cdot 2.5 = 0.1$.

# %%
s = schematics.Sketch("Forward, noise is added; backward, a net takes it out again",
                      width=10, height=2.2)
places = [s.circle(text, at=(at, 1.1), kind=kind, r=0.4)
          for text, at, kind in (("x", 1.0, "data"), ("z₅₀", 3.4, "concept"),
                                 ("z₁₀₀", 5.8, "concept"), ("z₂₀₀", 8.2, "off"))]
for a, b in pairwise(places):
    s.arrow((a.x + 0.35, 1.35), (b.x - 0.35, 1.35), "noise")
    s.arrow((b.x - 0.35, 0.85), (a.x + 0.35, 0.85), color=plots.ORANGE)
    s.text("net", ((a.x + b.x) / 2, 0.6), color=plots.ORANGE)
s.text("data", (1.0, 0.35))
s.text("nothing but noise", (8.2, 0.35))
s.show("Four circles in a row, from data x to z 200, which is nothing but noise. Arrows named "
       "noise lead to the right, arrows named net lead back to the left.")

# %% [markdown]
# Training (**DDPM**, 잡음 제거 확산 확률 모형; Ho and others, 2020) is a regression: draw $x$, $t$ and $\varepsilon$, show the net $z_t$ and $t$, and let it predict $\varepsilon$ with squared error.
#
# It cannot find the noise that was added, only its mean, given what it sees. Say that data are 2 or −2, by a coin. Then $z = 0.1$ came from 2 with $\varepsilon = -2.5$, or from −2 with $\varepsilon = 2.83$. The first is a little more likely, 71 against 29 %, so the best answer is $0.71 \cdot (-2.5) + 0.29 \cdot 2.83 = -0.95$.
#
# In general the best answer is $-\sqrt{1 - \bar\alpha_t}\, \nabla \log p_t(z)$. The gradient of the log-density, the *score*, points uphill, to where data are dense.

# %% [markdown]
# <details><summary>Why the best prediction is the score (Tweedie; Robbins 1956; Vincent 2011)</summary>
#
# The density of $z$ is a mean, over the data $x$, of bells $b(z)$ around $\sqrt{\bar\alpha}\, x$ with variance $1 - \bar\alpha$.
# The slope of a bell is $b(z)$ times $-(z - \sqrt{\bar\alpha}\, x)/(1 - \bar\alpha) = -\varepsilon / \sqrt{1 - \bar\alpha}$.
# So $\nabla p(z)$ is the mean of $b(z) \cdot (-\varepsilon/\sqrt{1 - \bar\alpha})$. Divide by $p(z)$, the mean of $b(z)$: what is left is the mean of $\varepsilon$ among the $x$ that may have led to $z$, times $-1/\sqrt{1 - \bar\alpha}$. And $\nabla p / p = \nabla \log p$.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Ink in water: each molecule moves at random, and nobody can undo it. A net that has seen a million films run forward can guess the last frame.
# Wrong answer to expect: "the net finds the noise that was added". It cannot; it finds its mean, given what it sees.

# %%
STEPS = 200
phase = (torch.arange(STEPS + 1, device=run.device) / STEPS + 0.008) / 1.008
# ᾱ, on a cosine: Nichol and Dhariwal (2021)
share = (torch.cos(phase * math.pi / 2) ** 2
         / math.cos(0.008 / 1.008 * math.pi / 2) ** 2).clamp(1e-4, 1)


def diffuse(x, t, noise):
    """x (n, …) after t (n,) steps, in one go."""
    kept = share[t].view(-1, *[1] * (x.ndim - 1))
    return kept.sqrt() * x + (1 - kept).sqrt() * noise


z, n, t = torch.full((50_000,), 1.5, device=run.device), 50_000, 100
for step in range(1, t + 1):                           # the long way, step by step
    alpha = share[step] / share[step - 1]
    z = alpha.sqrt() * z + (1 - alpha).sqrt() * torch.randn_like(z)
print(f"100 small steps: mean {z.mean():.3f}, variance {z.var():.3f}; in one go:",
      f"{1.5 * share[t].sqrt():.3f}, {1 - share[t]:.3f}")

# %% [markdown]
# In the plane the truth is known: take three Gaussian bumps as data. Noised, they are three bumps again, and the best prediction can be written down.

# %%
centres = 1.2 * torch.tensor([[0.0, 1.0], [-0.87, -0.5], [0.87, -0.5]], device=run.device)
SPREAD = 0.15


def bumps(n):
    return centres[torch.randint(3, (n,))] + SPREAD * torch.randn(n, 2, device=run.device)


def exact_noise(z, t):
    """The best prediction of the noise, from the mixture's score: z (n, 2), t (n,)
    -> (n, 2)."""
    kept = share[t][:, None]
    variance = kept * SPREAD**2 + 1 - kept             # (n, 1), of each bump
    to = kept.sqrt()[:, None] * centres - z[:, None]   # (n, 3, 2), to each centre
    # attention again: which bump was it?
    whose = (-to.square().sum(2) / (2 * variance)).softmax(1)
    return -(1 - kept).sqrt() * (whose[..., None] * to).sum(1) / variance


def waves(t):
    """Eight numbers that say what time it is: t (n,) -> (n, 8)."""
    angle = t[:, None] / STEPS * math.pi * torch.tensor([0.5, 1, 2, 4], device=t.device)
    return torch.cat([angle.sin(), angle.cos()], 1)

# %%
class Toy(nn.Module):
    """z (n, d), t (n,) and, if wanted, more columns -> noise (n, d)."""

    def __init__(self, d, more=0, width=96):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(d + 8 + more, width), nn.SiLU(),
                                 nn.Linear(width, width), nn.SiLU(), nn.Linear(width, d))

    def forward(self, z, t, *more):
        return self.net(torch.cat([z, waves(t), *more], 1))


def noised(x):
    """What training sees of data x: z, t and the noise that was added."""
    t = torch.randint(1, STEPS + 1, (len(x),), device=run.device)
    noise = torch.randn_like(x)
    return diffuse(x, t, noise), t, noise


def noise_loss():
    z, t, noise = noised(bumps(256))
    return F.mse_loss(toy(z, t), noise)


torch.manual_seed(SEED)
toy = Toy(2).to(run.device)
descend(toy, noise_loss, run.steps(run.pick(lecture=1000, full=5000)), lr=0.005);

# %% [markdown]
# **The walk back.** From $z_t$ and the predicted noise follows a guess of the data, $\hat x = (z_t - \sqrt{1 - \bar\alpha_t}\, \hat\varepsilon) / \sqrt{\bar\alpha_t}$. Go from there to an earlier time $s$ by the same formula as forward: $z_s = \sqrt{\bar\alpha_s}\, \hat x + \sqrt{1 - \bar\alpha_s}\, \hat\varepsilon$, and guess again.
# That adds no fresh noise: **DDIM** (잡음 제거 확산 암묵 모형; Song and others, 2020). DDPM draws a part of the noise anew.

# %%
@torch.no_grad()
def back(predict_noise, z, steps, eta, clamp=None):
    """From noise z to data in few steps.
    eta = 1 adds fresh noise (DDPM), eta = 0 adds none (DDIM)."""
    times = torch.linspace(STEPS, 0, steps + 1).round().long().tolist()
    for t, s in pairwise(times):
        now, then = share[t], share[s]
        noise = predict_noise(z, torch.full((len(z),), t, device=z.device))
        x = (z - (1 - now).sqrt() * noise) / now.sqrt()  # the data, as guessed from here
        if clamp is not None:
            x = x.clamp(-clamp, clamp)
            noise = (z - now.sqrt() * x) / (1 - now).sqrt()
        # spread of the noise to add
        fresh = eta * ((1 - then) / (1 - now) * (1 - now / then)).sqrt()
        z = (then.sqrt() * x + (1 - then - fresh**2).clamp(min=0).sqrt() * noise
             + fresh * torch.randn_like(z))
    return z


drawn = {"exact": back(exact_noise, torch.randn(600, 2, device=run.device), 50, 1),
         "learned": back(toy, torch.randn(600, 2, device=run.device), 50, 1)}

# %%
fig, axes = plots.panels("The learned noise is nearly the exact one, "
                         "and draws the three bumps", drawn,
                         xlabel="first number", ylabel="second number", size=(9, 4.2),
                         sharey=True)
side = torch.linspace(-2, 2, 13, device=run.device)
places = torch.cartesian_prod(side, side)
for ax, points, predict_noise, color in zip(axes, drawn.values(), [exact_noise, toy],
                                            [plots.INK, plots.BLUE], strict=True):
    with torch.no_grad():
        down = -predict_noise(places, torch.full((169,), 80, device=run.device))
    ax.quiver(*places.T.cpu(), *down.T.cpu(), color=plots.GREY, width=0.004)
    ax.plot(*points.T.cpu(), ".", color=color, markersize=3)
    ax.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), aspect="equal")
plots.show("Two panels: arrows lead to three clusters of drawn points; "
           "learned and exact look alike.")
z, t, noise = noised(bumps(5000))
with torch.no_grad():
    learned, exact = toy(z, t), exact_noise(z, t)
missed, floor = ((a - b).square().mean() / b.square().mean()
                 for a, b in [(learned, exact), (exact, noise)])
on_a_bump = (torch.cdist(drawn["learned"], centres).amin(1) < 3 * SPREAD).float().mean()
claim("the exact noise's square that the net misses (share)", missed, at_most=0.08)
claim("the added noise's square that even the exact prediction misses (share)",
      floor, at_least=0.15)
claim("points drawn with the learned noise that lie on a bump (share)", on_a_bump,
      at_least=0.85)

# %% [markdown]
# ## 7 · From noise to letters, beside the strongest rival
#
# On the map: `diffusion`
#
# The same loss and the same walk back, with lecture 10's convolutions, draw letters. Are they good? Ask lecture 13's mixture.
#
# The net sees the noisy picture twice: down to 7 × 7 and up again, with side paths at each size: lecture 10's U-Net (Ronneberger and others, 2015).
# It outputs $v = \sqrt{\bar\alpha}\,\varepsilon - \sqrt{1 - \bar\alpha}\,x$ (Salimans and Ho, 2022). From $v$ and $z$ follow both, noise and picture. It still is noise prediction, weighted anew.
#
# The rivals: lecture 13's VAE, which draws from its prior; and lecture 13's plain auto-encoder with ten Gaussians fitted to its codes. All three see the same letters, 460 batches of 64, each at its best of three rates.

# %%
class Denoiser(nn.Module):
    """z (n, 1, 28, 28), t (n,) -> v of the same shape."""

    def __init__(self, w=16):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(8, 64), nn.SiLU())
        self.shift = nn.ModuleList(nn.Linear(64, c) for c in (w, 2 * w, 2 * w, w))
        self.down1, self.down2 = nn.Conv2d(1, w, 4, 2, 1), nn.Conv2d(w, 2 * w, 4, 2, 1)
        self.all = nn.Sequential(nn.Flatten(), nn.Linear(98 * w, 256), nn.SiLU(),
                                 nn.Linear(256, 98 * w), nn.Unflatten(1, (2 * w, 7, 7)))
        self.up1 = nn.ConvTranspose2d(4 * w, w, 4, 2, 1)
        self.up2 = nn.ConvTranspose2d(2 * w, 1, 4, 2, 1)

    def forward(self, z, t):
        a, b, c, d = (shift(self.time(waves(t)))[:, :, None, None] for shift in self.shift)
        half = F.silu(self.down1(z) + a)                           # (n, w, 14, 14)
        quarter = F.silu(self.down2(half) + b)                     # (n, 2w, 7, 7)
        whole = F.silu(self.all(quarter) + c)  # every place hears from every other
        # up (n, w, 14, 14), side path included
        up = F.silu(self.up1(torch.cat([quarter, whole], 1)) + d)
        return self.up2(torch.cat([up, half], 1))

# %%
ink, names = (a.to(run.device) for a in generators.letters("train"))
unseen = generators.letters("test")[0].to(run.device)
pictures, net = 2 * ink - 1, Denoiser(run.pick(lecture=12, full=48)).to(run.device)
LONG = run.steps(run.pick(lecture=460, full=8000))


def v_loss(n=64):
    x = pictures[torch.randint(len(pictures), (n,))]
    z, t, noise = noised(x)
    kept = share[t].view(-1, 1, 1, 1)
    return F.mse_loss(net(z, t), kept.sqrt() * noise - (1 - kept).sqrt() * x)


def letter_noise(z, t):
    kept = share[t].view(-1, 1, 1, 1)
    return (1 - kept).sqrt() * z + kept.sqrt() * net(z, t)


def draw(n, steps, eta=1.0):
    z = torch.randn(n, 1, 28, 28, device=run.device)
    return back(letter_noise, z, steps, eta, clamp=1) / 2 + 0.5


descend(net, v_loss, LONG, lr=run.pick(lecture=0.007, full=0.002));  # TOMEASURE: best rate

# %%
CODE, N = 16, 300  # lectures 13 and 14 draw 1,000: more coverage
vae = generators.VAE(CODE).to(run.device)
generators.fit(vae, ink, vae.negative_elbo, steps=LONG)
ae = nn.Sequential(generators.encoder(CODE), generators.decoder(CODE)).to(run.device)
generators.fit(ae, ink, lambda x: F.binary_cross_entropy_with_logits(
    ae(x), x, reduction="none").sum((1, 2, 3)), steps=LONG)
with torch.no_grad():
    codes_of = ae[0](ink)                                          # (n, 16)


@torch.no_grad()
def decode(z):
    """Codes (n, 16) -> pictures."""
    return ae[1](torch.as_tensor(z, dtype=torch.float32, device=run.device)).sigmoid()


letters_j, names_j = (a.to(run.device) for a in generators.letters("train", "ABCDEFGHIJ"))
judge = latent.Judge(letters_j, names_j, unseen, steps=run.steps(300))

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# One step gives the mean of all letters: a blur. Ask why. (Squared error: lecture 01.)
# Early steps decide which letter, late ones draw its edges.
# The mixture's row is the honest part. Let the room say what diffusion is for, when ten Gaussians win here: pictures whose codes no ten Gaussians describe.

# %%
@torch.no_grad()
def marks(made):
    """Legible (%), density, coverage (%), as in lectures 13 and 14, among unseen letters."""
    density, _ = generators.density_and_coverage(judge.net[0](unseen), judge.net[0](made))
    legible, covered = judge.rate(made)
    return legible, density, covered


drawn = {"test": unseen[torch.randperm(len(unseen))[:N]], "VAE": vae.sample(N),
         "diffusion": draw(N, 40),
         "mixture": decode(latent.describe(codes_of, 10, seed=SEED).draw(N))}
marked = {name: marks(made) for name, made in drawn.items()}
for name, row in marked.items():
    print("{:10} legible {:3.0f} %, density {:4.2f}, coverage {:3.0f} %".format(name, *row))
plots.strips("Diffusion's letters are sharper than the VAE's, the mixture's are clearer still",
             drawn)
plots.show("Four rows of letters: real ones; blurred ones of the VAE; sharper ones of the "
           "diffusion model; clear ones of the auto-encoder with a mixture.")
claim("density, diffusion less the VAE from its prior",
      marked["diffusion"][1] - marked["VAE"][1], at_least=0.1)
claim("in 460 steps: density, auto-encoder and mixture less diffusion",
      marked["mixture"][1] - marked["diffusion"][1], at_least=0.2, short=True)  # TOMEASURE
claim("in 460 steps: coverage, auto-encoder and mixture less diffusion (points)",
      marked["mixture"][2] - marked["diffusion"][2], at_least=5, short=True)  # TOMEASURE

# %% [markdown]
# So ten Gaussians on an auto-encoder's codes draw better letters than diffusion on pixels, with the same steps, and cheaper ones: a pass through a small net, where diffusion takes forty through a larger one. These letters are an easy world: five shapes, sixteen numbers.
#
# What does diffusion have for it? A plain regression loss that falls, where lecture 14's game may circle; no code to match to a prior; and, with more data and steps, no ten bells to be limited by.
#
# **Predict first.** The walk back took 40 steps. How many, without fresh noise, cover at least nine tenths of what 20 do?

# %%
FEW = {"1": 1, "2": 2, "5": 5, "10": 10}
predict("20.steps", *FEW, "more than 10")

# %%
ddim = {steps: marks(draw(N, steps, eta=0.0)) for steps in (*FEW.values(), 20)}
for steps, row in ddim.items():
    print(f"{steps:2} steps: legible {row[0]:3.0f} %, coverage {row[2]:3.0f} %")
enough = [label for label, steps in FEW.items() if ddim[steps][2] >= 0.9 * ddim[20][2]]
outcome("20.steps", enough[0] if enough else "more than 10")
claim("one step: coverage (per cent)", ddim[1][2], at_most=25)
claim("five steps against twenty: coverage (ratio)", ddim[5][2] / ddim[20][2], at_least=0.6)

# %% [markdown]
# One step gives the mean of all letters, a blur. **Flow matching** (플로우 매칭; Lipman and others, 2022) straightens the way back, so that fewer steps do. Image models of today use one or the other, and mostly on the codes of an auto-encoder (Rombach and others, 2022): so shall we.

# %% [markdown]
# ## 8 · On codes, and to order: guidance
#
# On the map: `diffusion`
#
# Diffusion can describe an auto-encoder's codes, as the mixture does; and it can be told what to draw.
#
# The codes are 16 numbers, scaled to mean 0 and variance 1. The small net of section 6 predicts their noise. It also gets the letter, as five columns of 0 and 1 (a column a letter); in a fifth of the training rows all five are 0, "not told".
# So one net gives two predictions: $\varepsilon_\text{told}$ and $\varepsilon_\text{not}$. **Guidance** (가이던스; classifier-free: Ho and Salimans, 2022) goes further in the direction from one to the other:
#
# $$\hat\varepsilon = \varepsilon_\text{not} + w\,(\varepsilon_\text{told} - \varepsilon_\text{not})$$
#
# By hand: not told 0.2, told 0.5. With $w = 0$ we take 0.2, with 1 we take 0.5, with $w = 3$: $0.2 + 3 \cdot 0.3 = 1.1$.
#
# **Ask the room.** What will $w = 6$ do to the share of letters that are what was asked for, and what to their variety?
#
# <details><summary>One answer</summary>
#
# More are right, fewer kinds are drawn: a step goes to where "A" is likely *and everything else is not*. That is the most typical A, and beyond it, off the data.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (8 minutes).**
# Everybody has seen guidance: it is the slider of image generators, and its oversaturated pictures. Ask for the trade before you run it.

# %%
middle, width = codes_of.mean(0), codes_of.std(0)
known_codes = (codes_of - middle) / width
asks = F.one_hot(names, 5).float()                                 # (n, 5)


def code_loss(n=256):
    rows = torch.randint(len(known_codes), (n,))
    told = asks[rows] * (torch.rand(n, 1, device=run.device) > 0.2)
    z, t, noise = noised(known_codes[rows])
    return F.mse_loss(coder(z, t, told), noise)


coder = Toy(CODE, more=5, width=128).to(run.device)
descend(coder, code_loss, run.steps(run.pick(lecture=1200, full=8000)), lr=0.005);


def to_order(wish, w, steps=20):
    """Letters for the wishes (n, 5), drawn as codes with guidance w."""
    def noise(z, t):
        told, free = coder(z, t, wish), coder(z, t, 0 * wish)
        return free + w * (told - free)
    z = back(noise, torch.randn(len(wish), CODE, device=run.device), steps, eta=0.0)
    return decode(z * width + middle)

# %%
wanted = torch.randint(5, (N,), device=run.device)
guided = {}
for w in (0, 0.5, 1, 2, 4, 8):
    made = to_order(F.one_hot(wanted, 5).float(), w)
    with torch.no_grad():
        obeyed = 100 * (judge.net(made).argmax(1) == wanted).float().mean().item()
    guided[w] = obeyed, *marks(made)
    print("w = {:3}: as asked {:3.0f} %, legible {:3.0f} %, density {:4.2f}, "
          "coverage {:3.0f} %".format(w, *guided[w]))

# %%
fig, ax = plots.figure("Guidance buys obedience with variety", xlabel="guidance w",
                       ylabel="share (%)", size=(8, 3.8))
for column, label, color in ((0, "drawn as asked", plots.BLUE),
                             (3, "test letters covered", plots.GREEN)):
    ax.plot(range(len(guided)), [row[column] for row in guided.values()], "o-", color=color)
    plots.name(ax, len(guided) - 1, [*guided.values()][-1][column], label, color)
ax.axhline(marked["mixture"][2], color=plots.ORANGE, linewidth=1)
plots.name(ax, 0, marked["mixture"][2], "covered by the mixture", plots.ORANGE, dx=0, dy=7)
ax.set_xticks(range(len(guided)), guided)
ax.set(xlim=(-0.2, 7), ylim=(0, 108))
plots.show("Against w, the share drawn as asked rises from a fifth to nearly all; the share "
           "of test letters covered falls.")
claim("w = 0, the control: drawn as asked (per cent)", guided[0][0], at_least=10, at_most=32)
claim("w = 2: drawn as asked (per cent)", guided[2][0], at_least=85)  # TOMEASURE
claim("w = 8 against 1: coverage lost (points)", guided[1][3] - guided[8][3],
      at_least=10)  # TOMEASURE
claim("on codes, w = 1: coverage, diffusion and mixture differ by (points)",
      abs(guided[1][3] - marked["mixture"][2]), at_most=15)  # TOMEASURE

# %% [markdown]
# On the same codes diffusion does about as well as the mixture, and the auto-encoder did most of the work. TOMEASURE: the sentence waits for its numbers.

# %% [markdown]
# ## 9 · The map of 2026
#
# On the map: `attention` · `diffusion`
#
# Nearly everything since 2017 grows out of a box that was on the map; what changed most is the size. How is a large language model made today?
#
# 1. **Pre-training** (lecture 07) on all text: predict the next token.
# 2. **Instruction tuning** (지시 튜닝; Wei and others, 2021): fine-tuning on questions with good answers. Often by *LoRA*: the weights are frozen, and a small addition of low rank is trained.
# 3. People's choice between two answers: RLHF (lecture 16). DPO (Rafailov and others, 2023) turns it into a logistic regression on pairs.
# 4. **Verifiable rewards** (검증 가능한 보상): where a program can check the answer, as in mathematics or code, its verdict is the reward. Draw a group of answers, reinforce those above the group's mean: GRPO.
#
# By hand: four answers, of which one is right, have rewards 1, 0, 0, 0. The mean is 0.25, the advantages are 0.75 and three times −0.25. All right or all wrong: nothing to learn.

# %% [markdown]
# Trained so, models write long reasoning before they answer, and do better the longer they may think (o1, 2024; R1, 2025). An **agent** (에이전트) is such a model in a loop: it writes a call of a tool, a program runs it, the result joins the text (Yao and others, 2022). The words that pass are the state, the calls are the actions of lecture 16.
#
# **What it costs to run.** To write a token, all weights and all kept keys and values are read. So:
#
# - **Grouped queries** (그룹 쿼리 어텐션; Ainslie and others, 2023): several heads of queries share one head of keys and values.
# - *FlashAttention* (Dao and others, 2022): the same numbers, without ever storing the table of weights.
# - **Quantization** (양자화): weights in 8 or 4 bits. Round each row of a matrix to whole multiples of its largest entry, divided by $2^{b-1} - 1$.
#
# RMSNorm (scale, no mean taken off) and SwiGLU (a gate in "think") replaced section 4's layer norm and ReLU.

# %% [markdown] tags=["notes"]
# **Notes for the room (8 minutes).**
# Let the room place each word that they have heard this year before you show the picture. What cannot be placed is a good question for the next meeting.
# A year is that of the first public version. The choice of entries is opinion.

# %%
layers, size, tokens = 80, 128, 8192  # numbers like those of a model of 70 billion weights
for heads in (64, 8):                 # of keys and of values; 2 bytes a number
    print(f"{heads:2} heads of keys: {2 * layers * heads * size * 2 * tokens / 2**30:4.1f} GiB",
          f"for one text of {tokens:,} tokens")


@torch.no_grad()
def rounded(model, bits):
    model = deepcopy(model)
    for weight in model.parameters():
        if weight.ndim == 2:
            step = weight.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
            weight.copy_((weight / step).round() * step)
    return model


part = test[:12_000]
base = gpt_bits(gpt, part)[T // 2:].mean()
dearer = {b: gpt_bits(rounded(gpt, b), part)[T // 2:].mean() - base for b in (8, 4, 3, 2)}
print("bits a weight -> bits per character more:",
      ", ".join(f"{b} -> {more:.3f}" for b, more in dearer.items()))
claim("8 bits a weight instead of 32 cost (bits per character)", dearer[8], at_least=-0.01,
      at_most=0.01)  # TOMEASURE
claim("2 bits a weight, so rounded, cost (bits per character)", dearer[2],
      at_least=0.5)  # TOMEASURE

# %% [markdown]
# **The ad ranker.** Lecture 19's ladder ended with wide tables of features. In 2018 attention over a user's past ads joined it (Zhou and others). Then the log itself became the text: HSTU (Zhai and others, 2024) reads a user's events as tokens and predicts the next, and grows with compute as language models do.
# An ad's number tells nothing of its likes. A **semantic id** (의미 식별자; Rajput and others, 2023) does: a few codes from coarse to fine, found by clustering what the ad is about (lecture 17's k-means, again on what was left over). New ads share the coarse codes.
# A ranker of 2026 *writes* the ids of the ads to show, learns from their value as a reward, and reports 4.2 % more revenue over the older stack, in its authors' own A/B test (Xue and others, 2026).
#
# What stays on the map? Regression, objective, descent, ensembles, regularization, initialization, embeddings, and data practice. In a Transformer they are all at work at once.

# %%
SINCE = {  # a box of 2017 -> what grew out of it: year, name, first author or firm
    "ad-ranking": [(2017, "attention over past ads", "Zhou"),
                   (2023, "semantic ids", "Rajput"), (2024, "HSTU", "Zhai"),
                   (2026, "GR4AD", "Xue")],
    "cnn": [(2016, "graph nets", "Kipf"), (2020, "vision Transformer", "Dosovitskiy"),
            (2023, "segment anything", "Kirillov")],
    "moe": [(2017, "sparse MoE", "Shazeer"), (2021, "Switch", "Fedus"),
            (2024, "DeepSeek-V3", "DeepSeek-AI")],
    "rnn": [(2014, "attention", "Bahdanau"), (2017, "Transformer", "Vaswani"),
            (2021, "S4", "Gu"), (2023, "Mamba", "Gu")],
    "pre-training": [(2018, "BERT", "Devlin"), (2020, "GPT-3", "Brown"),
                     (2022, "Chinchilla", "Hoffmann")],
    "reinforcement-learning": [(2017, "preferences", "Christiano"),
                               (2022, "agents", "Yao"), (2024, "GRPO", "Shao"),
                               (2025, "R1", "DeepSeek-AI")],
    "embedding": [(2020, "retrieval", "Lewis"), (2021, "CLIP", "Radford"),
                  (2026, "n-gram tables", "Cheng")],
    "vae": [(2015, "diffusion", "Sohl-Dickstein"), (2020, "DDPM", "Ho"),
            (2022, "flow matching", "Lipman"), (2025, "text diffusion", "Nie")],
}
nodes = concept_map.load().nodes

# %%
fig, ax = plots.figure("From the boxes of 2017 to the names of 2026",
                       xlabel="first public version", ylabel="", size=(11, 5.6))
for row, (box, grown) in enumerate(SINCE.items()):
    node = nodes[box]
    ax.plot([2013.4, grown[-1][0]], [row, row], color=plots.SKY, linewidth=1.5, zorder=1)
    ax.text(2013.3, row, f"{node.label['en']} ({node.lecture})", ha="right", va="center",
            color=plots.BLUE, fontweight="bold")
    for year, name, author in grown:
        ax.plot(year, row, "o", color=plots.ORANGE)
        ax.text(year, row + 0.2, name, ha="center", va="bottom", fontsize=11,
                color=plots.INK, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
        ax.text(year, row - 0.2, author, ha="center", va="top", fontsize=9,
                color=plots.GREY)
ax.axvline(2017.5, color=plots.GREY, linestyle=":", zorder=0)
ax.set(xlim=(2013.4, 2027), ylim=(-0.7, len(SINCE) - 0.3), yticks=[],
       xticks=range(2014, 2027, 2))
ax.grid(False)
ax.spines["left"].set_visible(False)
plots.show("Eight rows from boxes of the 2017 map to what grew out of them between 2014 "
           "and 2026, by year.")

# %% [markdown]
# One entry of 2026 closes the circle: *n-gram tables* (Engram; Cheng and others). A large language model gets hashed tables of embeddings for the last two or three tokens, next to its experts. What can be counted need not be computed. Section 4's 5-gram would agree.

# %% [markdown]
# ## What goes wrong in practice
#
# - **A mask off by one.** It shows the next token. The loss is wonderful, the text is rubbish. Test: change the future, and no earlier output may move.
# - **A row that is masked everywhere.** All padding, it gives 0/0, and one `nan` infects the batch.
# - **No warm-up.** The rate rises over the first steps for a reason.
# - **Unequal contexts.** Bits at the start of a window cost more. Compare at equal context, time and text, per character, never per token.
# - **Pixels from 0 to 1 in diffusion.** Noise has mean 0 and variance 1; scale the data alike.
# - **No simple rival.** Count n-grams; fit a mixture to the codes; build lecture 19's table. The year of the method decides nothing.
#
# ## Summary
#
# 1. Attention is a weighted mean of values; its weights are a softmax of dot products. With known values it is Nadaraya and Watson's regression.
# 2. $1/\sqrt d$ keeps the softmax alive, the mask keeps the future out, positions must be put in.
# 3. In few steps a tiny GPT is behind an LSTM, and behind counting; with sixteen times the steps it passes the 5-gram. At recall it leads at once.
# 4. Diffusion is a regression on noise; its best answer is the score. On these letters a mixture on an auto-encoder's codes is ahead. Guidance buys obedience with variety.
# 5. The map of 2017 stands: what is new grew out of its boxes.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 20`, then open `exercises/work/20_exercises.ipynb`: seven tasks, about 140 minutes.
#
# <details><summary>Papers</summary>
#
# - E. A. Nadaraya (1964), *On estimating regression*; G. S. Watson (1964), *Smooth regression analysis*.
# - A. Vaswani and others (2017), *Attention is all you need*; J. Su and others (2021), *RoFormer*.
# - P. Gage (1994), *A new algorithm for data compression*; R. Sennrich, B. Haddow, A. Birch (2016), *Neural machine translation of rare words with subword units*.
# - J. Kaplan and others (2020), *Scaling laws for neural language models*; J. Hoffmann and others (2022), *Training compute-optimal large language models*.
# - C. Olsson and others (2022), *In-context learning and induction heads*.
# - N. Shazeer and others (2017), *Outrageously large neural networks*.
# - H. Robbins (1956), *An empirical Bayes approach to statistics*; P. Vincent (2011), *A connection between score matching and denoising autoencoders*.
# - J. Sohl-Dickstein and others (2015), *Deep unsupervised learning using nonequilibrium thermodynamics*.
# - J. Ho, A. Jain, P. Abbeel (2020), *Denoising diffusion probabilistic models*; A. Nichol, P. Dhariwal (2021), *Improved denoising diffusion probabilistic models*.
# - J. Song, C. Meng, S. Ermon (2020), *Denoising diffusion implicit models*; T. Salimans, J. Ho (2022), *Progressive distillation for fast sampling of diffusion models*.
# - J. Ho, T. Salimans (2022), *Classifier-free diffusion guidance*.
# - J. Wei and others (2021), *Finetuned language models are zero-shot learners*; S. Yao and others (2022), *ReAct*.
# - DeepSeek-AI (2025), *DeepSeek-R1*, arXiv:2501.12948.
# - J. Ainslie and others (2023), *GQA*; T. Dao and others (2022), *FlashAttention*.
# - S. Rajput and others (2023), *Recommender systems with generative retrieval*; J. Zhai and others (2024), *Actions speak louder than words*.
# - B. Xue and others (2026), *Generative recommendation for large-scale advertising*, arXiv:2602.22732; X. Cheng and others (2026), *Conditional memory via scalable lookup*, arXiv:2601.07372.
# </details>
