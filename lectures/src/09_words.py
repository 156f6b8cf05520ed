# %% [markdown]
# # 09 · Words
#
# **Question.** A machine sees nothing of a word but the words that stand around it. How much of its meaning is in there?
#
# **You will be able to** turn a text into counts and vectors; write Word2Vec's game of yes and no from its loss; give a vector to a word never seen; judge word vectors, and say when counting is enough; read analogies and pictures without fooling yourself.
#
# **Needs** 01, 02, 03, 08 · **Minutes** 95 to teach, 140 to study · **CPU** 35 s
#
# On the map: `word2vec` · `glove`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many passes over the text

# %%
import time
from bisect import bisect
from collections import Counter
from itertools import permutations

import numpy as np
import torch
from scipy import stats
from scipy.sparse import coo_array
from scipy.sparse.linalg import svds
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch import word2vec, word_probe
from utils.scratch.glove import cooccurrence

# matrices this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)
DIM = 64  # numbers a word

# %%
concept_map.show("09")

# %% [markdown]
# ## 1 · A word is known by the company it keeps
#
# On the map: `word2vec`
#
# All that follows is made from one table: how often does each word stand near each other word?
#
# The text is on your disk: the docstrings (explanations inside the code) of NumPy, SciPy, scikit-learn, Matplotlib and PyTorch, in this order.
# A **corpus** (말뭉치) is such a collection of text. Its running words are **tokens** (토큰), its different words the **vocabulary** (어휘).
# Words seen fewer than ten times are left out, little can be learned about them; the window below steps over them.
# The printed sentences look broken: numbers, formulas, punctuation and single letters other than *a* were taken out first.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# The title is after Firth (1957), the idea Harris's (1954).
# Read out "the ___ of a sparse matrix" and let the room fill the gap: they have just used the context.

# %%
sentences = [line.split() for line in data.load("docstrings").splitlines()]
times = Counter(word for line in sentences for word in line)
corpus = word2vec.read(sentences, min_count=10)   # numbers the words, frequent ones first
words, index, count = corpus.words, corpus.index, corpus.count  # name, number, how often
ids, sentence, V = corpus.ids, corpus.sentence, len(words)  # (n,) words, whose sentence
print(f"{times.total():,} tokens, {len(times):,} different words, "
      f"V = {V:,} of them at least ten times")
print(*("· " + " ".join(line)[:88] for line in sentences[::15_000]), sep="\n")

# %% [markdown]
# A **co-occurrence** (동시 출현) is a pair of words in one sentence, at most five places apart: the second is in the *window* of the first.
# By hand, with a window of two places: in *take the gradient of the loss*, the word *gradient* counts *take* 1, *the* 2, *of* 1; *loss* is too far away.
#
# In code, first the loop that anybody would write, then shifted arrays: `ids[:-d]` and `ids[d:]` are all pairs that stand $d$ places apart.
# The table is *sparse*: only cells that are not zero are stored.
#
# **Predict first.** Take the ten words that stand most often near *gradient*. What are they?

# %%
COMPANY = ("mostly of, the, to and their like", "about half and half",
           "mostly words of optimization")
predict("09.company", *COMPANY)

# %%
def count_by_loop(ids, sentence, window=5):
    pairs = Counter()
    for i in range(len(ids)):
        for j in range(max(0, i - window), min(len(ids), i + window + 1)):
            if i != j and sentence[i] == sentence[j]:
                pairs[ids[i], ids[j]] += 1
    return pairs


def count_pairs(ids, sentence, window=5):
    """(n,) words, (n,) their sentences -> (V, V): how often word i has j in its window."""
    counts = coo_array((V, V)).tocsr()  # coo: a list of cells; csr: the same, by rows
    for d in range(1, window + 1):
        same = sentence[d:] == sentence[:-d]  # both in one sentence?
        left, right = ids[:-d][same], ids[d:][same]
        # a 1 for each pair; tocsr adds up the cells that come twice
        counts += coo_array((np.ones(len(left)), (left, right)), (V, V)).tocsr()
    return counts + counts.T  # whoever is my neighbour has me for a neighbour


counts, few = count_pairs(ids, sentence), slice(20_000)
looped, shifted = (way(ids[few], sentence[few]) for way in (count_by_loop, count_pairs))
print(f"20,000 tokens: {len(looped):,} cells by the loop, "
      f"{shifted.nnz:,} by shifts (nnz: cells that are stored); "
      f"{sum(shifted[cell] != n for cell, n in looped.items())} of them differ")

# %% [markdown]
# Which stand near *gradient* more often *than chance*?
# Of 1,000 pairs say 50 have the word *gradient*, 40 the neighbour *descent*, 20 both. If they ignored each other, $1000 \cdot 0.05 \cdot 0.04 = 2$ would be both. They meet ten times as often: $\log 10$ = 2.3 nats (lecture 01).
#
# With $p(w, c)$ a pair's share of all pairs, $p(w)$ and $p(c)$ those of its word and its neighbour, the **pointwise mutual information** (점별 상호정보량) is
#
# $$\text{PMI}(w, c) = \log \frac{p(w, c)}{p(w)\,p(c)}$$
#
# Two repairs. Pairs that never met have $\log 0 = -\infty$: set negative values to 0, **positive PMI** (양의 점별 상호정보량), PPMI.
# And rare neighbours are loud: where chance expects 0.01 meetings, a single lucky one scores $\log 100$ = 4.6. So the neighbours' counts are first raised to the power 0.75: 10,000 and 1 become 1,000 and 1, and chance expects more of the rare one (Levy, Goldberg and Dagan, 2015).

# %%
def positive_pmi(counts, power=0.75):
    """(V, V) sparse counts -> (V, V) sparse PPMI."""
    cells = counts.tocoo()  # the list of cells: .row, .col and what is in them, .data
    row, column = counts.sum(axis=1), counts.sum(axis=0) ** power
    chance = row[cells.row] * column[cells.col] / column.sum()  # expected meetings
    pmi = np.maximum(np.log(cells.data / chance), 0)
    return coo_array((pmi, (cells.row, cells.col)), counts.shape).tocsr()

# %%
def strongest(table, word, n=10):
    row = table[[index[word]]].toarray()[0]
    return {words[i]: row[i] for i in np.argsort(-row, kind="stable")[:n]}


ppmi = positive_pmi(counts)
near = {"times in the window": counts, "PPMI (nats above chance)": ppmi}
fig, axes = plots.panels("Beside “gradient”: by counts anybody, by PMI its own kind",
                         ["count", "PPMI"], xlabel="", ylabel="", size=(9.5, 3.7))
for ax, (label, table), color in zip(axes, near.items(), (plots.GREY, plots.BLUE),
                                     strict=True):
    top = strongest(table, "gradient")
    ax.barh(list(top), list(top.values()), color=color)
    ax.set_xlabel(label)
    ax.invert_yaxis()
    ax.tick_params(axis="y", labelcolor=plots.INK, length=0)
plots.show("By counts: of, the, to and the like. By PPMI: words of optimization.")
# cg: conjugate gradient, an optimizer; fprime: what SciPy calls a function's gradient
filler = sum(index[word] < 50 for word in strongest(counts, "gradient"))  # the 50 commonest
outcome("09.company", COMPANY[0 if filler > 6 else 1 if filler > 3 else 2])
three = list(permutations(("gradient", "color", "file"), 2))
by_count, by_ppmi = (np.mean([len(strongest(table, a).keys() & strongest(table, b).keys())
                              for a, b in three]) for table in near.values())
claim("gradient, color and file share most of their ten commonest neighbours (words)",
      by_count, at_least=6)
claim("and none of their ten strongest by PPMI (words)", by_ppmi, at_most=0)

# %% [markdown]
# ## 2 · A row of counts is already a vector
#
# On the map: `word2vec`
#
# A frequent word has a longer row, so compare directions: scale each row to length one, multiply number by number, add up.
# This is the **cosine similarity** (코사인 유사도): (1, 2) and (2, 4) point the same way and get 1, (1, 2) and (2, −1) get 0.
#
# Two *probes* judge the rows. *Kinds* has twenty groups of words, written by hand before any model was trained.
# Take $a$ and $b$ of one kind and $c$ of another: is $a$ nearer to $b$ than to $c$? A guess is right in 50 % of cases.
# *Plurals* needs no hand: of *value* and *values*, and hundreds of such pairs, is each among the other's ten nearest of V? One way counts half; guessing: 0.2 %.

# %%
kinds = {kind: [word for word in names.split() if word in index]
         for kind, names in word_probe.GROUPS.items()}
print(*(f"{k}: {', '.join(kinds[k])}" for k in ("colours", "types", "sides")), sep="\n")
a, b, c = (row / np.linalg.norm(row) for row in
           ppmi[[index[word] for word in ("red", "blue", "float")]].toarray())
print(f"cosine of red with blue {a @ b:.2f}, of red with float {a @ c:.2f}: one yes")
pairs_with_s = word_probe.plurals(words, count)  # (pairs, 2) numbers of words
print("plurals:", *(f"{words[i]}/{words[j]}" for i, j in pairs_with_s[:13:3]))

# %% [markdown]
# A row has V numbers, nearly all zero. The singular value decomposition (lecture 08) splits the table into $U S W^\top$; we keep the 64 columns with the largest numbers in $S$.
# Then the table is nearly $(U \sqrt S)(\sqrt S W^\top)$: on the left a row for each word, which we take; on the right a column for each neighbour. (No mean is taken away, as PCA does: the table would no longer be sparse.)
#
# **Ask the room.** What could be unfair about each probe?
#
# <details><summary>One answer</summary>
#
# The kinds are the author's, who knows the corpus; twenty are few, so a point or two mean little. The plurals reward grammar, and not all are plurals: *return* and *returns*.
# </details>
#
# **Predict first.** Over 5,000 numbers a word become 64. What happens to the two probes, if up to 2 points are no change?

# %%
SQUEEZE = ("both fall", "kinds hold, plurals fall", "kinds fall, plurals hold", "both hold")
predict("09.squeeze", *SQUEEZE)

# %%
def compress(table):
    """(V, V) sparse -> U (V, 64) and S (64,)."""
    return svds(table, DIM, rng=np.random.default_rng(SEED))[:2]


def judge(table):
    """(V, d) vectors -> right in each kind, and for each plural pair, in per cent."""
    by_kind = word_probe.group_scores(words, table).values()
    return 100 * np.array(list(by_kind)), 100 * word_probe.hits(table, pairs_with_s)


U, S = compress(ppmi)
tables = {"counts": counts.toarray(), "PPMI": ppmi.toarray(), "PPMI + SVD": U * np.sqrt(S)}
scores = {name: judge(table) for name, table in tables.items()}
for name, (by_kind, hits) in scores.items():
    print(f"{name:11s} kinds {by_kind.mean():.1f} % · plurals {hits.mean():.1f} %")
lead = [scores["PPMI"][i].mean() - scores["PPMI + SVD"][i].mean() for i in (0, 1)]
outcome("09.squeeze", SQUEEZE[{(1, 1): 0, (0, 1): 1, (1, 0): 2, (0, 0): 3}[
    tuple(int(points > 2) for points in lead)]])

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
#
# Most say "both fall": nearly all numbers are thrown away.

# %% [markdown]
# The squeeze keeps the kinds and costs plurals.
# Is it the company that tells? A control takes it away: the same sentences, but all words of the text in random order. It should guess, near 50 %; with twenty kinds luck moves that by some points.

# %%
mixed = compress(positive_pmi(count_pairs(rng.permutation(ids), sentence)))
claim("kinds: PPMI is right more often than bare counts, points",
      scores["PPMI"][0].mean() - scores["counts"][0].mean(), at_least=17)
claim("kinds: 64 numbers are not behind full rows, points", -lead[0], at_least=0.25)
claim("plurals: 64 numbers are behind full rows, points", lead[1], at_least=14)
claim("control, words in random order: kinds right, per cent",
      judge(mixed[0] * np.sqrt(mixed[1]))[0].mean(), at_least=47, at_most=57)

# %% [markdown]
# ## 3 · From a choice among all words to a game of yes and no
#
# On the map: `word2vec`
#
# Do not count the pairs: predict them, and keep what the predictor had to learn.
#
# **Word2Vec** (워드투벡; Mikolov and others, 2013) gives word $w$ a row $u_w$ of 64 numbers, and word $c$, in its role as a neighbour, another row $v_c$. The score of the pair is their product $u_w \cdot v_c$.
# **Skip-gram** (스킵그램) predicts from a word each of its neighbours. The obvious way is softmax regression (lecture 01) with V classes, $j$ running over all words:
#
# $$p(c \mid w) = \frac{e^{u_w \cdot v_c}}{\sum_j e^{u_w \cdot v_j}}$$
#
# Four words with scores 2, 1, 0, −1, the first one true: $e^2 = 7.4$ of 11.5 in all, a share of 0.64, the price $-\log 0.64 = 0.44$.
# The errors, share minus answer, are −0.36, 0.24, 0.09, 0.03: *every* row moves.

# %% [markdown] tags=["notes"]
# **Notes for the room (26 minutes).**
#
# Do the softmax of four words on the board, then ask what it costs with a million.
# Short of time, leave out tree and proof.

# %% [markdown]
# Here that is over 5,000 rows a pair, and a pass has millions of pairs.
#
# **Hierarchical softmax** (계층적 소프트맥스) keeps the probability and splits it: words are the leaves of a tree. Each fork has a vector $x$, and $\sigma(u_w \cdot x)$ is the chance of turning left. A word's probability is the product of the turns to its leaf, $\log_2 V \approx 12$ logistic regressions.
#
# **Negative sampling** (음의 표본추출) gives the probability up and asks: *is this pair from the text, or made up?*
# A pair of the text is a *yes*; the same word with $k$ random words, here 5, makes $k$ *noes*: six rows of $v$ move, and one of $u$.
# (To produce the next word takes the probability: lecture 20's models keep the softmax.)
# With $\sigma$ the sigmoid and $r_i$ the random words, a pair costs lecture 01's cross-entropy:
#
# $$-\log \sigma(u_w \cdot v_c) - \sum_{i=1}^{k} \log\big(1 - \sigma(u_w \cdot v_{r_i})\big)$$

# %%
s = schematics.Sketch("Skip-gram: two rows, a product, a sigmoid", width=9.5, height=3.6)
cells = {}
for title, top, rows in (("table u: the words", 3.1, ["", "1   2", ""]),
                         ("table v: as neighbours", 1.45, ["0.5   0.5", "", "", "1   −1"])):
    s.text(title, (3.3, top + 0.33), fontsize=12)
    for i, text in enumerate(rows):
        cells[text] = s.box(text, at=(3.3, top - 0.31 * i), size=(1.5, 0.29),
                            kind="concept" if text else "off")
for word, row in (("centre: gradient", "1   2"), ("neighbour: descent", "0.5   0.5"),
                  ("random: font", "1   −1")):
    s.arrow(s.box(word, at=(1.15, cells[row].y), kind="data"), cells[row])
for y, row, score, p, wanted in ((2.15, "0.5   0.5", "1.5", "0.82", "wanted: 1"),
                                 (0.75, "1   −1", "−1", "0.27", "wanted: 0")):
    product, bend = s.circle("u·v", at=(5.5, y), r=0.32), s.box("σ", at=(6.9, y),
                                                                kind="family")
    s.arrow(cells["1   2"].right, product)
    s.arrow(cells[row].right, product, dashed=wanted.endswith("0"))
    s.arrow(product, bend, score)
    s.arrow(bend, s.circle(p, at=(8, y), kind="data", r=0.32))
    s.text(wanted, (8.9, y), fontsize=12)
s.show("The row of gradient in table u is multiplied with the rows of descent and of font "
       "in table v; sigmoids make 0.82, wanted 1, and 0.27, wanted 0.")

# %% [markdown]
# The picture by hand, with two numbers a word and $k = 1$:
#
# - Yes, *descent*: $1 \cdot 0.5 + 2 \cdot 0.5 = 1.5$, $\sigma$ = 0.82, the price $-\log 0.82 = 0.20$, the error $0.82 - 1 = -0.18$.
# - No, *font*: $1 \cdot 1 - 2 \cdot 1 = -1$, $\sigma$ = 0.27, the price $-\log 0.73 = 0.31$, the error $0.27 - 0$.
#
# The gradient by $u$ is error times input, as ever: $-0.18\,(0.5, 0.5) + 0.27\,(1, -1) = (0.18, -0.36)$.
# A step of rate 1 against it makes $u = (0.82, 2.36)$: nearer to *descent* (product 1.59), farther from *font* (−1.54).
# The "input" of $u_w$ is $v_c$, and that of $v_c$ is $u_w$: both tables learn.
# Why two? A word seldom stands beside itself, but in one table its product with itself, a squared length, could only say yes.
#
# In code, first one pair, then $n$ at once. They share 128 random rows $Z$, each weighing 5/128: on average the same game, and one matrix product.
# `softplus(x)` is $\log(1 + e^x)$, which is $-\log \sigma(-x)$, without overflow.

# %%
def one_pair(u, v, negatives):
    """A yes and its noes -> the loss, and the gradient by u."""
    loss, slope = 0.0, 0 * u
    for row, answer in [(v, 1), *((n, 0) for n in negatives)]:  # the yes, then the noes
        p = 1 / (1 + np.exp(-u @ row))
        loss -= np.log(p if answer else 1 - p)
        slope = slope + (p - answer) * row  # error times input
    return loss, slope


def sgns(u, v, Z, k=5):
    """u, v: (n, d) words and their neighbours, Z: (K, d) -> loss, gradients by u, v, Z."""
    yes, no = (u * v).sum(1, keepdim=True), u @ Z.T  # scores: (n, 1) and (n, K)
    loss = F.softplus(-yes).sum() + k * F.softplus(no).mean(1).sum()
    error, errors = torch.sigmoid(yes) - 1, torch.sigmoid(no) * k / len(Z)
    return loss, (error * v + errors @ Z, error * u, errors.T @ u)


loss, slope = one_pair(np.array([1.0, 2.0]), np.array([0.5, 0.5]), [np.array([1.0, -1.0])])
print(f"gradient, descent and font: loss {loss:.2f}, gradient by u {slope.round(2)}")
leaves = [torch.randn(n, 8, dtype=torch.float64, requires_grad=True) for n in (5, 5, 3)]
loss, by_hand = sgns(*leaves)
loss.backward()
claim("the gradients by hand against PyTorch's: largest difference",
      max((g - p.grad).abs().max().item() for g, p in zip(by_hand, leaves, strict=True)),
      at_most=1e-12)

# %%
u, v = (torch.randn(n, DIM, requires_grad=True) for n in (4096, V))  # a batch; all words
true, start = torch.randint(V, (4096,)), time.process_time()
F.cross_entropy(u @ v.T, true).backward()       # a softmax over V scores for each pair
between = time.process_time()
sgns(u, v[true], v[true[:128]])[0].backward()   # the game
claim("a batch's softmax takes at least 10 times as long as its game (ratio of seconds)",
      (between - start) / (time.process_time() - between), at_least=10)

# %% [markdown]
# A pair has 129 scores instead of V, 41 times fewer, in one product.
#
# - **Subsampling** (빈도 줄이기) skips most of the *the*, which tell little. With $f$ a word's share of the text, the paper keeps a token with probability $\sqrt{t/f}$; its authors' program, gensim and we with $\sqrt{t/f} + t/f$, $t = 10^{-3}$.
# - **Noise** is drawn by count to the power 0.75, so rare words get their noes, too.
# - **Reach:** each token draws how far it looks, one to five places: near words count more.
#
# Then AdaGrad (lecture 02; `squares` holds its sums). A word that comes twice in a batch gets both: `index_add_(0, w, g)` adds row $i$ of `g` to row `w[i]`.
# The neighbours start at zero: all scores are 0, and a pair costs six coin tosses, $6 \log 2$ = 4.16 nats. (Words start at random: were both zero, nothing would move.)

# %%
share = count / count.sum()
keep = np.minimum(np.sqrt(1e-3 / share) + 1e-3 / share, 1)
print(*(f"of all “{word}” {100 * keep[index[word]]:.0f} % are kept"
        for word in ("the", "array", "gradient")), sep=", ")


def draw_pairs(rng, window=5):
    """One pass over the text: pairs (word, neighbour) in random order, (n, 2)."""
    kept = rng.random(len(ids)) < keep[ids]
    text, line = ids[kept], sentence[kept]
    reach, pairs = rng.integers(1, window + 1, len(text)), []
    for d in range(1, window + 1):
        same = line[d:] == line[:-d]
        for word, other in ((slice(d, None), slice(-d)), (slice(-d), slice(d, None))):
            near = same & (reach[word] >= d)  # both ways: text[d:] looks at text[:-d], …
            pairs.append(np.stack([text[word][near], text[other][near]], axis=1))
    return torch.from_numpy(rng.permutation(np.concatenate(pairs)))

# %%
def train_step(tables, squares, pairs, noise, lr=0.2):
    """One step of AdaGrad on a batch of pairs; returns the loss of a pair."""
    (u, v), (w, c) = tables, pairs.T  # two tables; (n,) words and (n,) neighbours
    loss, (u_grad, v_grad, Z_grad) = sgns(u[w], v[c], v[noise])
    by_u = torch.zeros_like(u).index_add_(0, w, u_grad)
    by_v = torch.zeros_like(v).index_add_(0, c, v_grad).index_add_(0, noise, Z_grad)
    for p, s, grad in zip(tables, squares, (by_u, by_v), strict=True):
        s += grad**2
        p -= lr * grad / (s.sqrt() + 1e-10)
    return loss.item() / len(pairs)


torch.manual_seed(SEED)
chance = torch.tensor(count**0.75)
u, v = (torch.rand(V, DIM) - 0.5) / DIM, torch.zeros(V, DIM)  # small and random; zero
squares, curve, start = [0 * u, 0 * v], [], time.process_time()
passes = run.steps(run.pick(lecture=1, full=5))
for _ in range(passes):
    for batch in draw_pairs(rng).split(4096):
        noise = torch.multinomial(chance, 128, replacement=True)  # 128 words by chance
        curve.append(train_step((u, v), squares, batch, noise))
pairs_rate = passes * times.total() / (time.process_time() - start)  # tokens a second

# %% [markdown]
# What has it learned? Levy and Goldberg (2014) proved: with enough numbers a word, the loss is smallest where
#
# $$u_w \cdot v_c = \text{PMI}(w, c) - \log k$$
#
# So predicting neighbours and counting them aim at the same table. With 64 numbers and one pass, how closely?
# On the right, each pair that met ten times or more stands at its counted PMI − log 5 and its learned product; darker: more pairs. Counted is section 1's table, every pair within five places, with no subsampling.
#
# <details><summary>The proof in three lines</summary>
#
# Take one pair $(w, c)$ and let $x = u_w \cdot v_c$ be free.
# It is a yes $n(w, c)$ times, its count; and a no $k\, n(w)\, q(c)$ times, with $n(w)$ the pairs of $w$ and $q$ the shares of the noise.
# A logistic regression on that alone ends at the odds of yes to no: $e^x = n(w,c) / (k\, n(w)\, q(c))$. Since $n(w,c)/n(w) = p(c \mid w) = p(w,c)/p(w)$, the logarithm is the PMI, with $q$ for $p(c)$, minus $\log k$.
# </details>

# %%
cells = counts.tocoo()
often = cells.data >= 10  # a logarithm of few counts is mostly luck
w, c = cells.row[often], cells.col[often]
chance_of = counts.sum(axis=1)[w] * (chance / chance.sum()).numpy()[c]
shifted_pmi = np.log(cells.data[often] / chance_of) - np.log(5)
dots = (u.numpy()[w] * v.numpy()[c]).sum(axis=1)
fig, (left, right) = plots.panels(
    "From a coin toss to an opinion, and nobody told it the PMI",
    ["the loss falls", "the products follow the PMI"], xlabel="", ylabel="", size=(10, 3.8))
left.plot(curve, color=plots.COLOR["train"], linewidth=1)
left.axhline(6 * np.log(2), color=plots.ORANGE, linewidth=1)
plots.name(left, len(curve), 6 * np.log(2), "six coin tosses", plots.ORANGE, dx=-110, dy=-9)
left.set(xlabel="batches of 4,096 pairs", ylabel="loss of a pair (nats)")
right.hexbin(shifted_pmi, dots, gridsize=45, bins="log", cmap="Blues", linewidths=0)
right.axline((0, 0), slope=1, color=plots.ORANGE, linewidth=1.5)
plots.name(right, 3.2, 3.2, "equal", plots.ORANGE, dx=-38, dy=14)
right.set(xlabel="counted: PMI − log 5 (nats)", ylabel="learned: u · v")
plots.show("Left, a loss that falls from six times log two. Right, a cloud of pairs that "
           "rises along the diagonal, flatter than it where PMI is large.")
claim("at the end a pair costs (nats; it began at 4.16)", np.mean(curve[-50:]), at_most=3)
claim("learned products and counted PMI: correlation over pairs",
      np.corrcoef(shifted_pmi, dots)[0, 1], at_least=0.65)
claim("kinds by these rows: right, per cent", judge(u.numpy())[0].mean(), at_least=84)

# %% [markdown]
# The correlation is near 0.7. The cloud is flatter than the line: one pass and 64 numbers do not reach a large PMI.
# The spike on the left: AdaGrad's first step moves every touched number by the whole rate, 0.2.

# %% [markdown]
# ## 4 · The library, and a word never seen
#
# On the map: `word2vec`
#
# **CBOW** (연속 단어 주머니; continuous bag of words) turns the arrow round: the *mean* of the neighbours' $u$ rows is multiplied with the middle word's row of $v$.
#
# `utils/scratch/word2vec.py` trains both by our loss, with a falling rate, and never makes pairs: it cuts the text into blocks of 16 tokens; one matrix product holds all scores of a block's words with the words around. Only cells near its diagonal are pairs, the rest is thrown away.
#
# **Ask the room.** Why can computing many scores for nothing be faster than computing the right ones only?
#
# <details><summary>One answer</summary>
#
# It reads each row once and uses it many times; pair by pair, each row is fetched again for each pair. Arithmetic is cheap, memory is slow.
# </details>
#
# Printed: four words, each with the five whose rows point most nearly its way, and the cosines.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Without gensim read its stored answers, then ask `skipgram.nearest`.
# For pieces, take a typing error, and an inflected word of Korean, Finnish or Turkish.

# %%
how = {"dim": DIM, "window": 10, "epochs": run.steps(run.pick(lecture=3, full=10))}
start = time.process_time()  # window: each token draws its reach, 1 to 10 (section 6)
skipgram = word2vec.train(corpus, seed=SEED, **how)
rate = how["epochs"] * corpus.tokens / (time.process_time() - start)
for word in ("gradient", "matrix", "normal", "python"):
    print(f"{word:9s}", *(f"{near} {cos:.2f} ·" for near, cos in skipgram.nearest(word, 5)))
claim("blocks read at least 2 times as many words a second as pairs (ratio)",
      rate / pairs_rate, at_least=2)

# %%
try:  # gensim, the library that people open for this, where it is installed
    from gensim.models import Word2Vec
except ImportError:
    print("no gensim here: its answers, stored, stand below")
else:  # sg=1: skip-gram (0: CBOW); negative: noes; sample: subsampling's t; alpha: the rate
    ask = Word2Vec(sentences, vector_size=64, sg=1, negative=5, min_count=10, epochs=3,
                   sample=1e-3, alpha=0.1, workers=1, seed=SEED).wv.most_similar
    print(ask("gradient", topn=4), ask(positive=["rows", "matrix"], negative=["row"]))

# %% [markdown]
# The usual library for this is gensim. Version 4.4.0 printed, rounded:
#
# ```
# [('hessian', 0.69), ('lagrangian', 0.66), ('cg', 0.63), ('conjugate', 0.63)]
# [('matrices', 0.66), ('batches', 0.58), …]
# ```
#
# - `wv` holds the table $u$ only. Each answer is a word and its *cosine*, comparable within one run only.
# - *Similar* means in the same company, as opposites are, too.
# - `positive` and `negative` add and subtract rows: nearest to *rows* − *row* + *matrix* is *matrices* (section 6 asks what that shows). The words you gave are left out.
# - *transitions*, which the text has twice, raises a `KeyError`: no row.
#
# Yet you can guess what *transitions* means: its pieces are known.
# **fastText** (패스트텍스트; Bojanowski and others, 2017) gives a row to each of a word's **subwords** (부분 단어), all runs of 3 to 6 letters, with `<` and `>` at its ends: *rows* has `<ro` `row` `ows` `ws>` `<row` … `<rows>`. A word is the sum of its known pieces (their mean points the same way).

# %% [markdown]
# fastText trains these rows by the game. Our short cut is a linear regression with a price on weights: which rows of pieces add up to skip-gram's rows?
# Then hide a quarter of the words and build them. Of all hidden rows, is the true one among the ten nearest to the built one?
# Two rivals learn nothing: the known word that shares most pieces, and that with the longest common beginning.
#
# <details><summary>The regression, with more pieces than words</summary>
#
# With $A$ the known words' pieces (1 where a word has a piece), $T$ their rows and $\lambda$ the price, lecture 06's weights are $(A^\top A + \lambda I)^{-1} A^\top T = A^\top (A A^\top + \lambda I)^{-1} T$, since $A^\top (A A^\top + \lambda I) = (A^\top A + \lambda I) A^\top$. Only a words-by-words table is solved.
# </details>
#
# Language models have *only* pieces. **Byte pair encoding** (바이트 쌍 부호화; Sennrich and others, 2016) starts from letters or bytes and merges the most frequent pair of neighbours, again and again: in *low lower lowest* first `l` `o` into `lo` (`o` `w` ties; the first is taken), then `lo` `w` into `low`. Rare words stay in several pieces.

# %%
def pieces(word):
    marked = f"<{word}>"
    return [marked[i:i + n] for n in (3, 4, 5, 6) for i in range(len(marked) - n + 1)]


def spell(some):
    """Words -> (words, pieces), sparse: how often each word has each known piece."""
    cells = [(i, number[p]) for i, word in enumerate(some) for p in pieces(word)
             if p in number]
    row, column = zip(*cells, strict=True)  # a list of pairs becomes a pair of lists
    return coo_array((np.ones(len(row)), (row, column)), (len(some), len(number))).tocsr()


hidden = np.random.default_rng(SEED).permutation(V) < V // 4  # (V,) a random quarter
known, unknown = ([words[i] for i in np.flatnonzero(part)] for part in (~hidden, hidden))
number = {p: i for i, p in enumerate(sorted({p for word in known for p in pieces(word)}))}
A, T = spell(known), skipgram.unit[~hidden]
# any price from 1 to 30 finds as many, to about a point
solution = np.linalg.solve((A @ A.T).toarray() + 10 * np.eye(len(known)), T)


def build(some):
    """Words -> (words, 64), each scaled to length one."""
    rows = (spell(some) @ A.T).toarray() @ solution
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

# %%
def found(guess):
    """Per cent of hidden words whose own row is among the ten nearest to its guess."""
    cosine = guess @ skipgram.unit[hidden].T
    own = np.diag(cosine)[:, None]  # of each guess with its own word, as a column
    return 100 * np.mean((cosine > own).sum(axis=1) < 10)


def twin(word):
    """The known word that shares the most letters at the start."""
    at = bisect(entries, word)  # where it would stand in the dictionary
    return max(entries[max(at - 1, 0):at + 1], key=lambda entry: sum(
        entry.startswith(word[:n]) for n in range(1, len(word) + 1)))


entries = sorted(known)
by_pieces = found(build(unknown))
by_beginning = found(skipgram.unit[[index[twin(word)] for word in unknown]])
by_most = found(T[(spell(unknown) @ A.T).toarray().argmax(axis=1)])  # most shared pieces
print(f"found of {len(unknown):,}: from pieces {by_pieces:.0f} %, by most shared pieces "
      f"{by_most:.0f} %,\nby the longest common beginning {by_beginning:.0f} %, "
      f"by a guess {1000 / len(unknown):.1f} %")
claim("hidden words: the regression finds more than most shared pieces, points",
      by_pieces - by_most, at_least=2)
claim("hidden words: pieces find more than the longest common beginning, points",
      by_pieces - by_beginning, at_least=5)
print("words without a row, and the known words nearest to their built one:")
for word in ("transitions", "activecolor", "convtranspose", "equivariance"):
    print(f"{word}, seen {times[word]} times:",
          *(known[i] for i in np.argsort(-(T @ build([word])[0]), kind="stable")[:4]))

# %% [markdown]
# ## 5 · GloVe: a regression on the logarithm of the counts
#
# On the map: `glove`
#
# **GloVe** (글로브; Pennington, Socher and Manning, 2014) counts first, then learns. Word $i$ has a row $w_i$ and a bias $b_i$, neighbour $j$ has $c_j$ and $d_j$; $X_{ij}$ is their count, where a pair $s$ places apart counts $1/s$:
#
# $$\sum_{X_{ij} > 0} f(X_{ij}) \, \big(w_i \cdot c_j + b_i + d_j - \log X_{ij}\big)^2, \qquad f(x) = \min\!\big(1, (x / x_{\max})^{3/4}\big)$$

# %% [markdown] tags=["notes"]
# **Notes for the room (8 minutes).**
#
# Let the room say what "never met" tells: gradient and font could have met, and did not.

# %% [markdown]
# Let $x_{\max}$ be 3. A pair counted 20 times has $\log 20 = 3.0$ and the weight 1: if product and biases add up to 2.8, it costs $0.2^2 = 0.04$. A pair counted once has the weight $(1/3)^{3/4} = 0.44$ and may miss more.
#
# The biases start where words ignore each other: $b_i + d_j$ is the logarithm of the count that chance expects. What is left for the rows is the PMI, once more.
# AdaGrad again; a pass takes all rows of the table, 63 at a time.
#
# **Predict first.** The sum skips all pairs that never met, nearly the whole table; to skip-gram and CBOW the noes tell of them.
# Of the learned tables, skip-gram, CBOW and GloVe: where will GloVe stand on the plurals?

# %%
PLACES = ("first", "second", "last")
predict("09.glove", *PLACES)

# %%
# a pair s places apart counts 1 / s; window and x_max = 3 were chosen as section 6 says
# (the authors take 100, for a text many times as long)
X = cooccurrence(corpus, window=8, harmonic=True)
torch.manual_seed(SEED)
total, (w, c) = X.sum(axis=1), (torch.rand(2, V, DIM) - 0.5) / DIM
b = torch.tensor(np.log(total) - np.log(total.sum()) / 2, dtype=torch.float32)
params = w, c, b, d = w, c, b, b.clone()
squares, missed, every = [torch.full_like(p, 1e-8) for p in params], [], slice(None)
for _ in runtime.track(range(run.steps(run.pick(lecture=8, full=30))), "passes"):
    missed.append(0)
    for rows in np.array_split(rng.permutation(V), 84):
        x = torch.from_numpy(X[rows].toarray()).float()           # (63, V)
        f = (x / 3).clamp(max=1) ** 0.75                          # 0 where x is 0
        miss = w[rows] @ c.T + b[rows, None] + d - x.clamp(min=1e-9).log()
        pull = f * miss                      # weight times error: half the slope by miss
        gradients = pull @ c, pull.T @ w[rows], pull.sum(1), pull.sum(0)
        missed[-1] += (pull * miss).sum().item()
        for p, q, at, grad in zip(params, squares, (rows, every, rows, every), gradients,
                                  strict=True):
            q[at] += grad**2
            p[at] -= 0.1 * grad / q[at].sqrt()
# it learns: the loss, summed over all pairs, falls pass by pass
claim("GloVe: the last pass's loss as a share of the first's", missed[-1] / missed[0],
      at_most=0.17)

# %% [markdown]
# ## 6 · Who wins, and what analogies really show
#
# On the map: `word2vec` · `glove`
#
# Each method may show its best side. The compressed table may be $U$, $U\sqrt S$ or $US$; skip-gram and CBOW the table $u$ or the sum of both tables; GloVe $w$ or, as its authors advise, the sum.
# The best is *chosen* on every second kind and plural pair, and *judged* on the others. The learned tables' windows and $x_{\max}$ were chosen on that half, too; their learning rates on both halves, in shorter training. While training only skip-gram's and CBOW's rates fall. PPMI keeps section 1's window and power; windows of 2 and 10, or power 1, do no better. The clock set the passes, for about equal seconds.

# %% [markdown] tags=["notes"]
# **Notes for the room (19 minutes).**
#
# The objection to expect: "the learned ones were not trained long enough". Right for skip-gram's plurals. GloVe's place is of this text: with a billion tokens more pairs have met, and published comparisons are closer.

# %%
cbow = word2vec.train(corpus, method="cbow", seed=SEED, **how)
tried = {  # what `judge` says of each version
    "counts": [scores["counts"]], "PPMI": [scores["PPMI"]],
    "PPMI + SVD": [judge(U * S**power) for power in (0, 0.5, 1)],
    "skip-gram": [judge(skipgram.table), judge(skipgram.table + skipgram.context)],
    "CBOW": [judge(cbow.table), judge(cbow.table + cbow.context)],
    "GloVe": [judge(w.numpy()), judge((w + c).numpy())],
}


def chooses(version):  # on every second kind and pair; [1::2] are the others
    return sum(part[::2].mean() for part in version)


judged = {name: [part[1::2] for part in max(versions, key=chooses)]
          for name, versions in tried.items()}
kind, plural = ({name: both[i].mean() for name, both in judged.items()} for i in (0, 1))

# %% [markdown]
# Below, grey is counted, blue is learned. Left, a tick is a kind. Right, all pairs lie on three ticks, 0, 50 and 100, found in no, one and both ways: look at the dot, the mean, and its bar, the 95 % interval (lecture 00).

# %%
fig, axes = plots.panels(
    "On kinds only counts trail; on plurals PPMI leads, GloVe is last of the learned",
    ["kinds (a guess: 50 %)", "plurals (a guess: 0.2 %)"],
    xlabel="right (%)", ylabel="", size=(10, 3.3), sharey=True)
for i, ax in enumerate(axes):
    plots.intervals(ax, {name: both[i] for name, both in judged.items()},
                    [plots.GREY] * 3 + [plots.BLUE] * 3)
plots.show("Six tables: PPMI and its SVD are first or level, GloVe last of the learned.")

# %%
ranks = sorted(("skip-gram", "CBOW", "GloVe"), key=lambda name: -plural[name])
outcome("09.glove", PLACES[ranks.index("GloVe")])
claim("kinds: the compressed counts are not behind skip-gram, points",
      kind["PPMI + SVD"] - kind["skip-gram"], at_least=0)
claim("plurals: the full PPMI table is ahead of skip-gram, points",
      plural["PPMI"] - plural["skip-gram"], at_least=7)
claim("plurals: GloVe is behind skip-gram, points", plural["skip-gram"] - plural["GloVe"],
      at_least=19)

# %% [markdown]
# On kinds only counts trail. On plurals the ends are clear: PPMI first, GloVe last of the learned; between them bars overlap. After three times the passes skip-gram leads the tables of 64 numbers, behind full PPMI; GloVe falls to 37 behind skip-gram (at the same rates).
# Levy, Goldberg and Dagan (2015) found counting and learning level in general English, with equal care.
#
# The famous trick is the **analogy** (유추). *Row* is to *rows* as *matrix* is to …: what is nearest to *rows* − *row* + *matrix*?
# Below are four families of six pairs; any two, in both orders: 6 · 5 = 30 analogies a family.
#
# **Predict first.** The three given words are usually left out of the answer. Let them in: what comes first?

# %%
FIRST = ("mostly the right word", "mostly one of the three", "mostly another word")
predict("09.analogy", *FIRST)


def answers(names, exclude):
    """For any two pairs of a family: what was given (a, b, c), what is right, what came."""
    pairs = zip(names[::2], names[1::2], strict=True)
    return [((a, b, c), right, skipgram.analogy(a, b, c, n=1, exclude=exclude)[0][0])
            for (a, b), (c, right) in permutations(pairs, 2)]



# %%
families = {name: pairs.split() for name, pairs in word_probe.ANALOGIES.items()}
cases = {(name, ruled): answers(names, exclude=ruled) for name, names in families.items()
         for ruled in (True, False)}
alone = {name: 100 * np.mean([next(near for near, _ in skipgram.nearest(c, 3)
                                   if near not in (a, b)) == right
                              for (a, b, c), right, _ in cases[name, True]])
         for name in families}  # no sum: the word nearest to c that is not a or b
solved = {key: 100 * np.mean([came == right for _, right, came in asked])
          for key, asked in cases.items()}
plots.bars("The rule “none of the three” does much of the work",
           {name + ("" if ruled else ", all words allowed"): value
            for (name, ruled), value in solved.items()},
           xlabel="right at the first word (%)", unit=" %",
           colors={f"{name}, all words allowed": plots.GREY for name in families})
plots.show("Bars: most opposites are solved with the rule, next to nothing without it.")
print("the word nearest to c, no sum:",
      *(f"{name} {value:.0f} % ·" for name, value in alone.items()))
first = skipgram.analogy("row", "rows", "matrix", exclude=False)
print("all words allowed, row : rows = matrix :", *(word for word, _ in first))
free = [case for (_, ruled), asked in cases.items() if not ruled for case in asked]
came_first = [sum(came == right for _, right, came in free),
              sum(came in given for given, _, came in free)]
outcome("09.analogy", FIRST[np.argmax([*came_first, len(free) - sum(came_first)])])
claim("with the rule, analogies solved, per cent",
      np.mean([solved[name, True] for name in families]), at_least=27)
claim("without it, analogies solved, per cent",
      np.mean([solved[name, False] for name in families]), at_most=8)
claim("opposites solved by the word nearest to c, with no sum, per cent",
      alone["opposite"], at_least=75)

# %% [markdown]
# The sum stays near the words it was made from. With the rule, ask a rival: the word nearest to the third, $c$, and no sum (Linzen, 2016). It equals the sum on opposites and plurals, wins on -ing, fails on past tenses. The sum carries less than its score says.
#
# A picture of words is as treacherous. Below are six kinds, a colour each. Left: lecture 08's PCA, the two widest directions. Right: t-SNE, which tries to keep neighbours. The axes have no meaning.
# In PCA, what is far apart is far apart in the 64 numbers, but what is near may not be. In t-SNE trust neighbours, not gaps or sizes of islands.

# %%
shown = {"colours": plots.RED, "sides": plots.PURPLE, "linear algebra": plots.BLUE,
         "types": plots.GREEN, "models": plots.ORANGE, "files": plots.INK}
kind_of = np.array([kind for kind in shown for _ in kinds[kind]])
unit = skipgram.unit[[index[word] for kind in shown for word in kinds[kind]]]
pca = PCA(2).fit(unit)
flat = {"PCA": pca.transform(unit),
        "t-SNE": TSNE(2, perplexity=8, init="pca", metric="cosine",
                      random_state=SEED).fit_transform(unit)}

# %%
fig, axes = plots.panels(f"PCA keeps {100 * pca.explained_variance_ratio_.sum():.0f} % of "
                         "the variance; t-SNE keeps neighbours", flat,
                         xlabel="", ylabel="", size=(10, 5))
for ax, places in zip(axes, flat.values(), strict=True):
    ax.set(xticks=[], yticks=[])
    ax.margins(0.14)
    for name, color in shown.items():
        mine = places[kind_of == name]
        ax.scatter(*mine.T, s=14, color=color, label=name)
        for i in (0, -1):  # the first and the last of a kind by name
            plots.name(ax, *mine[i], kinds[name][i], color, fontsize=10)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
plots.show("Two maps of some fifty words: "
           "kinds form loose groups in PCA and mostly islands in t-SNE.")

# %% [markdown]
# ## 7 · The slant of a corpus
#
# On the map: `word2vec`
#
# Vectors repeat a text's habits and gaps; training cannot tell fact from habit.
#
# In news text *doctor* leans to *he* and *nurse* to *she* (Bolukbasi and others, 2016; man : programmer = woman : homemaker needs section 6's rule: Nissim and others, 2020).
# The **slant** (치우침) of a word is its cosine to a direction, such as *she* minus *he*.
# Before you measure it, count: six words, and sentences with *he*.

# %% [markdown] tags=["notes"]
# **Notes for the room (8 minutes).**
#
# Ask what most of the *he* are before you scroll: names, and Hermite polynomials.
# In an ad log the direction may be age or income, and vectors learned from clicks know it whether or not you gave it to them. Removing one direction does not remove the slant: the neighbours still tell (Gonen and Goldberg, 2019).

# %%
people = ("he", "she", "man", "woman", "user", "array")
print("times in the text:", ", ".join(f"{word} {times[word]}" for word in people))
with_he = [" ".join(line)[:88] for line in sentences if "he" in line[:12]]
print("· " + "\n· ".join(with_he[:5]))

# %% [markdown]
# Two of these five *he* are a person, the others scraps of names and formulas. People are missing here, women most. Under ten times, *she* has not even a row.
#
# One divide can be checked: NumPy says *array* where PyTorch says *tensor*.
# Our direction is *tensor* minus *array*, the referee what training never saw: *where* in the text a word stands on average. Each dot is a word seen fifty times or more; grey lines part the five libraries. (A word used everywhere lands near 50 %, as scikit-learn's own do.)
# The **rank correlation** (순위 상관) sorts the words by slant and by place and correlates the two ranks: 1 is the same order, 0 no relation.

# %%
place = np.bincount(ids, weights=np.arange(len(ids)) / len(ids)) / count  # (V,) 0 to 1
common = np.flatnonzero(count >= 50)


def slant(one, other):
    """The cosine of each common word to the direction from one word to the other."""
    direction = skipgram.unit[index[other]] - skipgram.unit[index[one]]
    return skipgram.unit[common] @ direction / np.linalg.norm(direction)


def agreement(one, other):
    return abs(stats.spearmanr(slant(one, other), place[common])[0])


fig, ax = plots.figure("Which word you lean to tells who wrote you",
                       xlabel="slant: array ← → tensor (cosine)",
                       ylabel="mean place in the text (%)")
lean = dict(zip(common, slant("array", "tensor"), strict=True))
ax.scatter(list(lean.values()), 100 * place[common], s=5, color=plots.SKY)
for library, begin, end in (("NumPy", 0, 12), ("SciPy", 12, 46), ("scikit-learn", 46, 64),
                            ("Matplotlib", 64, 77), ("PyTorch", 77, 100)):
    ax.axhline(end, color=plots.GREY, linewidth=1)
    plots.name(ax, max(lean.values()), (begin + end) / 2, library, plots.GREY, dx=18)
for word in ("polynomial", "ndarray", "estimator", "figure", "tensors"):
    at = lean[index[word]], 100 * place[index[word]]
    ax.plot(*at, "o", color=plots.ORANGE, markersize=4)
    plots.name(ax, *at, word, plots.INK, dx=7, fontsize=11,
               bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1})
plots.show("A cloud from NumPy's words at the lower left to PyTorch's at the upper right.")
others = [agreement(*rng.choice(words[:500], 2, replace=False)) for _ in range(200)]
claim("slant and place: rank correlation", agreement("array", "tensor"), at_least=0.45)
claim("more than between two of the 500 commonest words (share of 200)",
      np.mean(np.array(others) < agreement("array", "tensor")), at_least=0.9)

# %% [markdown]
# ## What goes wrong in practice
#
# - **Dot products without scaling.** They mix how long a row is with where it points. Compare cosines.
# - **Rare words.** Their rows are mostly noise, and turn up as anybody's neighbour.
# - **Two runs compared by coordinates.** The axes are arbitrary; only angles within one run count.
# - **Order.** *Dog bites man* and *man bites dog* have the same windows. Lecture 12 reads in order.

# %% [markdown]
# ## Summary
#
# 1. Who stands near whom, set against chance (PPMI), already knows much of what a word means.
# 2. A softmax over all words is dear, so skip-gram plays yes and no: a logistic regression that learns both of its inputs. Its products follow PMI − log k.
# 3. A word never seen is the sum of its pieces. Spelling can mislead: *equivariance* (lecture 10) is no *variance*.
# 4. On a million tokens PPMI is not beaten on kinds, and full PPMI leads on plurals: try it first. Of the tables of 64 numbers skip-gram leads there when trained longer.
# 5. Analogies need their rule, pictures lose most of the space, and every vector repeats its corpus.
#
# ## Exercises and further reading
#
# `dlmap start 09`, then open `exercises/work/09_exercises.ipynb`: seven tasks, about 125 minutes.
#
# <details><summary>Papers</summary>
#
# - Harris (1954), *Distributional Structure*. Church, Hanks (1990), on PMI. Morin, Bengio (2005), on hierarchical softmax.
# - Mikolov and others (2013), *Distributed Representations of Words*. Pennington, Socher, Manning (2014), *GloVe*.
# - Levy, Goldberg (2014), *Neural Word Embedding as Implicit Matrix Factorization*. With Dagan (2015), *Improving Distributional Similarity*.
# - Linzen (2016), *Issues in Evaluating Semantic Spaces*. Nissim and others (2020), *Fair Is Better than Sensational*.
# - Bolukbasi and others (2016), *Man is to Computer Programmer…*. Gonen, Goldberg (2019), *Lipstick on a Pig*.
# - Sennrich, Haddow, Birch (2016), on byte pair encoding. Bojanowski and others (2017), on fastText.
# </details>
