"""The examples on the pages of prose: what they show is what they print."""

import doctest
import re
from pathlib import Path

import pytest

from grpo_lite import GRPOConfig

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = re.compile(r"^```pycon\n(.*?)^```", re.M | re.S)


@pytest.mark.parametrize("name", ["questions", "mistakes"])
def test_every_example_prints_what_the_page_shows(name):
    text = (DOCS / f"{name}.md").read_text()
    blocks = EXAMPLES.findall(text)
    assert len(blocks) >= 12
    assert text.count("```") == 2 * len(blocks)
    examples = doctest.DocTestParser().get_doctest("\n\n".join(blocks), {}, name, f"{name}.md", 0)
    failures: list[str] = []
    doctest.DocTestRunner(verbose=False).run(examples, out=failures.append)
    assert not failures, "".join(failures)


def test_every_question_has_its_example_and_no_line_scrolls_on_a_laptop():
    text = (DOCS / "questions.md").read_text()
    answers = re.split(r"^#{2,3} .*$", text, flags=re.M)
    headings = re.findall(r"^#{2,3} .*$", text, re.M)
    assert len(headings) >= 30
    without = [q for q, a in zip(headings, answers[1:], strict=True) if q.startswith("###") and not EXAMPLES.search(a)]
    assert without == []
    assert [line for block in EXAMPLES.findall(text) for line in block.splitlines() if len(line) > 80] == []


def test_the_defaults_on_the_one_page_are_those_of_the_settings():
    rows = re.findall(r"^\| \$.+?\$ \| `(\w+)` \| ([0-9.]+) \|", (DOCS / "summary.md").read_text(), re.M)
    assert [name for name, _ in rows] == ["num_generations", "epsilon", "beta", "num_iterations"]
    assert all(getattr(GRPOConfig(), name) == float(value) for name, value in rows)
