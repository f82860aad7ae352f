"""The built pages for everyone: axe and Lighthouse, the keyboard, paper, weight."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from built import CHROMIUM, FLAGS, addresses
from conftest import give_up

HERE = Path(__file__).parent
AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"
KINDS = [
    "",
    "lessons/",
    "notebooks/07_ratio_and_clipping/",
    "notebooks/10_the_training_loop/",
    "explore/",
    "questions/",
]
KINDS += ["symbols/", "api/loss/"]

# What can be seen and pressed, typed in or followed. Left out: the button that clears the search and the one that leads
# to the top, for which the keyboard has Delete and Home; radio buttons to which the arrow keys lead.
REACH = """() => [...document.querySelectorAll("a[href], button, input, summary, [role=slider], [tabindex]")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && one.getAttribute("tabindex") !== "-1")
  .filter((one) => one.type !== "radio" || one.checked)
"""


@pytest.fixture(scope="module")
def axe():
    if not AXE.exists():
        give_up("axe-core is not installed: run `make browser`")
    return AXE.read_text()


@pytest.mark.site
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_axe_finds_nothing_on_any_page(browser, server, axe, scheme, width):
    context = browser.new_context(base_url=server, color_scheme=scheme, viewport={"width": width, "height": 900})
    context.add_init_script(axe)
    found = {}
    for address in addresses():
        tab = context.new_page()
        tab.goto(address, wait_until="networkidle")
        report = tab.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        for violation in report["violations"]:
            found[address, violation["id"]] = [node["target"] for node in violation["nodes"]][:3]
        assert report["passes"], "axe did not look"
        tab.close()
    context.close()
    assert not found


@pytest.mark.site
def test_lighthouse(server, capsys):
    """Speed is printed and not judged: it depends on what else the machine does."""
    if not AXE.exists() or not shutil.which("node"):
        give_up("Lighthouse is not installed: run `make browser`")
    command = ["node", HERE / "lighthouse.mjs", CHROMIUM, " ".join(FLAGS), *(server + kind for kind in KINDS)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    with capsys.disabled():
        print("\nperformance accessibility best-practices seo")
        for report in reports:
            print("{performance:11} {accessibility:13} {best-practices:14} {seo:3}".format(**report), report["address"])
    assert len(reports) == len(KINDS)
    for report in reports:
        assert (report["accessibility"], report["best-practices"]) == (100, 100), report
        assert report["seo"] >= 95, report


@pytest.mark.site
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("kind", KINDS)
def test_tab_reaches_everything(page, kind, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(kind, wait_until="networkidle")
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
    assert 50_000 < sum(sizes) < 400_000
