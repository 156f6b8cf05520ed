"""Tic-tac-toe with every position numbered, perfect play, and a tree search from many positions at once.

    game = tictactoe.Game()
    game.boards, game.child, game.result    # (5478, 9) stones, (5478, 9) where a move leads, (5478,)
    visits = tictactoe.search(game, roots, prior, value, simulations)

In `boards` +1 is whoever moves next, −1 the other, so results and values are in the mover's eyes.
Lecture 16 writes the search for one tree; here every root has its own, as in one row of the tables N and W.
The rule and the loop are D. Silver and others' (2017).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from utils import plots

LINES = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 4, 8], [2, 4, 6]])
TURNS = np.array(
    [np.rot90(np.arange(9).reshape(3, 3), k)[:, :: 1 - 2 * m].ravel() for k in range(4) for m in (0, 1)]
)  # (8, 9): the square has eight symmetries; a turned board is board[TURNS[k]]


class Game:
    """All positions that play can reach, the empty one first, each before those that follow it.

    `boards` (n, 9); `child` (n, 9), −1 where no move is; `result` (n,), −1 lost, 0 drawn, nan: goes on;
    `going`, `legal`; `perfect` (n,), the result of best play; `best` (n, 9), which moves keep it;
    `even` (n, 9), legal moves equally likely; `planes` (n, 18), the mover's stones, then the other's;
    `turned` (8, n), the number of the position under each of TURNS.
    """

    def __init__(self):
        boards, number, child, result = [(0,) * 9], {(0,) * 9: 0}, [], []
        for board in boards:  # grows while we walk
            lost = (np.array(board)[LINES].sum(1) == -3).any()
            result.append(-1.0 if lost else np.nan if 0 in board else 0.0)
            row = [-1] * 9
            for a in np.flatnonzero(np.array(board) == 0) if np.isnan(result[-1]) else []:
                after = tuple(-1 if k == a else -stone for k, stone in enumerate(board))
                if after not in number:
                    number[after] = len(boards)
                    boards.append(after)
                row[a] = number[after]
            child.append(row)
        self.boards, self.child, self.result = np.array(boards), np.array(child), np.array(result)
        self.going, self.legal, self.number = np.isnan(self.result), self.child >= 0, number
        self.perfect = np.nan_to_num(self.result)
        for s in reversed(np.flatnonzero(self.going)):
            self.perfect[s] = -self.perfect[self.child[s, self.legal[s]]].min()
        self.best = self.legal & (-self.perfect[self.child] == self.perfect[:, None])
        self.even = self.legal / np.maximum(self.legal.sum(1, keepdims=True), 1)
        self.planes = np.hstack([self.boards == 1, self.boards == -1]).astype(np.float32)
        code = 3 ** np.arange(9)
        place = np.empty(3**9, int)
        place[(self.boards + 1) @ code] = np.arange(len(boards))
        self.turned = np.stack([place[(self.boards[:, turn] + 1) @ code] for turn in TURNS])

    def after(self, moves: int) -> np.ndarray:
        """The positions with that many stones in which the game goes on."""
        return np.flatnonzero(self.going & (np.abs(self.boards).sum(1) == moves))

    def rollout(self, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        """value(s): the result of one random game from each position, in the eyes of whoever moves there."""

        def value(s):
            s, sign = s.copy(), np.ones(len(s))
            while (on := self.going[s]).any():
                a = np.where(self.legal[s], rng.random((len(s), 9)), -1).argmax(1)
                s, sign = np.where(on, self.child[s, a], s), np.where(on, -sign, sign)
            return sign * self.result[s]

        return value


def puct(n: np.ndarray, w: np.ndarray, prior: np.ndarray, legal: np.ndarray, c: float = 1.5) -> np.ndarray:
    """The move to look at next, along the last axis: visits, sums of values, prior, legal moves."""
    score = w / np.maximum(n, 1) + c * prior * np.sqrt(1 + n.sum(-1, keepdims=True)) / (1 + n)
    return np.where(legal, score, -np.inf).argmax(-1)


def search(game: Game, roots: np.ndarray, prior: Callable, value: Callable, simulations: int) -> np.ndarray:
    """MCTS from many positions side by side: roots (B,) -> visits of each move (B, 9).

    prior(s): (n,) -> (n, 9) and value(s): (n,) -> (n,), in the eyes of whoever moves in s.
    """
    B, each = len(roots), np.arange(len(roots))
    place, kid = np.zeros((B, simulations + 1), int), np.full((B, simulations + 1, 9), -1)
    N, W, P = np.zeros((3, B, simulations + 1, 9))  # node 0 is the root, each simulation adds one
    place[:, 0], P[:, 0] = roots, prior(roots)
    for new in range(1, simulations + 1):
        node, walking, path = np.zeros(B, int), np.ones(B, bool), []
        while walking.any():  # down
            s = place[each, node]
            a = puct(N[each, node], W[each, node], P[each, node], game.legal[s])
            path.append((walking.copy(), node, a))
            opened = walking & (kid[each, node, a] < 0)
            kid[each[opened], node[opened], a[opened]] = new
            place[opened, new] = game.child[s, a][opened]
            node = np.where(walking, kid[each, node, a], node)
            walking &= ~opened & game.going[place[each, node]]
        s = place[each, node]
        on = game.going[s]
        P[each, node], v = prior(s), game.result[s].copy()  # the rules, or what the net says
        v[on] = value(s[on])
        for on, node, a in reversed(path):  # and back up
            v = np.where(on, -v, v)
            N[each[on], node[on], a[on]] += 1
            W[each[on], node[on], a[on]] += v[on]
    return N[:, 0]


def self_play(game: Game, prior: np.ndarray, value: np.ndarray, games: int, simulations: int, rng) -> list:
    """Games of a player against itself, all at once; its prior (n, 9) and value (n,) are tables.

    Moves are drawn from the search's visits, with noise on the root's prior. Returns: positions (m,), the
    visits as shares (m, 9), and the game's result in the eyes of whoever moved (m,).
    """
    s, moves = np.zeros(games, int), []
    while (on := np.flatnonzero(game.going[s])).size:
        noise = rng.gamma(1.0, size=(len(on), 9)) * game.legal[s[on]]
        noisy = prior.copy()
        noisy[s[on]] = 0.75 * prior[s[on]] + 0.25 * noise / noise.sum(1, keepdims=True)
        visits = search(game, s[on], noisy.__getitem__, value.__getitem__, simulations) / simulations
        moves.append((on, s[on], visits))
        a = (visits.cumsum(1) > rng.random((len(on), 1)) * (1 - 1e-9)).argmax(1)
        s[on] = game.child[s[on], a]
    length = np.bincount(np.concatenate([on for on, _, _ in moves]))
    z = [game.result[s[on]] * (-1.0) ** (length[on] - t) for t, (on, _, _) in enumerate(moves)]
    return [np.concatenate(part) for part in ([m[1] for m in moves], [m[2] for m in moves], z)]


def against_perfect(game: Game, starts: np.ndarray, play: Callable, rng: np.random.Generator) -> np.ndarray:
    """Games against a random best move each: `play(s)` -> moves, first to move from each of `starts`.

    Returns: by how much each game ended below what the start was worth, (len(starts),).
    """
    s, ours = starts.copy(), True
    while (on := np.flatnonzero(game.going[s])).size:
        here = s[on]
        a = play(here) if ours else (game.best[here] * rng.random((len(here), 9))).argmax(1)
        s[on], ours = game.child[here, a], not ours
    # whoever moves in s after an even number of moves is the player
    even = (np.abs(game.boards[s]).sum(1) - np.abs(game.boards[starts]).sum(1)) % 2 == 0
    return game.perfect[starts] - np.where(even, game.result[s], -game.result[s])


def searching(game: Game, prior: Callable, value: Callable, simulations: int) -> Callable:
    """play(s): the move that a search visits most."""
    return lambda s: search(game, s, prior, value, simulations).argmax(1)


def spoiled(game: Game, starts: np.ndarray, play: Callable, rng: np.random.Generator) -> float:
    """Games against a perfect player that end worse than their start was worth, in per cent."""
    return 100 * (against_perfect(game, starts, play, rng) > 0).mean()


def draw_simulations(s, board: Sequence[int], chances: Sequence[float], pictures: Sequence) -> None:
    """Three panels on a Sketch: the root above its three moves, each with its visits N and sum of values W.

    `pictures`: for each simulation (N (3,), W (3,)) after it; the move that it took is in colour.
    """
    before = np.zeros(3)
    for number, (N, W) in enumerate(pictures):
        x = 1.75 + 3.55 * number
        stones = "\n".join(" ".join("○·×"[stone + 1] for stone in row) for row in np.reshape(board, (3, 3)))
        top = s.box(stones, at=(x, 2.25), kind="data", fontsize=12, family="monospace")
        s.text(f"simulation {number + 1}", (x - 1.6, 2.8), ha="left", fontweight="bold")
        for k in range(3):
            new = N[k] > before[k]
            words = f"move {k + 1}\nN {N[k]:.0f}\nW {W[k]:.1f}".replace("-", "−")
            kind = "family" if new else "concept" if N[k] > 0 else "off"
            leaf = s.box(words, at=(x + 1.1 * (k - 1), 0.65), fontsize=12, kind=kind)
            color = plots.ORANGE if new else plots.GREY
            s.arrow(top, leaf, f"{chances[k]}", color=color, left=k > 0)
        before = N


def draw_pipelines(s) -> None:
    """AlphaGo's four steps of 2016, and the loop of 2017 below, on a Sketch."""
    steps = [
        s.box(words, at=(x, 2.45), kind=kind, fontsize=12)
        for words, x, kind in (
            ("human\ngames", 0.75, "data"),
            ("policy net\nimitates", 2.55, "concept"),
            ("policy net\nREINFORCE,\nself-play", 4.7, "concept"),
            ("value net\nwho wins?", 6.85, "concept"),
            ("search: prior from\nthe imitator, value\nhalf net, half rollout", 9.25, "family"),
        )
    ]
    loop = [
        s.box(words, at=(x, 1.0), kind=kind, fontsize=12)
        for words, x, kind in (
            ("one net:\npolicy and value", 2.55, "concept"),
            ("search", 5.3, "family"),
            ("self-play games:\nvisits, results", 8.4, "data"),
        )
    ]
    for a, b in (*pairwise(steps), *pairwise(loop)):
        s.arrow(a, b)
    s.arrow((8.0, 0.62), (2.95, 0.62), "learns", bend=0.08, color=plots.ORANGE)
