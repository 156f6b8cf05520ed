"""Gate 6: the game is known whole, its symmetries hold, and the search finds what is there to find."""

import numpy as np
import pytest

from utils.scratch import tictactoe

GAME = tictactoe.Game()
EVEN = GAME.legal / np.maximum(GAME.legal.sum(1, keepdims=True), 1)


def zero(s):
    return np.zeros(len(s))


def test_the_positions_are_all_there_and_a_draw_is_the_result():
    assert len(GAME.boards) == 5478
    assert (GAME.going.sum(), (GAME.result == 0).sum(), (GAME.result == -1).sum()) == (4520, 16, 942)
    assert GAME.perfect[0] == 0
    assert GAME.best[0].all()


def test_a_child_is_the_board_after_the_move_seen_by_the_other():
    for s in np.random.default_rng(0).choice(np.flatnonzero(GAME.going), 200):
        for a in np.flatnonzero(GAME.legal[s]):
            board = GAME.boards[s].copy()
            board[a] = 1
            assert (GAME.boards[GAME.child[s, a]] == -board).all()


def test_turned_positions_have_the_same_value_and_turned_best_moves():
    for turn, square in zip(GAME.turned, tictactoe.TURNS, strict=True):
        assert sorted(turn) == list(range(len(turn)))
        assert (GAME.perfect[turn] == GAME.perfect).all()
        assert (GAME.best[turn] == GAME.best[:, square]).all()


def test_with_enough_simulations_the_search_plays_perfectly():
    some = np.random.default_rng(0).choice(np.flatnonzero(GAME.going), 60, replace=False)
    visits = tictactoe.search(GAME, some, EVEN.__getitem__, zero, 1500)
    assert (visits.sum(1) == 1500).all()
    assert (visits[~GAME.legal[some]] == 0).all()
    assert GAME.best[some, visits.argmax(1)].mean() >= 0.98


def test_self_play_gives_whole_games():
    s, visits, z = tictactoe.self_play(
        GAME, EVEN, np.zeros(len(EVEN)), games=8, simulations=10, rng=np.random.default_rng(0)
    )
    assert (GAME.going[s]).all()
    assert np.allclose(visits.sum(1), 1)
    assert (visits[~GAME.legal[s]] == 0).all()
    last = np.abs(GAME.boards[s]).sum(1) == np.abs(GAME.boards[s]).sum(1).max()
    assert set(z) <= {-1.0, 0.0, 1.0}
    assert (z[last] >= 0).all()  # whoever makes the last move of a game has not lost it


def test_a_perfect_player_spoils_nothing_and_a_bad_one_does():
    rng, starts = np.random.default_rng(0), np.concatenate([GAME.after(k) for k in range(4)])
    perfect = tictactoe.against_perfect(GAME, starts, lambda s: GAME.best[s].argmax(1), rng)
    assert (perfect == 0).all()
    worst = tictactoe.against_perfect(
        GAME, starts, lambda s: np.where(GAME.legal[s], -1.0 * GAME.best[s], -9).argmax(1), rng
    )
    assert worst.min() >= 0
    assert worst.mean() > 0.5


@pytest.mark.parametrize("moves", [0, 3])
def test_after(moves):
    assert (np.abs(GAME.boards[GAME.after(moves)]).sum(1) == moves).all()
