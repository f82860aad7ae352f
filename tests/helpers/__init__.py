"""What the tests share. No test file imports another one."""

import pytest

from helpers import typecheck  # noqa: F401 (--jaxtyping-packages imports no deeper than this file)

pytest.register_assert_rewrite("helpers.explorers", "helpers.runs")  # so that their asserts show the two sides
