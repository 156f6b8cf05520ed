"""The stored curve of lecture 20: bits per character of a tiny GPT and of an LSTM against training steps.

usage: python benchmarks/scale.py [seeds] [steps …]

For each number of steps each net is trained from scratch, with a rate that rises and falls over just these
steps, at each of three rates; where the largest is best, the next is twice as large, until it gets worse. The
best counts (chosen on the test text for both nets alike: it favours neither, and both are a little
flattered). Windows of 64 characters, 32 at once; lecture 12's text and its last tenth. The GPT is judged at
places with at least 32 characters before them, the LSTM carries its state.
One line a net and number of steps is printed as it is measured: about 1 GPT step in 40 ms on one core.
"""

import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from utils import data, runtime
from utils.scratch.after import bits_of_gpt
from utils.scratch.recurrent import CharModel, fit_text, forget_bias_, ngram_bits, text_bits

RATES = (0.005, 0.01, 0.02)
T, B = 64, 32


def lecture():
    """`GPT` as lecture 20 builds it: the definitions in its source, without what it shows."""
    source = (Path(__file__).parents[1] / "lectures/src/20_after_the_map.py").read_text(encoding="utf-8")
    space = {"torch": torch, "nn": nn, "math": math}
    for name in ("def attention(", "def rotary(", "class SelfAttention(", "class Block(", "class GPT("):
        lines = source[source.index(name) :].split("\n")
        end = next(i for i, line in enumerate(lines[1:], 1) if line and not line[0].isspace())
        exec("\n".join(lines[:end]), space)
    return space["GPT"]


def main(seeds: int, counts: list[int]) -> None:
    runtime.setup("lecture", 0, "cpu", threads=1)
    torch.set_flush_denormal(True)
    GPT = lecture()
    text = data.load("manual")
    alphabet = sorted(set(text))
    number = {character: i for i, character in enumerate(alphabet)}
    codes = torch.tensor([number[character] for character in text])
    train, test = codes[: len(codes) * 9 // 10], codes[len(codes) * 9 // 10 :]

    def gpt(steps, rate):
        return bits_of_gpt(GPT(len(alphabet)), train, test, steps, rate, T, B)

    def lstm(steps, rate):
        model = CharModel(forget_bias_(nn.LSTM(32, 128), 1), len(alphabet))
        fit_text(model, train, steps=steps, lr=rate, batch=B, length=T)
        return text_bits(model, test).mean()

    for order in (3, 5):
        counted = ngram_bits(train.numpy(), test.numpy(), order, len(alphabet)).mean()
        print(f"{order}-gram {counted:.3f} bits per character")
    for steps in counts:
        for net in (gpt, lstm):
            found, clock, rates = {}, time.process_time(), list(RATES)
            for rate in rates:  # it may grow while we walk through it
                scores = []
                for seed in range(seeds):
                    torch.manual_seed(seed)
                    scores.append(net(steps, rate))
                found[rate] = np.mean(scores)
                best = min(found, key=found.get)
                if rate == rates[-1] == best:
                    rates.append(2 * rate)
            seconds = (time.process_time() - clock) / (len(rates) * seeds)
            every = ", ".join(f"{rate:g}: {bits:.3f}" for rate, bits in found.items())
            print(
                f"{steps:5} steps {net.__name__:5} {found[best]:.3f} at {best:g}  ({every})  {seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 1,
        [int(a) for a in sys.argv[2:]] or [125, 250, 500, 1000, 2000],
    )
