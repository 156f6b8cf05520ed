# %% [markdown]
# # 20 · After the map
#
# **Question.** The map of this course was drawn in 2017. What came after, how does it work in small, and what of the map stays?
#
# **You will be able to** write attention that equals the library's, and say why it divides by $\sqrt d$; see in it a regression with learned weights; cut text into tokens; judge a tiny GPT against an LSTM and against counting, in few steps and in many; turn noise into letters, beside the strongest rival; steer it by guidance; place today's words on the map.
#
# **Needs** 09, 12, 13, 14, 16 · **Minutes** 95 to teach, 170 to study · **CPU** 40 s
#
# On the map: `attention` · `diffusion`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many training steps

# %%
import math
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
from utils.scratch import after, generators, latent
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
# $$\hat v(q) = \sum_i w_i v_i \qquad w_i = e^{-(q-k_i)^2/2} \Big/ \textstyle\sum_j e^{-(q-k_j)^2/2}$$
#
# By hand: keys 1, 2, 4 with the values 10, 20, 40; the query is 2.
# The bells are $e^{-1/2} = 0.61$, 1 and $e^{-2} = 0.14$. Divided by their sum: 0.35, 0.57, 0.08.
# The answer is $0.35 \cdot 10 + 0.57 \cdot 20 + 0.08 \cdot 40 = 18.1$ (without rounding).

# %%
s = schematics.Sketch("Attention: scores of the keys, softmax, a mean of the values",
                      width=10, height=3.2)
query = s.circle("q", at=(0.6, 1.4), kind="data")
soft = s.box("softmax", at=(4.5, 1.4), kind="family", size=(1.1, 2.5))
out = s.circle("Σ", at=(8.3, 1.4), kind="good")
for i, w in enumerate(("0.35", "0.57", "0.08")):
    y = 2.4 - i
    score = s.box(f"score {'₁₂₃'[i]}", at=(2.6, y))
    times = s.circle("×", at=(6.6, y), kind="family", r=0.17)
    value = s.circle(f"v{'₁₂₃'[i]}", at=(6.6, y + 0.54), kind="data", r=0.2)
    s.arrow(query, score)
    s.arrow(score, (soft.x - soft.w, y))
    s.arrow((soft.x + soft.w, y), times, w)
    s.arrow(value, times)
    s.arrow(times, out)
s.arrow(out, (9.6, 1.4), "18.1")
s.show("A query meets three keys in three boxes; their scores enter one softmax; its three "
       "weights multiply three values, whose sum is the answer, 18.1 in the example.")

# %% [markdown]
# **Attention** (어텐션) scores a key by a product, and softmax makes the weights. In the example the scores $q k_i$ are 2, 4, 8; softmax gives 0.00, 0.02, 0.98: the largest key shouts loudest.
# Take $k_i^2/2$ off each score, and 1.5, 2, 0 are left: weights 0.35, 0.57, 0.08 again. No accident:
#
# $$-(q - k)^2/2 = q k - k^2/2 - q^2/2$$
#
# The last term is the same for all keys, so softmax cancels it. The second can be one more number in the key, which meets a 1 in the query.
# With $d$ numbers in $q$ and $k$ the product is a dot product, which attention divides by $\sqrt d$ (section 2 says why):
#
# $$w = \text{softmax}\big(q \cdot k_1 / \sqrt d,\ q \cdot k_2 / \sqrt d,\ \dots\big)$$

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
print("by hand, in code:", [f"{w:.2f}" for w in weights[0]], f"{answer.item():.1f}")

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Play it: each person has a number on a card (key) and a price (value). You call out a query; near numbers shout louder. What is your estimate?
# Wrong answer to expect: "attention is about words".

# %% [markdown]
# The thesis, once more: a prediction is an ensemble of what is known. In lecture 03 its weights were fixed, in lecture 17 a gate sets them; here each query sets its own.
#
# What does deep learning add? The distances are *learned*: queries and keys are $xW$, a linear regression, and $W$ gets a gradient.
#
# A test: 200 known rows of three features; $y$ is $\sin(4 x_1)$ and noise, the other two say nothing. Who predicts 200 new rows?
# One width for all features, the best of twenty; a learned $W$; or a random forest (lecture 03's bag). Width and $W$ are judged on the known rows, each predicted from all *others*.

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
fixed = min((width * one for width in np.geomspace(1, 30, 20)), key=left_out)
W = nn.Parameter(3 * one)
after.descend(nn.ParameterList([W]), lambda: left_out(W), run.steps(150), 0.1, cycle=False)
forest = RandomForestRegressor(200, random_state=SEED)
forest.fit(x[known].cpu(), y[known, 0].cpu())
trees = torch.tensor(forest.predict(x[asked].cpu()))[:, None]

# %%
guesses = {"one width": estimate(x[asked], fixed), "random forest": trees,
           "learned W": estimate(x[asked], W.detach())}
error = {name: F.mse_loss(guess.cpu(), y[asked].cpu()) for name, guess in guesses.items()}
after.draw_lookup(x[asked, 0], guesses)
claim("squared error, learned W against one width (ratio)",
      error["learned W"] / error["one width"], at_most=0.22)
claim("squared error, learned W against the forest (ratio)",
      error["learned W"] / error["random forest"], at_least=0.75, at_most=1.4)

# %% [markdown]
# ## 2 · From scratch: scale, mask, heads, positions
#
# On the map: `attention`
#
# Learned distances bring the lookup level with the forest; but this one has a gradient, and can be a layer. Four details make it today's.
#
# **Scale.** If the entries of $q$ and $k$ have variance 1, so has each product of two; the score, a sum of $d$ of them, has variance $d$. At $d = 256$ scores are about ±16. Divided by $\sqrt d$, the variance is 1 at any $d$.
#
# **Predict first.** A query meets 64 random keys, $d = 256$, and nothing is divided. Even weights would have an entropy of 6 bits. How much do the softmax's weights have?

# %%
LEFT = {"about 6 bits": 6, "about 3 bits": 3, "less than 1 bit": 0.5}
predict("20.scale", *LEFT)

# %%
def entropy(scores):  # mean entropy of the softmax, bits
    w = scores.softmax(-1)
    return -(w * w.clamp(min=1e-30).log2()).sum(-1).mean().item()


dims, plain, scaled = [4, 16, 64, 256, 1024], {}, {}
for d in dims:
    q, k = torch.randn(2, 500, 64, d)
    scores = torch.einsum("nd,nmd->nm", q[:, 0], k)  # (500, 64): one query, its own 64 keys
    plain[d], scaled[d] = entropy(scores), entropy(scores / math.sqrt(d))

# %% [markdown] tags=["notes"]
# **Notes for the room (14 minutes).**
# Write the mask on the board as a triangle and ask which half is forbidden. The room splits; let them argue from "row = who asks".
# Entropy in bits: 2 to that power is about how many keys are really looked at.

# %%
after.draw_entropy(dims, scaled, plain)
outcome("20.scale", min(LEFT, key=lambda label: abs(LEFT[label] - plain[256])))
claim("scaled: the entropy changes with d by at most (bits)",
      max(abs(scaled[d] - scaled[64]) for d in dims), at_most=0.05)

# %% [markdown]
# Softmax of 16 and 0 is 0.9999999 and 0.0000001: one key has it all, and no gradient is left, as in lecture 05's sigmoid.
#
# **Causal mask.** Who predicts the next word must not see it: position $t$ looks at $1 \dots t$. For three positions the rows are `1 0 0`, `1 1 0`, `1 1 1`. A forbidden score becomes $-\infty$, its weight 0.
#
# **Heads.** One mean answers one question. So cut $q$, $k$, $v$, each $C$ numbers, into **heads** (헤드), let each look where it likes, and put the answers side by side.
# Queries, keys and values are three linear regressions on the same tokens: **self-attention** (셀프 어텐션).
#
# **Positions.** A mean has no order. *Rotary* positions (Su and others, 2021) turn pairs of numbers of $q$ and $k$ by an angle proportional to $t$. A dot product sees only the *difference* of two angles.

# %%
def rotary(x):
    """Turn pairs of x (…, T, d) by position times a speed, from 1 towards 1/10,000."""
    T, d = x.shape[-2:]
    speed = 10_000.0 ** (-torch.arange(0, d, 2, device=x.device) / d)
    angle = torch.arange(T, device=x.device)[:, None] * speed              # (T, d/2)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angle.cos() - b * angle.sin(),
                      a * angle.sin() + b * angle.cos()], -1)


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
        mixed, _ = attention(q, k, v, mask)
        return self.out(mixed.transpose(1, 2).reshape(B, T, C))

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

layer = SelfAttention(32, 4, positions=False, causal=False).to(run.device)
theirs = nn.MultiheadAttention(32, 4, batch_first=True).to(run.device)
theirs.load_state_dict(dict(zip(theirs.state_dict(), layer.state_dict().values(),
                                strict=True)))
tokens = torch.randn(8, 20, 32, device=run.device)
claim("four heads are nn.MultiheadAttention's (largest difference)",
      (layer(tokens) - theirs(tokens, tokens, tokens)[0]).detach().abs().max(),
      at_most=1e-5)

# %% [markdown]
# ## 3 · Tokens: merge the commonest pair
#
# On the map: `attention`
#
# Letters make long sequences; words make an endless table, and a new word is unknown. So a language model reads pieces, found by counting.
#
# Lecture 09's byte pair encoding (Gage 1994; Sennrich and others 2016) starts from characters, makes the commonest pair of neighbours a new symbol, and repeats.
#
# By hand, `low lower lowest`: `l o` stands there 3 times, as does `o w`. Merge `l o` to `lo`; then `lo w` is commonest: `low`. After two merges: `low`, `low e r`, `low e s t`.
#
# The text is lecture 12's, the Python manual; merges are learned on nine tenths of it. (Real tokenizers start from 256 bytes, keep to words, and learn some 100,000 pieces.)

# %%
text = data.load("manual")
alphabet, cut = sorted(set(text)), len(text) * 9 // 10
number = {character: i for i, character in enumerate(alphabet)}
codes = np.array([number[character] for character in text])
pieces, read, unread = list(alphabet), codes[:cut], codes[cut:]
for new in range(len(alphabet), len(alphabet) + 300):
    # a pair as one number, in base `new`; count each; back to two
    pair = divmod(np.bincount(read[:-1] * new + read[1:]).argmax(), new)
    read, unread = after.merge(read, pair, new), after.merge(unread, pair, new)
    pieces.append(pieces[pair[0]] + pieces[pair[1]])
print("unread text:", *[repr(pieces[i])[1:-1].replace(" ", "·") for i in unread[:40]])
single = {n: ngram_bits(codes[:cut], codes[cut:], n, len(alphabet)).mean().item()
          for n in (2, 3, 5)}
paired = {n: ngram_bits(read, unread, n, len(pieces)).sum().item() / len(codes[cut:])
          for n in (2, 3)}  # bits per *character*: the sum, divided by the characters
print(f"2-gram {single[2]:.2f} bits per character, of pieces {paired[2]:.2f};",
      f"3-gram {single[3]:.2f}, of pieces {paired[3]:.2f}")
claim("300 merges: characters of unread text per piece", len(codes[cut:]) / len(unread),
      at_least=2.3, at_most=2.5)
claim("strongest counts: 3-gram of pieces ahead of the 5-gram (bits per character)",
      single[5] - paired[3], at_least=0.03)

# %% [markdown] tags=["notes"]
# **Notes for the room (6 minutes).**
# Let the room guess the next merge. Then type a sentence in Korean into any tokenizer at hand: how many pieces, against its English translation? That is what it costs.

# %% [markdown]
# ## 4 · A tiny GPT: behind in few steps, ahead in many
#
# On the map: `attention`
#
# A **Transformer** (트랜스포머) is a stack of blocks: look around, then think; both are added to what was there.
#
# "Think" is lecture 04's two-layer net, applied to each position alone. "Added" is lecture 11's skip.
# *Layer norm* first scales each token's numbers to mean 0 and variance 1. (Today's models often leave out the mean, RMSNorm, and let a gate into the small net, SwiGLU.)
# A **GPT** (생성형 사전학습 트랜스포머) is such a stack with a causal mask, trained to predict the next token: here characters, as its rivals do.

# %%
after.sketch_block()


class Block(nn.Module):
    def __init__(self, C, heads):
        super().__init__()
        self.look = SelfAttention(C, heads)
        self.norm1, self.norm2 = nn.LayerNorm(C), nn.LayerNorm(C)
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

# %% [markdown]
# The judge is lecture 12's: bits per character on the last tenth, with at least 16 characters before. The rivals: lecture 12's LSTM, 400 steps and about the same seconds, each net at the best of the rates 0.005, 0.01, 0.02 and 0.04; and counting.
#
# **Predict first.** Who has the fewest bits, after some seconds each?

# %%
predict("20.text", "GPT", "LSTM", "5-gram")

# %%
train, test = (torch.tensor(part, device=run.device) for part in (codes[:cut], codes[cut:]))
T = 32
gpt = GPT(len(alphabet)).to(run.device)


def next_character():
    x, y = after.windows(train, T, 16)  # 16 windows of 32 characters; y is one ahead of x
    return F.cross_entropy(gpt(x).flatten(0, 1), y.flatten())


after.descend(gpt, next_character, run.steps(400), 0.01)
lstm = CharModel(forget_bias_(nn.LSTM(32, 128), 1), len(alphabet)).to(run.device)
fit_text(lstm, train, steps=run.steps(400), lr=0.04)  # 32 windows; 0.08 gains 0.03
by_place = after.window_bits(gpt, test, T)  # (T,) bits

# %% [markdown] tags=["notes"]
# **Notes for the room (16 minutes).**
# Per step it reads all positions at once, so its training does not walk through time. On a GPU that is its real advantage; on one CPU core it is small.
# Then the stored curve. Ask where the crossing would be on a text ten times as long.

# %%
bits = {"GPT": by_place[T // 2:].mean(), "LSTM": text_bits(lstm, test).mean(),
        "3-gram": single[3], "5-gram": single[5]}
print({name: round(float(value), 2) for name, value in bits.items()})
outcome("20.text", min(("GPT", "LSTM", "5-gram"), key=bits.get))
claim("in 400 steps the better net needs more than the 5-gram (bits per character)",
      min(bits["GPT"], bits["LSTM"]) - bits["5-gram"], at_least=0.25, short=True)
claim("the GPT reads its context: bits more at place 1 than in the later half",
      by_place[0] - bits["GPT"], at_least=0.7)

# %% [markdown]
# No miracle: a table that was counted in a moment is ahead of both. What made the Transformer win is *scale*: its loss keeps falling as data, size and steps grow together.
#
# A stored table (`benchmarks/scale.py`; `PROFILE = "full"` measures the GPT's last point anew, from another start: 1.82): 32 windows of 64 characters, each net started once for each number of steps, at its best rate on test. Beside it is our strongest count, section 3's triples of pieces.

# %%
counts = {"5-gram": single[5], "3-gram of pieces": paired[3]}
stored = after.stored()  # "steps", and bits per character for "GPT" and "LSTM"
if run.profile == "full":
    large = GPT(len(alphabet)).to(run.device)
    stored["GPT"][-1] = after.bits_of_gpt(large, train, test, run.steps(2000), 0.01)
after.draw_scale(stored, counts)
claim("stored: 2,000 steps bring the GPT at least 0.02 bits ahead of the best count",
      min(counts.values()) - stored["GPT"][-1], at_least=0.02)

# %% [markdown]
# A step of the GPT takes twice an LSTM's seconds here; but with twice the steps, 4,000, the LSTM is at 1.86.
#
# How large a net for how much text? Training costs about $6 N D$ operations for $N$ weights and $D$ tokens: a multiplication and an addition forward, twice that backward.
# Kaplan and others (2020) said: put a larger budget mostly into $N$. Hoffmann and others (2022; their net is called Chinchilla) measured again, with a schedule fitted to each length: grow both alike, about 20 tokens a weight.
#
# By hand: a budget of $10^{21}$. $6 N \cdot 20 N = 10^{21}$ gives $N = \sqrt{10^{21}/120} \approx 2.9 \cdot 10^9$ weights and 58 billion tokens.
# Nets now train far beyond that: a small one that is asked often pays it back.

# %% [markdown]
# ## 5 · What attention is for: recall
#
# On the map: `attention`
#
# An LSTM must decide what to keep before it knows the question; attention keeps everything and looks it up when asked.
#
# Each sequence lists random entries of its secret dictionary, eight keys, eight values: `c 7 a 2 c ?`.
# When a key comes again, its value is known. A guess is right once in eight (3 bits), the commonest value in a third.
#
# **Ask the room.** Why can one layer of attention not do it, but two can?
#
# <details><summary>One answer</summary>
#
# Layer one: each value looks one step back and notes which key stands there.
# Layer two: the query looks for that note. One layer has no notes.
# </details>

# %%
KEYS = after.KEYS
models = {"attention, 2 layers": (lambda: GPT(2 * KEYS, 24, 1, 2, KEYS), 130),
          "attention, 1 layer": (lambda: GPT(2 * KEYS, 24, 1, 1, KEYS), 240),
          "LSTM, 40 numbers": (after.Reader, 350)}  # each about as many seconds
recalled = {name: [after.recall(make, run.steps(steps), 10 * SEED + i, run.device)
                   for i in range(2)] for name, (make, steps) in models.items()}
after.draw_recall(recalled)
right = {name: [100 * share for _, share in runs] for name, runs in recalled.items()}
claim("two layers: right, better of two starts (per cent)",
      max(right["attention, 2 layers"]), at_least=90)
claim("one layer: right, better of two starts (per cent)",
      max(right["attention, 1 layer"]), at_most=40)
claim("in 350 steps, LSTM: right, better of two starts (per cent)",
      max(right["LSTM, 40 numbers"]), at_most=55, short=True)

# %% [markdown] tags=["notes"]
# **Notes for the room (9 minutes).**
# The two-step circuit of the answer is called an induction head (Olsson and others, 2022). Point at the cliff.

# %% [markdown]
# Be fair to the LSTM: it lacks size. After 1,500 steps it is right in about 60 %; with 128 numbers, in 85 to 99 % after just 350 (stored). One layer of attention stays at 35 % after 1,300 steps. No budget gives it notes.
#
# The price of attention: its work grows with the square of the length, and while it writes it must keep all keys and values. State-space models (S4, Mamba) are recurrent nets with a state of one size that train in parallel; many models mix both.
#
# Lecture 17's experts sit where section 4 "thinks": a gate picks a few of many nets for each token.

# %% [markdown]
# ## 6 · Diffusion: learn to remove noise
#
# On the map: `diffusion`
#
# To drown a picture in noise is easy. A net that undoes one small step of it can draw.
#
# **Diffusion** (확산; Sohl-Dickstein and others, 2015): start with data $x$; each step keeps a share $\alpha$ of the variance, with fresh Gaussian noise for the rest. After $t$ steps the product of the shares is left, written $\bar\alpha_t$. In one go:
#
# $$z_t = \sqrt{\bar\alpha_t}\, x + \sqrt{1 - \bar\alpha_t}\, \varepsilon$$
#
# $\varepsilon$ is standard normal noise; $\bar\alpha$ falls from 1 to nearly 0. By hand: $x = 2$, $\bar\alpha = 0.64$, $\varepsilon = -2.5$: $z = 0.8 \cdot 2 - 0.6 \cdot 2.5 = 0.1$.

# %%
after.sketch_noise()
STEPS, share = after.STEPS, after.cosine(run.device)  # ᾱ falls on a cosine


def noised(x):
    """What training sees of data x (n, …): z, t and the noise that was added."""
    t = torch.randint(1, STEPS + 1, (len(x),), device=run.device)
    noise, kept = torch.randn_like(x), share[t].view(-1, *[1] * (x.ndim - 1))
    return kept.sqrt() * x + (1 - kept).sqrt() * noise, t, noise

# %% [markdown]
# Training (**DDPM**, 잡음 제거 확산 확률 모형; Ho and others, 2020) is a regression: show the net $z_t$ and $t$, and let it predict $\varepsilon$ with squared error.
#
# It cannot find the noise that was added, only its mean, given what it sees. Say, data are 2 or −2, by a coin. Then $z = 0.1$ came from 2 with $\varepsilon = -2.5$, or from −2 with $\varepsilon = 2.83$; the bells say 71 against 29 %. The best answer is $0.71 \cdot (-2.5) + 0.29 \cdot 2.83 = -0.95$.
#
# In general it is $-\sqrt{1 - \bar\alpha_t}\, \nabla \log p_t(z)$; $p_t$ is $z_t$'s density. This gradient, *the score*, points uphill, to dense data.
#
# <details><summary>Why (Tweedie's formula; Robbins 1956; Vincent 2011)</summary>
#
# The density of $z$ is a mean, over the data $x$, of bells $b(z)$ around $\sqrt{\bar\alpha}\, x$ with variance $1 - \bar\alpha$.
# The slope of a bell is $b(z)$ times $-(z - \sqrt{\bar\alpha}\, x)/(1 - \bar\alpha) = -\varepsilon / \sqrt{1 - \bar\alpha}$.
# So $\nabla p(z)$ is the mean of $b(z) \cdot (-\varepsilon/\sqrt{1 - \bar\alpha})$. Divide by $p(z)$, the mean of $b(z)$: left is the mean of $\varepsilon$ among the $x$ that may have led to $z$, times $-1/\sqrt{1 - \bar\alpha}$. And $\nabla p / p = \nabla \log p$.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Ink in water: each molecule moves at random; nobody can undo it. Who has seen a million such films can guess the last frame.
# Wrong answer to expect: "the net finds the noise that was added".

# %%
# In the plane the truth is known: three Gaussian bumps, noised, are three bumps again.
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


def noise_loss():
    z, t, noise = noised(bumps(256))
    return F.mse_loss(toy(z, t), noise)


torch.manual_seed(SEED)
toy = after.Small(2).to(run.device)  # two hidden layers of 96
after.descend(toy, noise_loss, run.steps(run.pick(lecture=1000, full=3000)), 0.005)
toy.requires_grad_(False);  # trained

# %% [markdown]
# **The walk back.** From $z_t$ and the predicted noise follows a guess of the data, $\hat x = (z_t - \sqrt{1 - \bar\alpha_t}\, \hat\varepsilon) / \sqrt{\bar\alpha_t}$. Go from there to an earlier time $s$ by the formula of the way forward, $z_s = \sqrt{\bar\alpha_s}\, \hat x + \sqrt{1 - \bar\alpha_s}\, \hat\varepsilon$, and guess again.
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

# %%
made = {name: back(noise, torch.randn(600, 2, device=run.device), 50, 1)
        for name, noise in (("exact", exact_noise), ("learned", toy))}
after.draw_bumps(made, [exact_noise, toy])
z, t, _ = noised(bumps(5000))
missed = F.mse_loss(toy(z, t), exact_noise(z, t)) / exact_noise(z, t).square().mean()
on_a_bump = (torch.cdist(made["learned"], centres).amin(1) < 3 * SPREAD).float().mean()
claim("the exact noise's square that the net misses (share)", missed, at_most=0.027)
claim("drawn with the learned noise: on a bump (share)", on_a_bump, at_least=0.85)

# %% [markdown]
# ## 7 · From noise to letters, beside the strongest rival
#
# On the map: `diffusion`
#
# The same loss and the same walk back, with lecture 10's convolutions, draw letters. Are they good? Ask lecture 13's mixture.
#
# The net is a small U-Net (lecture 10). It outputs $v = \sqrt{\bar\alpha}\,\varepsilon - \sqrt{1 - \bar\alpha}\,x$ (Salimans and Ho, 2022). From $v$ and $z$ follow both, noise and picture: it still is noise prediction, weighted anew.
#
# The rivals: lecture 13's VAE, which draws from its prior; and a plain auto-encoder with ten Gaussians fitted to its codes. All see the same letters, 460 batches of 64, each at its best of three or four rates.
# The marks are lecture 14's: *legible* to a classifier, *density* (real letters near a drawn one, over five; *test* counts itself), *coverage* (real ones with a drawn one near).

# %%
ink, names = (a.to(run.device) for a in generators.letters("train"))
unseen = generators.letters("test")[0].to(run.device)
net = after.Denoiser(12).to(run.device)
LONG = run.steps(460)


def v_loss():
    x = 2 * ink[torch.randint(len(ink), (64,))] - 1  # from −1 to 1
    z, t, noise = noised(x)
    kept = share[t].view(-1, 1, 1, 1)
    return F.mse_loss(net(z, t), kept.sqrt() * noise - (1 - kept).sqrt() * x)


def letter_noise(z, t):
    kept = share[t].view(-1, 1, 1, 1)
    return (1 - kept).sqrt() * z + kept.sqrt() * net(z, t)


def draw(n, steps, eta=1.0):
    z = torch.randn(n, 1, 28, 28, device=run.device)
    return back(letter_noise, z, steps, eta, clamp=1) / 2 + 0.5


after.descend(net, v_loss, LONG, 0.007);

# %%
CODE, N = 16, 300  # lectures 13 and 14 draw 483: more coverage
vae = generators.VAE(CODE).to(run.device)
generators.fit(vae, ink, vae.negative_elbo, steps=LONG, lr=0.04)
ae = after.auto_encoder(ink, CODE, LONG, lr=0.02)
known_codes = ae[0](ink).detach()                                  # (n, 16)


@torch.no_grad()
def decode(z):  # codes (n, 16) -> pictures
    return ae[1](torch.as_tensor(z, dtype=torch.float32, device=run.device)).sigmoid()

# %% [markdown] tags=["notes"]
# **Notes for the room (11 minutes).**
# One step gives the mean of all letters: a blur. Ask why. (Squared error: lecture 01.)
# Let the room say what diffusion is for, when ten Gaussians win here: pictures whose codes no ten Gaussians describe.

# %%
all_x, all_y = (a.to(run.device) for a in generators.letters("train", "ABCDEFGHIJ"))
judge = after.Judge(all_x, all_y, unseen, steps=run.steps(300))
drawn = {"test": unseen[torch.randperm(len(unseen))[:N]], "VAE": vae.sample(N),
         "diffusion": draw(N, 40),
         "mixture": decode(latent.describe(known_codes, 10, seed=SEED).draw(N))}
marked = {name: judge.marks(made) for name, made in drawn.items()}
for name, row in marked.items():
    print("{:10} legible {:3.0f} %, density {:4.2f}, coverage {:3.0f} %".format(name, *row))

# %%
ddim = {steps: round(judge.marks(draw(N, steps, eta=0))[2]) for steps in (1, 5, 20)}
print("steps back without fresh noise -> coverage (%):", ddim)
plots.strips("Diffusion is clearer than the VAE; the mixture is clearer still", drawn)
plots.show("Four rows of letters: real ones; blurred ones of the VAE; grainy ones of the "
           "diffusion model; clear ones of the auto-encoder with a mixture.")
claim("density: diffusion − VAE", marked["diffusion"][1] - marked["VAE"][1], at_least=0.1)
claim("in 460 steps: legible, mixture − diffusion (points)",
      marked["mixture"][0] - marked["diffusion"][0], at_least=5, short=True)

# %% [markdown]
# Ten Gaussians on an auto-encoder's codes draw better letters than diffusion on pixels, with as many steps, and cheaper: one pass through a small net, where diffusion takes forty through a larger one. (With three times the steps, the densities are level.) These letters are an easy world: five shapes, sixteen numbers.
#
# What speaks for diffusion? A plain regression loss that falls, where lecture 14's game may circle; no prior to match; and, with more data and steps, no ten bells to be limited by.
#
# Without fresh noise, five steps back do nearly as well as twenty. A single one draws the mean of all letters, a blur.

# %% [markdown]
# ## 8 · On codes, and to order: guidance
#
# On the map: `diffusion`
#
# Diffusion can describe an auto-encoder's codes, as the mixture does (today's image models do), and be told the letter. Its rival is told, too: two Gaussians a letter.
#
# The codes are scaled to mean 0 and variance 1. A small net predicts their noise. It also gets the letter, as five columns of 0 and 1; in a fifth of the training rows all five are 0, "not told".
# So one net gives two predictions, $\varepsilon_\text{told}$ and $\varepsilon_\text{not}$. **Guidance** (가이던스; Ho and Salimans, 2022) goes on from one past the other:
#
# $$\hat\varepsilon = \varepsilon_\text{not} + w\,(\varepsilon_\text{told} - \varepsilon_\text{not})$$
#
# By hand: not told 0.2, told 0.5. $w = 0$ gives 0.2, $w = 1$ gives 0.5, $w = 3$: $0.2 + 3 \cdot 0.3 = 1.1$.
#
# **Ask the room.** What will $w = 8$ do to the share of letters that are what was asked for, and what to their variety?
#
# <details><summary>One answer</summary>
#
# More are right, up to a point, and fewer kinds are drawn: each step goes where "A" is likely *and everything else is not*, to the most typical A. Beyond it lies what no data are like. So the guess of the data is cut off at each step, here at ±3, three of its own spreads (task 6). The last printed number is $w = 8$ without that.
# </details>

# %%
middle, width = known_codes.mean(0), known_codes.std(0)
asks = F.one_hot(names, 5).float()                                 # (n, 5)
coder = after.Small(CODE, more=5, width=128).to(run.device)


def code_loss(n=256):
    rows = torch.randint(len(asks), (n,))
    told = asks[rows] * (torch.rand(n, 1, device=run.device) > 0.2)
    z, t, noise = noised((known_codes[rows] - middle) / width)
    return F.mse_loss(coder(z, t, told), noise)


def to_order(wish, w, steps=20, cut=3):
    """Letters for the wishes (n, 5), drawn as codes with guidance w."""
    def noise(z, t):
        told, free = coder(z, t, wish), coder(z, t, 0 * wish)
        return free + w * (told - free)
    z = torch.randn(len(wish), CODE, device=run.device)
    return decode(back(noise, z, steps, eta=0.0, clamp=cut) * width + middle)


after.descend(coder, code_loss, run.steps(run.pick(lecture=1200, full=3600)), 0.005);

# %% [markdown] tags=["notes"]
# **Notes for the room (7 minutes).**
# Everybody has seen guidance: it is the slider of image generators, and its oversaturated pictures.

# %%
wanted, guided = torch.randint(5, (N,), device=run.device), {}
wish = F.one_hot(wanted, 5).float()                                # (n, 5)
for w in (0, 0.5, 1, 2, 4, 8):
    made = to_order(wish, w)
    guided[w] = judge.obeyed(made, wanted), *judge.marks(made)
after.draw_guidance(guided, marked["mixture"][2])
per_letter = [latent.describe(known_codes[names == c], 2, seed=SEED).draw(N // 5)
              for c in range(5)]
told = decode(np.concatenate(per_letter))
rival = judge.obeyed(told, torch.arange(5, device=run.device).repeat_interleave(N // 5))
covered = judge.marks(told)[2]
print(f"two Gaussians a letter: as asked {rival:.0f} %, covered {covered:.0f} %")
print("w -> as asked, covered (%):",
      {w: (round(row[0]), round(row[3])) for w, row in guided.items()},
      "not cut, as asked:", round(judge.obeyed(to_order(wish, 8, cut=None), wanted)))
claim("w = 0, the control: drawn as asked (per cent; chance gives 20 or less)",
      guided[0][0], at_most=27)
claim("w = 2: drawn as asked (per cent)", guided[2][0], at_least=90)
claim("w = 8 against 1: coverage lost (points)", guided[1][3] - guided[8][3],
      at_least=15)
claim("two Gaussians a letter: drawn as asked (per cent)", rival, at_least=90)
claim("their coverage and diffusion's at its best w differ by (points)",
      abs(covered - max(row[3] for row in guided.values())), at_most=12)

# %% [markdown]
# ## 9 · The map of 2026
#
# On the map: `attention` · `diffusion`
#
# How is a large language model made?
#
# 1. Pre-training (lecture 07) on all text: predict the next token.
# 2. **Instruction tuning** (지시 튜닝; Wei and others, 2021): fine-tuning on questions with good answers, often by *LoRA* (task 4).
# 3. People's choice between two answers: RLHF (lecture 16). DPO (Rafailov and others, 2023) makes it a logistic regression on pairs.
# 4. **Verifiable rewards** (검증 가능한 보상): where a program can check an answer, its verdict is the reward, and GRPO reinforces what beats its group's mean.
#
# By hand: of four answers one is right, rewards 1, 0, 0, 0. Minus the mean: 0.75, three times −0.25 (GRPO: over the spread). All right or all wrong: nothing to learn.

# %% [markdown]
# Trained so, models reason at length before they answer, and do better the longer they may (o1, 2024; R1, 2025). An **agent** (에이전트) is such a model in a loop: it writes a call of a tool, a program runs it, the result joins the text (Yao and others, 2022).
#
# To write a token, all weights and all kept keys and values are read. Three savings:
#
# - **Grouped queries** (그룹 쿼리 어텐션; Ainslie and others, 2023): several heads share one head of keys and values. With 64 heads of 128 numbers of 16 bits in 80 layers, a token keeps 2.5 MiB; with 8 heads of keys and values, 0.3.
# - *FlashAttention* (Dao and others, 2022), when text is read: same numbers, no table is stored.
# - **Quantization** (양자화): round each row of a matrix to multiples of its largest entry, divided by $2^{b-1} - 1$, for $b$ bits.

# %%
@torch.no_grad()
def rounded(model, bits):
    model = deepcopy(model)
    for weight in model.parameters():
        if weight.ndim == 2:
            step = weight.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
            weight.copy_((weight / step).round() * step)
    return model

# %%
costs = {b: after.window_bits(rounded(gpt, b), test, T)[T // 2:].mean() - bits["GPT"]
         for b in (8, 4, 2)}
print("bits a weight -> bits per character more:",
      {b: round(float(c), 3) for b, c in costs.items()})
claim("8 bits a weight instead of 32 cost less than 0.01 bits per character", costs[8],
      at_most=0.01)
claim("2 bits a weight, so rounded, cost (bits per character)", costs[2], at_least=1.1)

# %% [markdown] tags=["notes"]
# **Notes for the room (8 minutes).**
# Let the room place each word that they have heard this year before you show the picture. What cannot be placed is a good question for the next meeting.
# The choice of entries is opinion.

# %% [markdown]
# **The ad ranker.** In 2017 attention over a user's past ads joined lecture 19's ladder (Zhou and others). Then the log itself became the text: HSTU (Zhai and others, 2024) reads a user's events as tokens, and grows with compute as language models do.
# An ad's number tells nothing of its likes. A **semantic id** (의미 식별자; Rajput and others, 2023) does: a few codes from coarse to fine, found by clustering what the ad is about.
# A ranker of 2026 *writes* the ids of the ads to show; its authors report up to 4.2 % more revenue (Xue and others).
#
# And one entry of 2026 closes the circle: hashed tables of embeddings for the last two or three tokens (Cheng and others). What can be counted need not be computed.

# %%
after.draw_map(concept_map.load().nodes)

# %% [markdown]
# ## What goes wrong in practice
#
# - **A mask off by one.** The loss is wonderful. Change the future: no earlier output may move.
# - **A row that is masked everywhere.** One `nan` infects the batch.
# - **Unequal contexts or tokens.** Compare per character.
# - **No simple rival.** Count; fit a mixture.
#
# ## Summary
#
# 1. Attention is kernel regression with learned distances.
# 2. $1/\sqrt d$ keeps the softmax alive, the mask keeps the future out, positions must be put in.
# 3. In few steps a tiny GPT is behind an LSTM and counting; in many it passes both. Recall is what attention is for.
# 4. Diffusion is a regression on noise; here a mixture on codes is ahead. Guidance buys obedience with variety.
# 5. In a Transformer many boxes of 2017 are at work at once.

# %% [markdown]
# ## The end of the map
#
# *Deep learning extends the neural network, and the neural network is an ensemble of regressions.* Did it hold?
#
# In form, everywhere: attention weighs known values, diffusion regresses on noise, each block adds its correction to a sum, as boosting does.
# Not as an explanation: what nets gain by training all their parts together, no ensemble of ready parts gave (lecture 04).
#
# What will last longer than any name above is the habit: the strongest simple rival, the same information, equal work, more than one seed. In this lecture alone a forest drew level, counting won for a while, and ten Gaussians won.
#
# `dlmap progress` shows which of your predictions came true.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 20`, then open `exercises/work/20_exercises.ipynb`: seven tasks, about 140 minutes.
#
# <details><summary>Papers</summary>
#
# - E. A. Nadaraya (1964), *On estimating regression*; G. S. Watson (1964), *Smooth regression analysis*.
# - A. Vaswani and others (2017), *Attention is all you need*; J. Su and others (2021), *RoFormer*.
# - P. Gage (1994), *A new algorithm for data compression*; R. Sennrich and others (2016), *Neural machine translation of rare words with subword units*.
# - J. Kaplan and others (2020), *Scaling laws for neural language models*; J. Hoffmann and others (2022), *Training compute-optimal large language models*.
# - C. Olsson and others (2022), *In-context learning and induction heads*.
# - H. Robbins (1956), *An empirical Bayes approach to statistics*; P. Vincent (2011), *A connection between score matching and denoising autoencoders*.
# - J. Ho and others (2020), *Denoising diffusion probabilistic models*; A. Nichol, P. Dhariwal (2021), *Improved denoising diffusion probabilistic models*; J. Song and others (2020), *Denoising diffusion implicit models*.
# - J. Ho, T. Salimans (2022), *Classifier-free diffusion guidance*.
# - DeepSeek-AI (2025, 2026), *DeepSeek-R1*, arXiv:2501.12948; *DeepSeek-V4*, arXiv:2606.19348; S. Yao and others (2022), *ReAct*; A. Lahoti and others (2026), *Mamba-3*, arXiv:2603.15569.
# - S. Rajput and others (2023), *Recommender systems with generative retrieval*; J. Zhai and others (2024), *Actions speak louder than words*.
# - B. Xue and others (2026), *Generative recommendation for large-scale advertising*, arXiv:2602.22732; X. Cheng and others (2026), *Conditional memory via scalable lookup*, arXiv:2601.07372.
# </details>
