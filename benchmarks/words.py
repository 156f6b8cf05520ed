"""How fast and how good `utils/scratch/word2vec.py` is against gensim: skip-gram with negative sampling.

usage: python benchmarks/words.py [rounds] [gensim's python]

Both train on the course's docstrings with gensim's own settings: 100 numbers a word, window 5, 5 negatives,
5 epochs, frequent words skipped at 1e-3, words seen at least ten times, two workers. Only training is timed,
not the reading of the text. Both are then judged by the lecture's two probes: kinds of words, and plurals.
Goal: gensim's words a second, at an equal or better score.

gensim is no dependency of the course. Install it into an environment of its own, and name its python:

    python -m venv build/gensim && build/gensim/bin/pip install gensim==4.4.0
    python benchmarks/words.py 3 build/gensim/bin/python

Its rate of learning is gensim's default, 0.025, and beside it 0.1, which suits so short a text better. The
engines run in turn, so that a machine whose speed drifts slows all of them; the median ratio of the rounds
counts, once by the clock and once by the processor's seconds, which a busy machine disturbs less.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from utils import data
from utils.scratch import word2vec, word_probe

WORKERS = 2
RATES = (0.025, 0.1)

GENSIM = """
import json, sys, time
import numpy as np
from gensim.models import Word2Vec
text, out, workers, rate, seed = sys.argv[1:]
sentences = [line.split() for line in open(text, encoding="utf-8")]
model = Word2Vec(vector_size=100, window=5, negative=5, sg=1, min_count=10, sample=1e-3, epochs=5,
                 workers=int(workers), alpha=float(rate), seed=int(seed))
model.build_vocab(sentences)
clock, cpu = time.perf_counter(), time.process_time()
model.train(sentences, total_examples=model.corpus_count, epochs=5)
times = time.perf_counter() - clock, time.process_time() - cpu
np.save(out, model.wv.vectors)
print(json.dumps({"times": times, "words": model.wv.index_to_key}))
"""


def ours(corpus: word2vec.Corpus, seed: int):
    """Seconds by the clock and of the processor, words, table."""
    clock, cpu = time.perf_counter(), time.process_time()
    vectors = word2vec.train(
        corpus, dim=100, window=5, negatives=5, epochs=5, sample=1e-3, seed=seed, workers=WORKERS
    )
    return (time.perf_counter() - clock, time.process_time() - cpu), vectors.words, vectors.table


def gensims(python: str, text: str, rate: float, seed: int):
    """The same with gensim, in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        table, code = Path(folder) / "table.npy", Path(folder) / "train.py"
        source = Path(folder) / "text.txt"
        code.write_text(GENSIM, encoding="utf-8")
        source.write_text(text, encoding="utf-8")
        command = [python, code, source, table, WORKERS, rate, seed]
        ran = subprocess.run(list(map(str, command)), capture_output=True, encoding="utf-8")
        if ran.returncode:
            sys.exit(f"gensim did not run with {python}:\n{ran.stderr.strip()}\n\n{__doc__}")
        report = json.loads(ran.stdout)
        return tuple(report["times"]), report["words"], np.load(table)


def kinds(words: list[str], table: np.ndarray) -> float:
    return float(np.mean(list(word_probe.group_scores(words, table).values())))


def main(rounds: int = 3, python: str = "build/gensim/bin/python") -> None:
    text = data.load("docstrings")
    corpus = word2vec.read([line.split() for line in text.splitlines()], min_count=10)
    times = dict(zip(corpus.words, corpus.count.tolist(), strict=True))

    def plurals(words: list[str], table: np.ndarray) -> float:
        pairs = word_probe.plurals(words, [times[word] for word in words])
        return float(word_probe.hits(table, pairs).mean())

    read = 5 * corpus.tokens  # words, as gensim counts them: with those it leaves out
    engines = {"ours": lambda seed: ours(corpus, seed)}
    for rate in RATES:
        engines[f"gensim, rate {rate:g}"] = lambda seed, rate=rate: gensims(python, text, rate, seed)
    seconds = {name: [] for name in engines}
    scores = {name: [] for name in engines}
    for seed in range(1, rounds + 1):
        for name, engine in engines.items():
            taken, words, table = engine(seed)
            seconds[name].append(taken)
            scores[name].append((kinds(words, table), plurals(words, table)))
            clock, cpu = (read / s for s in taken)
            good = "   ".join(f"{score:.3f}" for score in scores[name][-1])
            print(f"{name:18s} {clock:9,.0f} words/s   {cpu:9,.0f} per CPU second   kinds, plurals {good}")
    print(f"\nmedians of {rounds} rounds, ours against gensim with {WORKERS} workers:")
    for name in list(engines)[1:]:
        pairs = list(zip(seconds[name], seconds["ours"], strict=True))
        clock, cpu = (median(theirs[i] / mine[i] for theirs, mine in pairs) for i in (0, 1))
        better = [median(a[i] for a in scores["ours"]) - median(b[i] for b in scores[name]) for i in (0, 1)]
        print(
            f"{name:18s} {clock:.2f} times its words a second, {cpu:.2f} times per CPU second; "
            f"score {better[0]:+.3f} on kinds, {better[1]:+.3f} on plurals"
        )


if __name__ == "__main__":
    main(*(int(a) if a.isdigit() else a for a in sys.argv[1:]))
