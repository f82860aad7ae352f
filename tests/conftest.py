"""Fixtures of all tests: tiny models, the package as a user sees it (no shape checker), the built site, a browser."""

import os
import threading

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
# Threads that wait sleep: spinning, those of a lesson would hold up the test that runs beside it.
os.environ["OMP_WAIT_POLICY"] = "passive"

import hypothesis
import jaxtyping
import pytest
import torch
import tqdm

from helpers import built
from helpers.explorers import mount_all
from helpers.formulas import NODE, called_in_node
from helpers.missing import give_up
from helpers.models import make_tiny_model

torch.set_num_threads(1)
# Its own lock is shared by processes that fork, as `make mutants` does: one that ends with it would stop all others.
tqdm.tqdm.set_lock(threading.RLock())
# No deadline: a busy machine is not a failure. The same examples on every run: a red test stays red until it is mended.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Each worker begins with an equal part of the list: long tests to the head of each, so that none is the last."""
    workers = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    long = [item for item in items if item.get_closest_marker("long")]
    rest, ordered = [item for item in items if item not in set(long)], []
    for i in range(workers):
        own = long[i::workers]
        count = (len(items) - len(ordered)) // (workers - i) - len(own)
        ordered += own + rest[:count]
        rest = rest[count:]
    items[:] = ordered


@pytest.fixture
def as_user():
    """Switch off the shape checker that pytest adds, so that the package's own errors are seen."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(params=["gpt2", "llama"])
def tiny_model(request):
    """A model with absolute positions and one with rotary positions, in float64, dropout left on where there is any."""
    return make_tiny_model(request.param)


@pytest.fixture(scope="session")
def site():
    """The folder of the built site."""
    if not (built.SITE / "sitemap.xml").exists():
        give_up("site/ is not built: run `make site` first")
    return built.SITE


@pytest.fixture(scope="session")
def server(site):
    """The address at which the built site is served."""
    with built.served() as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    if built.CHROMIUM is None:
        give_up("no Chromium on the path")
    with built.chromium() as started:
        yield started


@pytest.fixture
def page(browser, server):
    """A page of laptop size that resolves addresses against the site."""
    context = browser.new_context(base_url=server, viewport={"width": 1280, "height": 900}, color_scheme="light")
    yield context.new_page()
    context.close()


@pytest.fixture
def both_schemes(browser, server):
    """One page in the light scheme, one in the dark."""
    contexts = [browser.new_context(base_url=server, color_scheme=scheme) for scheme in ("light", "dark")]
    yield [context.new_page() for context in contexts]
    for context in contexts:
        context.close()


@pytest.fixture
def explore(page):
    """The page with all of them, all of them standing."""
    page.goto("explore/")
    mount_all(page)
    return page


@pytest.fixture(scope="session")
def js(tmp_path_factory):
    """Evaluate an expression over the modules of the explorers, or call one of their functions, in plain node."""
    if NODE is None:
        give_up("no node on the path")
    with called_in_node(tmp_path_factory.mktemp("node")) as call:
        yield call


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(6)
