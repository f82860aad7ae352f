"""What a test does when the machine lacks something."""

import os

import pytest


def give_up(reason):
    """What is missing is a gap on a laptop and a failure where it is what is tested."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
