"""The built pages for everyone: what axe finds, what the Tab key reaches, what the first visit loads."""

from pathlib import Path

import pytest

from helpers.built import KINDS, addresses
from helpers.explorers import mount_all
from helpers.missing import give_up

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"


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


@pytest.fixture(scope="module")
def axe():
    if not AXE.exists():
        give_up("axe-core is not installed: run `make browser`")
    return AXE.read_text()


@pytest.mark.site
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_axe_finds_nothing_on_any_page(browser, server, axe, scheme, width):
    size = {"width": width, "height": 900}
    # Without motion no colour is caught half way.
    context = browser.new_context(base_url=server, color_scheme=scheme, viewport=size, reduced_motion="reduce")
    context.add_init_script(axe)
    found = {}
    for address in addresses():
        tab = context.new_page()
        arrive(tab, address)
        report = tab.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        for violation in report["violations"]:
            found[address, violation["id"]] = [node["target"] for node in violation["nodes"]][:3]
        assert report["passes"], "axe did not look"
        tab.close()
    context.close()
    assert not found


@pytest.mark.site
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("kind", KINDS)
def test_tab_reaches_everything(page, kind, width):
    page.set_viewport_size({"width": width, "height": 900})
    arrive(page, kind)
    count = page.evaluate(f"({REACH})().length")
    reached = set()
    for _ in range(count + 5):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(f"() => ({REACH})().indexOf(document.activeElement)"))
    missed = page.evaluate(
        f"(reached) => ({REACH})().filter((_, i) => !reached.includes(i)).map((one) => one.outerHTML.slice(0, 120))",
        sorted(reached),
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
