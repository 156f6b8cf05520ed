"""Gate 5: every node of the map is taught where it says, and backed by a claim or a task."""

import re

import pytest

from utils import checks, concept_map
from utils.authoring import index
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


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: page.name)
def test_links_to_other_files_lead_somewhere(page):
    text = "\n".join(cell.source for cell in page.build().cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\((?!https?:|#|attachment:)([^)#\s]+)", text):
        assert (page.path.parent / target).exists(), target
    for number in re.findall(r"dlmap (?:start|check) (\d\d)", text):
        assert number in units()


def test_the_readme_lists_the_lectures_and_its_links_lead_somewhere():
    text = (ROOT / "README.md").read_text()
    assert index.readme(ROOT) == text
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
        assert (ROOT / target).exists(), target


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
