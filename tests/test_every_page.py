"""What holds on every page of the built site. A page is loaded once for all that is looked for in it."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from helpers.built import addresses, setting
from helpers.explorers import mount_all, until
from helpers.lessons import SCRIPTS, key, stored
from helpers.missing import give_up

LESSONS = {f"lessons/{key(script)}/": script for script in SCRIPTS}
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
PARTS = 8  # small enough that two workers end at about the same time

LETTERS = """[...document.querySelectorAll("article .nb-plot text")].filter((one) => one.checkVisibility())
    .map((one, i, all, { a, b } = one.getCTM()) => parseFloat(getComputedStyle(one).fontSize) * Math.hypot(a, b))"""
LOOK = r"""() => {
  const article = document.querySelector("article").cloneNode(true);
  for (const quiet of article.querySelectorAll("pre, code, svg, .katex, script")) quiet.remove();
  const pictures = [...document.querySelectorAll("article :is(.nb-plot, .explorer, .explorer-waits, :not(:defined))")];
  const tops = pictures.filter((one) => one.checkVisibility()).map((one) => one.getBoundingClientRect().top);
  return {
    raw: article.textContent.match(/\$\$|\\\(|\\\[|\$[^$\s][^$\n]*\$/)?.[0] ?? null,
    // KaTeX shows an unknown command in this red and says nothing.
    broken: document.querySelectorAll(".katex-error, .katex [mathcolor='#cc0000']").length,
    formulas: document.querySelectorAll("article .katex").length,
    unnamed: [...document.querySelectorAll("article svg, article img")].filter((picture) =>
      !picture.closest("[aria-hidden=true], .katex, button, nav, summary") &&
      !["aria-label", "aria-labelledby", "alt"].some((name) => picture.getAttribute(name))).length,
    twins: [...document.querySelectorAll("[id]")].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i),
    pictured: Math.min(...tops.filter((top) => top > 0)) <= 900 - 100,
    odd: LETTERS.filter((size) => size < 14 || size > 17),
    previous: document.querySelector(".md-footer__link--prev")?.pathname,
    next: document.querySelector(".md-footer__link--next")?.pathname,
  };
}""".replace("LETTERS", LETTERS)
ON_A_PHONE = """() => {
  for (const fold of document.querySelectorAll("article details")) fold.open = true;
  return {
    small: LETTERS.filter((size) => size < 11),
    cut: [...document.querySelectorAll("table[data-rows] :is(th, td)")].filter((cell) =>
      cell.closest("tbody") && cell.getBoundingClientRect().right > 391).map((cell) => cell.textContent),
  };
}""".replace("LETTERS", LETTERS)
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def switch(tab, place, scheme):
    """Take a colour scheme by its place in mkdocs.yml, as the button of the page does."""
    tab.evaluate("(place) => document.getElementById(`__palette_${place}`).click()", place)
    until(tab, f"document.body.matches('[data-md-color-scheme={scheme}]:not([data-md-color-switching])')")


def resize(tab, width):
    tab.set_viewport_size({"width": width, "height": 900})
    tab.evaluate(TWO_FRAMES)


def violations(tab):
    """What axe finds in the page as it stands: rule -> the first elements that break it."""
    report = tab.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert report["passes"], "axe did not look"
    return {found["id"]: [node["target"] for node in found["nodes"]][:3] for found in report["violations"]}


def first_solution(tab):
    """Whether what it folds can be seen on the screen, and whether on paper."""
    body, seen = tab.locator("details.solution").first.locator(":scope > :not(summary)").first, []
    for medium in ("screen", "print"):
        tab.emulate_media(media=medium)
        seen.append(body.is_visible())
    tab.emulate_media(media="screen")
    return seen


def taken_along(tab):
    """Where the link to Colab leads, and the notebook that the other link gives."""
    colab = tab.get_by_role("link", name="Open in Colab").get_attribute("href")
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Download notebook").click()
    tab.mouse.move(0, 0)
    return {"colab": colab, "notebook": Path(download.value.path()).read_bytes()}


def visit(tab, address):
    """What is seen in a page: on a laptop, with axe in both colour schemes, and on a phone."""
    tab.set_viewport_size({"width": 1440, "height": 900})
    tab.goto(address)
    seen = tab.evaluate(LOOK)
    tab.wait_for_load_state("networkidle")
    mount_all(tab)
    resize(tab, 1280)
    seen["axe, light"] = violations(tab)
    switch(tab, 2, "slate")
    seen["axe, dark"] = violations(tab)
    switch(tab, 1, "default")
    if address in LESSONS:
        seen |= {"solution": first_solution(tab), **taken_along(tab)}
    resize(tab, 390)
    seen["axe, phone"] = violations(tab)
    seen["width"] = tab.evaluate("document.documentElement.scrollWidth")
    return seen | tab.evaluate(ON_A_PHONE)  # last, because it opens the folds


def wanted(address):
    """What must be seen in a page; letters of figures have 14 to 17 pixels, on a phone 11, and no card is cut off."""
    nothing = dict.fromkeys(["errors", "foreign", "twins", "cut", "odd", "small"], [])
    nothing |= dict.fromkeys(["broken", "unnamed"], 0)
    every = nothing | dict.fromkeys(["axe, light", "axe, dark", "axe, phone"], {}) | {"raw": None, "width": 390}
    if address not in LESSONS:
        return every
    script = LESSONS[address]
    path = f"{urlsplit(setting('repo_url')).path}/blob/main/notebooks/{script.stem}.ipynb"
    return every | {
        "pictured": True,  # the first screen
        "solution": [False, True],
        "colab": f"https://colab.research.google.com/github{path}",
        "notebook": script.with_suffix(".ipynb").read_bytes(),
    }


def displayed(script):
    """How many formulas of a lesson have lines of their own."""
    text = " ".join(cell.source for cell in stored(script).cells if cell.cell_type == "markdown")
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S).count("$$") // 2


@pytest.mark.site
def test_every_lesson_is_a_page(site):
    assert set(LESSONS) <= set(addresses())


@pytest.mark.long
@pytest.mark.site
@pytest.mark.parametrize("part", range(PARTS))
def test_every_page(browser, server, part):
    if not AXE.exists():
        give_up("axe-core is not installed: run `make browser`")
    # Without motion no colour is caught half way.
    context = browser.new_context(base_url=server, color_scheme="light", reduced_motion="reduce")
    context.add_init_script(path=AXE)
    tab, wrong, order = context.new_page(), {}, list(LESSONS)
    messages, faults, requests = [], [], []
    for event, events in (("console", messages), ("pageerror", faults), ("request", requests)):
        tab.on(event, lambda what, events=events: events.append(what))
    for address in addresses()[part::PARTS]:
        for events in (messages, faults, requests):
            events.clear()
        seen = visit(tab, address)
        seen["errors"] = [message.text for message in messages if message.type == "error"] + list(map(str, faults))
        seen["foreign"] = [r.url for r in requests if not r.url.startswith((server, "data:"))]
        wrong |= {(address, what): seen[what] for what, good in wanted(address).items() if seen[what] != good}
        if address in LESSONS:
            i = order.index(address)
            assert seen["formulas"] >= displayed(LESSONS[address]), address
            assert seen["previous"].endswith(order[i - 1] if i else "/"), address
            assert seen["next"].endswith((*order, "/")[i + 1]), address
    context.close()
    assert wrong == {}
