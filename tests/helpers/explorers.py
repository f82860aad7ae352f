"""What a reader does in the explorers, and numbers to compare them with the package."""

import pytest
import torch

TAGS = ("group-explorer", "clip-explorer", "kl-explorer", "loss-explorer", "policy-explorer", "model-explorer")
SHIFT = """() => new Promise((done) => {
  const total = (list) => list.getEntries().reduce((sum, entry) => sum + entry.value, 0);
  new PerformanceObserver((list) => done(total(list))).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(0), 300); // no shift, no entry
})"""


def tab_to(page, selector, presses=80):
    """Press Tab until the element has the focus."""
    for _ in range(presses):
        page.keyboard.press("Tab")
        if page.evaluate("(s) => document.activeElement.matches(s)", selector):
            return
    pytest.fail(f"Tab does not reach {selector}")


def uniform(generator, *shape):
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def assert_same(theirs, ours):
    torch.testing.assert_close(torch.tensor(theirs, dtype=torch.float64), ours.double(), atol=1e-9, rtol=1e-9)


def sentence(explore, tag):
    """What stands there once the pause between two sentences is over."""
    explore.wait_for_timeout(600)
    return explore.locator(f"{tag} .explorer-sentence").text_content()


def until(page, condition):
    """Wait for a condition in the page; Playwright's own way compiles it there, which a page forbids."""
    for _ in range(300):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"in vain: {condition}")


def mount_all(page):
    """Let all explorers of a page stand, those too that wait until they come into view."""
    until(page, "!document.querySelector(':not(:defined)')")
    page.evaluate("document.querySelectorAll('.explorer-waits').forEach((host) => host.mount())")


def real(text):
    return float(text.replace("−", "-"))
