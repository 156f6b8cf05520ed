"""Gate 6: the click models of lecture 08: a sum over pairs of columns, gradients, and loud errors."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from utils import data
from utils.scratch.factorization import FactorizationMachine, WideAndDeep, fit_clicks, pairs

SIZES = {"user": 5, "ad": 3, "hour": 4}
CROSSES = [("user", "ad"), ("ad", "hour", "user")]


def random_model(kind=FactorizationMachine, seed=0, **options):
    """A model in double precision whose every number is random, so that nothing hides behind a zero."""
    torch.manual_seed(seed)
    model = kind(SIZES, **{"k": 4, "crosses": CROSSES, **options}).double()
    with torch.no_grad():
        for p in model.parameters():
            p.normal_()
    return model


def random_ids(n=20, seed=0):
    rng = np.random.default_rng(seed)
    return torch.tensor(np.stack([rng.integers(0, size, n) for size in SIZES.values()], axis=1))


def by_loops(model, x):
    """The definition, a row, a column and a pair at a time."""
    columns = list(model.sizes)
    logits = []
    for row in x.tolist():
        value = dict(zip(columns, row, strict=True))
        z = model.bias.item() + sum(model.effects(name)[value[name]] for name in columns)
        for one, two in combinations(columns, 2):
            z += model.table(one)[value[one]] @ model.table(two)[value[two]]
        for cross, table in zip(model.crosses, model.cells, strict=True):
            shape = [model.sizes[name] for name in cross]
            cell = np.ravel_multi_index([value[name] for name in cross], shape)
            z += table.weight[cell, 0].item()
        logits.append(z)
    return np.array(logits)


def test_is_the_double_loop_over_pairs():
    model, x = random_model(), random_ids()
    assert np.allclose(model(x).detach(), by_loops(model, x), rtol=1e-12, atol=1e-12)


@given(n=st.integers(0, 6), columns=st.integers(1, 6), k=st.integers(0, 5), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_pairs_of_any_shape(n, columns, k, seed):
    v = np.random.default_rng(seed).normal(size=(n, columns, k))
    loop = [sum(row[i] @ row[j] for i, j in combinations(range(columns), 2)) for row in v]
    assert np.allclose(pairs(torch.tensor(v)), loop, atol=1e-12)


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    k=st.integers(0, 3),
    n=st.integers(0, 5),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=30)
def test_any_sizes(sizes, k, n, seed):
    torch.manual_seed(seed)
    model = FactorizationMachine({f"c{i}": size for i, size in enumerate(sizes)}, k).double()
    rng = np.random.default_rng(seed)
    x = torch.tensor(np.stack([rng.integers(0, size, n) for size in sizes], axis=1))
    assert np.allclose(model(x).detach(), by_loops(model, x), atol=1e-12)
    assert all(model.table(name).shape == (size, k) for name, size in model.sizes.items())


@pytest.mark.parametrize("options", [{}, {"pairs": True}], ids=["wide & deep", "with pairs"])
def test_deep_part_reads_the_vectors_end_to_end(options):
    model, x = random_model(WideAndDeep, hidden=(6,), **options), random_ids()
    wide = FactorizationMachine(SIZES, 0 if not options else 4, crosses=CROSSES).double()
    with torch.no_grad():
        if options:
            wide.vectors.weight.copy_(model.vectors.weight)
        wide.bias.copy_(model.bias)
        wide.weights.weight.copy_(model.weights.weight)
        for mine, other in zip(wide.cells, model.cells, strict=True):
            mine.weight.copy_(other.weight)
    first, _, last = model.deep
    columns = list(SIZES)
    for row, value in enumerate(x.tolist()):
        end_to_end = np.concatenate([model.table(c)[i] for c, i in zip(columns, value, strict=True)])
        hidden = np.maximum(first.weight.detach().numpy() @ end_to_end + first.bias.detach().numpy(), 0)
        deep = last.weight.detach().numpy()[0] @ hidden + last.bias.item()
        assert np.isclose(model(x)[row].item(), wide(x)[row].item() + deep, atol=1e-12)


@pytest.mark.parametrize(
    "kind, options", [(FactorizationMachine, {}), (WideAndDeep, {"pairs": True, "hidden": (4,)})]
)
def test_gradients_are_finite_differences(kind, options):
    model, x = random_model(kind, **options), random_ids(3)
    names = [name for name, _ in model.named_parameters()]
    start = [p.detach().clone().requires_grad_() for p in model.parameters()]

    def logits(*values):
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(logits, start)


def test_a_value_that_is_not_there_gets_no_gradient():
    model = random_model()
    model(torch.tensor([[1, 2, 3], [1, 0, 3]])).sum().backward()
    moved = model.vectors.weight.grad.abs().sum(1) > 0
    assert moved.nonzero()[:, 0].tolist() == [1, 5, 7, 11]  # user 1, ads 0 and 2, hour 3


def test_without_vectors_it_is_scikit_learns_logistic_regression():
    ads = data.load("ads", rows=2000, seed=0)
    columns = ["position", "device", "category"]
    torch.manual_seed(0)
    model = FactorizationMachine({name: ads.sizes[name] for name in columns}, 0)
    fit_clicks(model, ads.features, ads.click, epochs=400, lr=0.02)
    library = LogisticRegression(C=1e6, max_iter=1000).fit(ads.one_hot(columns), ads.click)
    theirs = library.predict_proba(ads.one_hot(columns))[:, 1]
    assert np.abs(model.probability(ads.features) - theirs).max() < 2e-3


def test_finds_products_that_no_sum_of_weights_has():
    rng = np.random.default_rng(0)
    u, a = rng.normal(size=(30, 2)), rng.normal(size=(20, 2))
    user, ad = rng.integers(0, 30, 20_000), rng.integers(0, 20, 20_000)
    true = 2 * u @ a.T
    click = (rng.random(20_000) < expit(true[user, ad])).astype(int)
    features, score = {"user": user, "ad": ad}, {}
    for k in (0, 4):
        torch.manual_seed(0)
        model = FactorizationMachine({"user": 30, "ad": 20}, k, base_rate=0.5)
        history = fit_clicks(model, features, click, epochs=20, batch_size=500, l2=1e-3)
        assert len(history.loss) == len(history.seconds) == 20
        logit = model.table("user") @ model.table("ad").T + model.effects("user")[:, None]
        score[k] = np.corrcoef((logit + model.effects("ad")).ravel(), true.ravel())[0, 1]
    assert score[0] < 0.5 < 0.9 < score[4]


def test_fit_is_the_same_each_time():
    ads = data.load("ads", rows=3000, seed=0)
    tables = []
    for _ in range(2):
        torch.manual_seed(3)
        model = WideAndDeep({"user": 400, "ad": 50}, 3, hidden=(5,))
        fit_clicks(model, ads.features, ads.click, epochs=3, batch_size=500)
        tables.append(model.table("user"))
    assert np.array_equal(*tables)


def test_untrained_it_predicts_the_base_rate():
    model = FactorizationMachine(SIZES, 0, base_rate=0.07)
    features = {name: np.zeros(3, dtype=np.int32) for name in SIZES} | {"unknown": np.ones(3)}
    assert np.allclose(model.probability(features), 0.07)
    assert model.probability(features).dtype == np.float64


@pytest.mark.parametrize(
    "kind, options, spread",
    [(FactorizationMachine, {}, 0.1), (FactorizationMachine, {"spread": 2.0}, 2.0), (WideAndDeep, {}, 0.3)],
)
def test_vectors_start_with_their_spread(kind, options, spread):
    torch.manual_seed(0)
    assert np.isclose(kind({"user": 5000}, 4, **options).table("user").std(), spread, rtol=0.03)


def test_probability_in_batches_is_the_same():
    model, x = random_model(), random_ids(25).numpy()
    features = dict(zip(SIZES, x.T, strict=True))
    whole, parts = (model.probability(features, batch_size=size) for size in (50_000, 7))
    assert np.allclose(whole, parts, rtol=1e-12)


def test_tables_are_copies():
    model = random_model()
    model.table("ad")[:] = 0
    model.effects("ad")[:] = 0
    assert model.table("ad").all() and model.effects("ad").all()


@pytest.mark.parametrize("kind", [FactorizationMachine, WideAndDeep])
@pytest.mark.parametrize(
    "x, message",
    [
        ([[0, 3, 0]], r"row 0 has ad 3; its ids run from 0 to 2"),
        ([[0, 0, 0], [-1, 0, 0]], r"row 1 has user -1"),
        ([[0, 0]], r"shape \(1, 2\); expected \(n, 3\)"),
        ([0, 0, 0], r"shape \(3,\)"),
        ([[0.0, 0.0, float("nan")]], r"dtype torch.float32"),
        ([[True, False, True]], r"dtype torch.bool"),
    ],
)
def test_bad_ids_are_named(kind, x, message):
    with pytest.raises(ValueError, match=message):
        kind(SIZES)(torch.tensor(x))


@pytest.mark.parametrize(
    "kind, sizes, options, message",
    [
        (FactorizationMachine, {}, {}, "no columns"),
        (FactorizationMachine, {"user": 0}, {}, "size of 'user' is 0"),
        (FactorizationMachine, {"user": 2.0}, {}, "size of 'user'"),
        (FactorizationMachine, SIZES, {"k": -1}, "k is -1"),
        (FactorizationMachine, SIZES, {"k": True}, "k is True"),
        (FactorizationMachine, SIZES, {"crosses": [("user", "day")]}, "cross"),
        (FactorizationMachine, SIZES, {"crosses": [("user",)]}, "cross"),
        (FactorizationMachine, SIZES, {"crosses": ["user"]}, "cross"),
        (FactorizationMachine, SIZES, {"base_rate": 1}, "base_rate"),
        (FactorizationMachine, SIZES, {"spread": 0}, "spread is 0"),
        (WideAndDeep, SIZES, {"spread": float("nan")}, "spread is nan"),
        (WideAndDeep, SIZES, {"k": 0}, "k is 0"),
        (WideAndDeep, SIZES, {"hidden": (8, 0)}, "width in hidden"),
    ],
)
def test_bad_options_are_named(kind, sizes, options, message):
    with pytest.raises(ValueError, match=message):
        kind(sizes, **options)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"ad": None}, "'ad' is missing"),
        ({"ad": np.zeros(3, int)}, "shapes"),
        ({"ad": np.full(4, 9)}, "has ad 9"),
    ],
)
def test_bad_features_are_named(change, message):
    features = {name: np.zeros(4, dtype=int) for name in SIZES} | change
    features = {name: column for name, column in features.items() if column is not None}
    for use in (
        FactorizationMachine(SIZES).probability,
        lambda f: fit_clicks(random_model(), f, np.zeros(4)),
    ):
        with pytest.raises(ValueError, match=message):
            use(features)


@pytest.mark.parametrize(
    "click, options, message",
    [
        (np.zeros(3), {}, "4 rows of features but 3 clicks"),
        (np.array([0, 1, 2, 0]), {}, "other than 0 and 1"),
        (np.array([0, 1, np.nan, 0]), {}, "other than 0 and 1"),
        (np.zeros(4), {"epochs": 2}, "epochs is 2"),
        (np.zeros(4), {"lr": 1e30, "l2": 1e30}, "loss is"),
    ],
)
def test_bad_training_is_named(click, options, message):
    features = {name: np.zeros(4, dtype=int) for name in SIZES}
    with pytest.raises(ValueError, match=message):
        fit_clicks(FactorizationMachine(SIZES), features, click, **options)


@pytest.mark.parametrize("column", ["day", "", 0])
def test_unknown_column_is_named(column):
    model = FactorizationMachine(SIZES)
    for part in (model.table, model.effects):
        with pytest.raises(ValueError, match="no column"):
            part(column)
