"""Gate 5: every node of the map is taught where it says, and backed by a claim or a task."""

import re

import pytest

from utils import checks, concept_map
from utils.authoring import batch, index, measure
from utils.authoring.gates import teaching
from utils.authoring.sources import notebook, pages
from utils.paths import LECTURES, ROOT, units

NODES = concept_map.load().nodes


@pytest.mark.parametrize("number", units())
def test_a_lecture_teaches_its_nodes(number):
    (page,) = [page for page in pages(ROOT, [number]) if page.path.parent == LECTURES]
    ids = {node.id for node in NODES.values() if node.lecture == number}
    tasks = {task.name: task.concepts for task in checks.tasks(number)}
    assert teaching(page.build(), ids, tasks) == []
    assert not {id for concepts in tasks.values() for id in concepts} - ids, (
        "a task names an id of another lecture"
    )


TABLE = measure.parsed((LECTURES / "CLAIMS.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("number", units())
def test_the_table_of_claims_has_each_claim_with_its_bound_held_on_every_seed(number):
    (page,) = [page for page in pages(ROOT, [number]) if page.path.parent == LECTURES]
    said = batch.facts(page.stored(), "claim")
    problems = measure.differences(TABLE.get(page.path.stem, measure.Lecture()), said)
    assert not problems, (
        f"run `dlmap claims {number} --seeds 5` and `dlmap claims {number} --seeds 2 --budget 3`; "
        "copy build/claims/claims.md to lectures/CLAIMS.md"
    )


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: page.name)
def test_links_to_other_files_lead_somewhere(page):
    text = "\n".join(cell.source for cell in page.build().cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\((?!https?:|#|attachment:)([^)#\s]+)", text):
        assert (page.path.parent / target).exists(), target
    for number in re.findall(r"dlmap (?:start|check) (\d\d)", text):
        assert number in units()


@pytest.mark.parametrize("page", ["README.md", "lectures/README.md"])
def test_a_page_lists_the_lectures_and_its_links_lead_somewhere(page):
    assert ROOT / page not in index.stale(ROOT)
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", (ROOT / page).read_text(encoding="utf-8")):
        assert ((ROOT / page).parent / target).exists(), target


def test_a_page_is_stale_when_a_header_changed_and_right_once_written(tmp_path):
    source = tmp_path / "lectures/src/01_name.py"
    source.parent.mkdir(parents=True)
    header = (ROOT / "lectures/src/01_regression.py").read_text(encoding="utf-8").partition("# %%\n")[0]
    source.write_text(header, encoding="utf-8")
    pages = [tmp_path / "README.md", tmp_path / "lectures/README.md"]
    for page in pages:
        page.write_text(f"before\n{index.BEGIN}\n{index.END}\nafter\n", encoding="utf-8")
    assert index.write(tmp_path) == pages and index.write(tmp_path) == []
    source.write_text(header.replace("Regression", "Progression"), encoding="utf-8")
    assert list(index.stale(tmp_path)) == pages
    pages[0].write_text("no marks", encoding="utf-8")
    with pytest.raises(index.UserError, match=r"README\.md lacks the marks"):
        index.stale(tmp_path)


GOOD = """# %% [markdown]
# # 01 · Name
# On the map: `mse` · `step`
# %% [markdown]
# ## 1 · One
# On the map: `mse`
# %%
claim("it holds", 1, at_least=0)
# %% [markdown]
# ## 2 · Two
# On the map: `step`
"""


@pytest.mark.parametrize(
    "old, new, ids, tasks, problem",
    [
        ("", "", {"mse", "step"}, {"01.a": ["step"]}, None),
        ("", "", {"mse", "step"}, {}, "`step` is backed by no claim and no task"),
        ("", "", {"mse", "step", "tanh"}, {"01.a": ["step", "tanh"]}, "`tanh` is not named in the header"),
        ("", "", {"mse"}, {}, "`step` is not a node of this lecture"),
        ("# On the map: `step`\n", "", {"mse", "step"}, {"01.a": ["step"]}, "no section teaches `step`"),
        (
            'claim("it holds", 1, at_least=0)',
            "1",
            {"mse", "step"},
            {"01.a": ["step"]},
            "`mse` is backed by no",
        ),
    ],
)
def test_the_gate_can_fail(old, new, ids, tasks, problem):
    problems = teaching(notebook(GOOD.replace(old, new) if old else GOOD), ids, tasks)
    assert problems == [] if problem is None else any(problem in found for found in problems)


def test_a_header_without_its_lines_is_an_error(tmp_path):
    source = tmp_path / "lectures/src/01_name.py"
    source.parent.mkdir(parents=True)
    source.write_text(GOOD)
    with pytest.raises(index.UserError, match=r"01_name.py: the header needs .*Question"):
        index.table(tmp_path)
