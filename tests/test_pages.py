"""The examples on the pages of prose: what they show is what they print."""

import doctest
import re
from pathlib import Path

import pytest

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
