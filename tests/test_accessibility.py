"""The built pages for everyone: what the Tab key reaches, what the first visit loads."""

import pytest

from helpers.built import KINDS
from helpers.explorers import mount_all

# What can be seen and pressed, typed in or followed. Left out: the button that clears the search and the one that leads
# to the top, for which the keyboard has Delete and Home; radio buttons to which the arrow keys lead.
REACH = """() => [...document.querySelectorAll("a[href], button, input, summary, [role=slider], [tabindex]")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && one.getAttribute("tabindex") !== "-1")
  .filter((one) => one.type !== "radio" || one.checked)
"""


def arrive(tab, address):
    """Open a page and wait until its explorers stand."""
    tab.goto(address, wait_until="networkidle")
    mount_all(tab)


@pytest.mark.site
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("kind", KINDS)
def test_tab_reaches_everything(page, kind, width):
    page.set_viewport_size({"width": width, "height": 900})
    arrive(page, kind)
    count = page.evaluate(f"({REACH})().length")
    page.evaluate("window.reached = new Set(); addEventListener('focusin', ({ target }) => window.reached.add(target))")
    for _ in range(count + 5):
        page.keyboard.press("Tab")
    missed = page.evaluate(
        f"({REACH})().filter((one) => !window.reached.has(one)).map((one) => one.outerHTML.slice(0, 120))"
    )
    assert count > 20
    assert missed == []


@pytest.mark.site
def test_the_home_page_is_light(page):
    """All that the first visit loads, compressed, in bytes."""
    sizes = []
    page.on("response", lambda response: sizes.append(response.request.sizes()["responseBodySize"]))
    page.goto("", wait_until="networkidle")
    assert len(sizes) > 8
    assert 50_000 < sum(sizes) < 200_000
