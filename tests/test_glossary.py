"""The glossary: every term in bold is in it, with its Korean, and used first where it is defined or after."""

import pytest

from utils import concept_map, glossary
from utils.authoring.sources import notebook
from utils.errors import UserError
from utils.paths import units

NODES = concept_map.load().nodes
PLACES = {"01": {0, 1, 2}, "04": {0, 1, 2}}
ENTRY = "- {term: weight, ko: 가중치, means: A number that training sets., lecture: '01', section: 1}\n"


@pytest.mark.parametrize("number", units())
def test_the_glossary_has_the_terms_of_a_lecture(number):
    assert glossary.missing([number])[number] == []


@pytest.mark.parametrize("id", NODES)
def test_the_glossary_has_the_concepts_of_the_map_under_their_korean_names(id):
    (term,) = [term for term in glossary.load().values() if term.node == id]
    assert term.ko in NODES[id].name["ko"]


def test_a_term_is_found_in_its_plural_and_an_unknown_one_is_told():
    assert glossary.find("Weights").term == "weight" and glossary.find("loss").term == "loss"
    with pytest.raises(UserError, match=r"unknown term 'wieght'; choose one of: .*weight"):
        glossary.find("wieght")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            ENTRY + ENTRY.replace("weight", "Weights"),
            "'Weights' is defined twice; first in lecture 01",
        ),
        (ENTRY.replace("'01'", "'21'"), "unknown lecture of data/glossary.yaml, 'weight' '21'"),
        (
            ENTRY.replace("section: 1", "section: 9"),
            "unknown section of .* 9; choose one of: 0, 1, 2",
        ),
        (ENTRY.replace(" ko: 가중치,", ""), "'weight': `ko` is None, expected a str"),
        (ENTRY.replace("가중치", "''"), "'weight': `ko` is '', expected a str"),
        (ENTRY.replace("'01'", "1"), "'weight': `lecture` is 1, expected a str"),
        (ENTRY.replace("ko:", "kr: 가중치, ko:"), "unknown field of .*'weight' 'kr'"),
        (ENTRY.replace("section: 1", "section: 1, node: wieght"), "unknown node of .*'weight' 'wieght'"),
        (ENTRY.replace("sets.", "sets"), "one sentence"),
        (ENTRY.replace("sets.", "sets. It is one."), "one sentence"),
        ("weight: a number", "is not a list of entries"),
        ("- {term: [", "is not YAML"),
    ],
)
def test_the_glossary_refuses(text, message):
    with pytest.raises(UserError, match=message) as caught:
        glossary.parse(text, PLACES)
    assert "\n" not in str(caught.value)


LECTURE = """# %% [markdown]
# # 04 · Name
# **Question.** Why? **Needs** 01 · **Minutes** 90
# %% [markdown]
# ## 1 · One
# **Weights** (가중치) and a **unit** (유닛), and $2**3**4$. **Predict first.** It is **so**:
# %% [markdown] tags=["notes"]
# **Notes for the room (9 minutes).**
# Say **gradient** twice.
# %% [markdown] tags=["navigation"]
# **lecture** · exercises
# %%
x = "**not prose**"
# %% [markdown]
# ## 2 · Two
# The **unit** again, **the library's way**, and `a ** b ** c`.
"""
UNIT = """
- {term: unit, ko: 유닛, means: One neuron., lecture: "04", section: 1}
- {term: so, ko: 그래서, means: For this reason., lecture: "01", section: 0}
"""


@pytest.mark.parametrize(
    ("old", "new", "before", "problem"),
    [
        ("", "", {"01"}, None),
        ("", "", set(), "section 1, **Weights**: defined in lecture 01, not on the path here (none)"),
        ("**unit** again", "**unity** again", {"01"}, "section 2, **unity**: not in data/glossary.yaml"),
        ("(유닛)", "(단위)", {"01"}, "section 1, **unit**: its Korean is (단위) here and 유닛 in"),
        ("a **unit** (유닛)", "a unit", {"01"}, "defines 'unit', which is bold in section 2 first"),
        ("**unit**", "unit", {"01"}, "defines 'unit', which is never bold"),
    ],
)
def test_the_gate_can_fail(old, new, before, problem):
    nb = notebook(LECTURE.replace(old, new) if old else LECTURE)
    problems = glossary.gaps(nb, "04", glossary.parse(ENTRY + UNIT, PLACES), before)
    assert problems == [] if problem is None else any(problem in found for found in problems)


def test_what_comes_before_a_lecture_is_what_it_needs_and_what_that_needs():
    assert glossary.before("04") == {"00", "01", "02", "03"}
