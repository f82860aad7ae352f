"""The site: what the hooks make of a notebook, what a strict build refuses, and the built pages in a real browser."""

import re

import nbformat
import pytest
from bs4 import BeautifulSoup

from helpers.built import ROOT
from helpers.explorers import tab_to
from helpers.lessons import SCRIPTS, key, lesson, stored
from helpers.small_site import ONE, SOUND, SVG, code_cell, small_project, strict_build, svg_output, text_cell

LESSONS = [key(script) for script in SCRIPTS]
PLOT = re.compile(r'<div class="nb-output nb-plot".*?</svg></div>', re.S)


# What the hooks make of a notebook


@pytest.fixture
def cells(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "theme")
    import cells

    return cells


@pytest.fixture
def references(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "theme")
    import references

    return references


def render(cells, *given):
    """HTML and complaints."""
    complaints = []
    return cells.render_cells(given, lambda source: f"<p>{source}</p>", complaints.append), complaints


def test_neighbouring_solution_cells_share_one_fold(cells):
    html, _ = render(
        cells,
        text_cell("Exercise."),
        text_cell("Because.", tags=["solution"]),
        code_cell("1 + 1", tags=["solution"]),
        text_cell("Next."),
        code_cell("2 + 2", tags=["solution"]),
    )
    assert html.count('<details class="solution"><summary>Solution</summary>') == 2
    assert html.index("Exercise.") < html.index("<details") < html.index("Because.") < html.index("</details>")


def test_setup_cells_are_folded(cells):
    html, _ = render(cells, code_cell("import torch", tags=["setup"]))
    assert re.match(r'<details class="setup"[^>]*><summary>Setup</summary>', html)


def test_define_and_same_tags_become_anchors_and_same_points_to_the_package(cells):
    html, _ = render(cells, code_cell("pass", tags=["define-kl_k3"]), code_cell("pass", tags=["same-kl_k3"]))
    assert 'id="define-kl_k3"' in html
    assert 'id="same-kl_k3"' in html
    assert html.count("<code>grpo_lite.kl_k3</code>") == 1
    html, _ = render(cells, code_cell("same(f(x), grpo_lite.masking.f(x))", tags=["same-f"]))
    assert "<code>grpo_lite.masking.f</code>" in html


def test_a_page_may_borrow_the_figure_of_a_cell_by_its_tag(cells):
    lesson = [code_cell("1", tags=["figure-a"]), code_cell("plot()", svg_output(), tags=["figure-b"], alt="Learning")]
    complaints = []
    html = cells.borrowed_figure(lesson, "figure-b", 7, complaints.append)
    assert 'role="img" aria-label="Learning"' in html
    assert 'clip-path="url(#fig7-p1)"' in html
    assert not complaints
    for tag in ("figure-a", "figure-c"):
        assert cells.borrowed_figure(lesson, tag, 1, complaints.append) == ""
    assert complaints == [f"no cell with the tag figure-{name} draws a figure" for name in "ac"]


def test_figures_are_inline_named_and_share_no_id(cells):
    first = code_cell("plot()", svg_output(), alt='Ratio "against" loss')
    html, complaints = render(cells, first, code_cell("plot()", svg_output(), alt="Again"))
    assert not complaints
    assert 'role="img" aria-label="Ratio &quot;against&quot; loss"' in html
    assert re.findall(r'\bid="([^"]+)"', html) == ["fig1-p1", "fig2-p1"]
    assert re.findall(r"url\(#([^)]+)\)", html) == ["fig1-p1", "fig2-p1"]
    assert "<?xml" not in html


def test_a_diagram_is_shown_without_its_line_of_code_with_its_style_and_one_name(cells):
    svg = (ROOT / "grpo_lite/data/diagrams/shift.svg").read_text()
    output = nbformat.v4.new_output("execute_result", {"image/svg+xml": svg}, execution_count=1)
    html, complaints = render(cells, code_cell('plotting.diagram("shift")', output, tags=["diagram"], alt="The shift"))
    assert not complaints
    assert "plotting" not in html
    assert svg[svg.index("<style>") : svg.index("</style>")].replace("\n", "") in html.replace("\n", "")
    assert re.findall(r'<svg[^>]* role="img"[^>]*>', html)
    assert (html.count("role="), html.count("aria-")) == (1, 1)
    assert 'aria-label="The shift"' in html
    assert "<title" not in html
    assert "<desc" not in html


def test_the_style_of_a_plot_does_not_reach_the_other_pictures_of_the_page(cells):
    svg = SVG.replace("<defs>", '<defs><style type="text/css">*{stroke-linejoin: round}</style>')
    output = nbformat.v4.new_output("display_data", {"image/svg+xml": svg})
    html, _ = render(cells, code_cell("plot()", output, alt="A plot"))
    assert "<style" not in html
    assert 'id="fig1-p1"' in html


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        (code_cell("plot()", svg_output()), "alternative text"),
        (code_cell("plot()", nbformat.v4.new_output("display_data", {"image/png": "iVBO"})), "figures are SVG"),
        (code_cell("warn()", nbformat.v4.new_output("stream", name="stderr", text="UserWarning: x")), "stderr"),
        (code_cell("1 / 0", nbformat.v4.new_output("error", ename="ZeroDivisionError", evalue="by zero")), "failed"),
    ],
)
def test_what_a_reader_would_miss_is_a_warning(cells, cell, complaint):
    _, complaints = render(cells, cell)
    assert len(complaints) == 1
    assert complaint in complaints[0]


def test_a_failure_that_is_meant_is_shown_in_one_line(cells):
    failed = nbformat.v4.new_output("error", ename="ValueError", evalue="G must be >= 2", traceback=["long"])
    html, complaints = render(cells, code_cell("f()", failed, tags=["raises-exception"]))
    assert not complaints
    assert "<pre>ValueError: G must be &gt;= 2</pre>" in html


def test_printed_text_is_escaped(cells):
    html, _ = render(cells, code_cell("x", nbformat.v4.new_output("stream", text="<Tensor> & co\n")))
    assert "<pre>&lt;Tensor&gt; &amp; co</pre>" in html


def test_papers_and_names_of_the_package_become_links(references):
    assert references.link_papers("(arXiv:2402.03300).") == (
        '(<a href="https://arxiv.org/abs/2402.03300">arXiv:2402.03300</a>).'
    )
    linked = references.link_names("<code>grpo_lite.kl_k3()</code> <code>torch.exp</code>", must_resolve=True)
    assert linked == (
        '<autoref identifier="grpo_lite.kl_k3"><code>grpo_lite.kl_k3()</code></autoref> <code>torch.exp</code>'
    )
    inside = '<a href="x"><code>grpo_lite.kl_k3</code></a>'
    assert references.link_names(inside, must_resolve=True) == inside


# What a strict build refuses


@pytest.mark.slow
def test_a_sound_site_passes_and_its_references_lead_somewhere(tmp_path):
    small_project(tmp_path, *SOUND)
    with (tmp_path / "docs/index.md").open("a") as page:
        page.write(f'\n<svg><a href="{ONE}"><text class="s number"></text></a></svg>\n\n')
        page.write("<!-- the lessons, in the order of the menu -->\n")
    done = strict_build(tmp_path)
    assert done.returncode == 0, done.stdout
    api = (tmp_path / "site/api/kl/index.html").read_text()
    assert 'href="../../lessons/one/#define-kl_k3">01\N{NO-BREAK SPACE}One</a>' in api
    page = (tmp_path / "site/lessons/one/index.html").read_text()
    assert 'href="../../api/kl/#grpo_lite.kl.kl_k3"><code>grpo_lite.kl_k3</code></a>' in page
    assert 'href="../../">home</a>' in page
    home = (tmp_path / "site/index.html").read_text()
    assert 'aria-label="A plot"' in home
    assert '<a href="lessons/one/#define-kl_k3">to a cell</a>' in home
    assert '<a href="lessons/one/">01\N{NO-BREAK SPACE}One</a>' in home
    assert '<a href="lessons/one/"><text class="s number">01</text></a>' in home
    facts = "<span>What is one?</span> <small>5 min, needs nothing</small>"
    assert '<li><a href="lessons/one/">01\N{NO-BREAK SPACE}One</a> ' + facts in home.replace("\n", "")
    assert ">01 One</h1>" in page
    assert 'id="figure-one"' in page
    served = tmp_path / "site/lessons/one/01_one.ipynb"
    assert served.read_bytes() == (tmp_path / "notebooks/01_one.ipynb").read_bytes()


@pytest.mark.slow
def test_a_strict_build_refuses_each_planted_fault(tmp_path):
    gone = ONE.replace("one", "gone")
    small_project(
        tmp_path,
        text_cell("# One\n\n## Why\n\n[a](02_two.ipynb) [b](../docs/index.md#gone) [c](#nowhere) [d](../index.md)"),
        text_cell(f"`grpo_lite.gone` [e]({gone}) [One]({ONE}#lost) [Won]({ONE})"),
        code_cell("plot()", svg_output(), tags=["define-kl_k3"]),
        code_cell("pass", tags=["define-kl_k3"]),
    )
    head = text_cell("# Two\n\n**Minutes:** 5 · **Needs:** nothing · **Gives:** nothing")
    nbformat.write(nbformat.v4.new_notebook(cells=[head]), tmp_path / "notebooks/02_two.ipynb")
    menu = tmp_path / "mkdocs.yml"
    menu.write_text(menu.read_text().replace("- lessons/one.ipynb", "- lessons/two.ipynb\n  - lessons/one.ipynb"))
    module = tmp_path / "grpo_lite/kl.py"
    module.write_text(module.read_text().replace('"One"', '"Won"'))
    with (tmp_path / "docs/index.md").open("a") as page:
        page.write("\n<!-- the lessons, in the order of the menu -->\n")
    done = strict_build(tmp_path)
    assert done.returncode != 0
    for complaint in (
        "'02_two.ipynb', but the target 'lessons/02_two.ipynb' is not found",
        "does not contain an anchor '#gone'",
        "'#nowhere', but there is no such anchor",
        "'../index.md' leaves the notebooks",
        "lessons/one.ipynb: there is no lesson at lessons/gone/",
        "lessons/one/#lost', but there is no such anchor",
        "lessons/one.ipynb: the link to lessons/one/ says 'Won' and not 'One'",
        "Could not find cross-reference target 'grpo_lite.gone'",
        "no alternative text",
        "no line '**Minutes:**",
        "define-kl_k3 stands on more than one cell",
        "index.md: no cell with the tag figure-one draws a figure",
        "mkdocs.yml: the menu has 02 Two before 01 One",
        "index.md: README.md has no question for Two",
        'api/kl.md: there is no lesson "Won"',
    ):
        assert complaint in done.stdout, complaint
    assert "with 16 warnings" in done.stdout, done.stdout  # a docstring is shown twice, as text and in the source


# The built pages in a browser


@pytest.mark.site
def test_tab_reaches_search_and_the_three_states_of_the_colours_switch_by_keyboard(page):
    page.goto("")
    look = "[document.body.dataset.mdColorScheme, getComputedStyle(document.body).backgroundColor]"
    tab_to(page, "input[name=__palette]")
    seen = [page.evaluate(look)]
    for _ in range(3):
        page.keyboard.press("ArrowDown")
        page.wait_for_timeout(300)
        seen.append(page.evaluate(look))
    assert [scheme for scheme, _ in seen] == ["default", "default", "slate", "default"]  # system, light, dark, system
    assert seen[0] == seen[1] == seen[3]
    assert seen[0][1] != seen[2][1]
    tab_to(page, "input.md-search__input")


@pytest.mark.site
def test_the_colours_are_those_of_the_system_until_one_chooses_and_when_one_asks_for_them(page):
    """Also without the script of the theme, which comes last: nobody sees a flash of the other scheme."""
    scheme = "document.body.dataset.mdColorScheme"
    page.route("**/bundle.*", lambda route: route.abort())
    page.emulate_media(color_scheme="dark")
    page.goto("")
    assert page.evaluate(scheme) == "slate"
    page.unroute("**/bundle.*")
    page.goto("")
    for place, on_light, on_dark in ((1, "default", "default"), (2, "slate", "slate"), (0, "default", "slate")):
        page.locator(f"#__palette_{place}").dispatch_event("click")
        for system, wanted in (("light", on_light), ("dark", on_dark)):
            page.emulate_media(color_scheme=system)
            page.reload()
            assert page.evaluate(scheme) == wanted, (place, system)
            faint, ground = page.evaluate(
                "['.md-copyright__highlight', 'body'].map((one) => getComputedStyle(document.querySelector(one)))"
                ".map(({ color, backgroundColor }) => [color, backgroundColor])"
            )
            assert faint[0] != ground[1]  # axe has no opinion of letters that cannot be seen at all


@pytest.mark.site
def test_search_and_menu_open_by_keyboard_on_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("")
    tab_to(page, "button[for=__drawer]")
    page.keyboard.press("Enter")
    assert page.locator("#__drawer").is_checked()
    tab_to(page, ".md-nav__link[type=button]")  # a section of the menu
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Group-relative advantages").first.wait_for()
    tab_to(page, ".md-nav__title[type=button]")  # and back
    page.keyboard.press("Space")
    page.goto("")
    tab_to(page, "button[for=__drawer]")
    tab_to(page, "button[for=__search]")
    page.keyboard.press("Enter")
    assert page.locator("#__search").is_checked()


def rare_word():
    """A lesson and a word of its text of which not even the stem stands anywhere else on the site."""
    sources = [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("grpo_lite/**/*.py")]
    stems = {path.stem: set(re.findall(r"\b[a-z]{6}", path.read_text().lower())) for path in sources}
    for name in LESSONS:
        notebook = stored(lesson(name))
        lines = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown").splitlines()
        text = re.sub(r"`[^`]*`|\]\([^)]*\)", "", " ".join(line for line in lines if "$" not in line))
        elsewhere = set().union(*(found for stem, found in stems.items() if stem != lesson(name).stem))
        own = [word for word in re.findall(r"\b[a-z]{8,}\b", text) if word[:6] not in elsewhere]
        if own:
            return name, own[0]
    return pytest.fail("no lesson has a word of its own")


@pytest.mark.site
def test_search_finds_a_word_that_stands_only_in_a_notebook(page):
    name, word = rare_word()
    page.goto("")
    page.fill("input.md-search__input", word)
    page.keyboard.press("End")
    hit = page.locator(".md-search-result__item a").first
    hit.wait_for()
    assert f"lessons/{name}/" in hit.get_attribute("href")


@pytest.mark.site
def test_an_answer_says_at_once_whether_it_is_right_and_why(page):
    page.goto("lessons/group_advantages/")
    marks = {}
    for kind in ("right", "wrong"):
        option = page.locator(f"details.{kind}").first
        look = "fold => getComputedStyle(fold.querySelector('summary'), '::before').content"
        assert page.evaluate("(el) => el.getBoundingClientRect().height", option.element_handle()) < 60
        closed = option.evaluate(look)
        option.locator("summary").focus()
        page.keyboard.press("Enter")
        assert option.evaluate("fold => fold.open")
        assert page.evaluate("(el) => el.getBoundingClientRect().height", option.element_handle()) > 60
        marks[kind] = option.evaluate(look)
        assert marks[kind] != closed
    assert marks == {"right": '"✓"', "wrong": '"✗"'}


@pytest.mark.site
@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_light(site, name):
    html = (site / "lessons" / name / "index.html").read_text()
    assert ";base64," not in html
    html = PLOT.sub("", html)
    folds = [
        fold for fold in BeautifulSoup(html, "html.parser").select("article details") if not fold.find_parent("details")
    ]
    folded = sum(len(str(part).encode()) for fold in folds for part in fold.contents if part.name != "summary")
    assert len(html.encode()) - folded < 80_000  # what is seen at first
    assert len(html.encode()) < 120_000


@pytest.mark.site
def test_what_a_function_returns_is_one_text(site):
    """Read line by line, a description of two lines would become two returned values."""
    sections = []
    for page in sorted(site.glob("api/*/index.html")):
        sections += re.findall(r">Returns:</span></p>\s*<ul>(.*?)</ul>", page.read_text(), re.S)
    assert len(sections) >= 17
    assert {section.count("doc-section-item") for section in sections} == {1}


@pytest.mark.site
def test_no_page_shows_the_mark_at_which_a_file_is_put_in(site):
    pages = [*site.rglob("*.html"), *site.rglob("index.md")]
    assert len(pages) > 50
    assert [page for page in pages if re.search(r"--8\s?<|--8&lt;|8</span>.{0,40}&lt;", page.read_text())] == []


@pytest.mark.site
def test_no_source_became_a_fold(site):
    """A line that is indented below `Source:` makes a box of it, with a title that breaks off."""
    pages = sorted(site.glob("api/*/index.html"))
    assert len(pages) > 10
    assert [page.parent.name for page in pages if '<details class="source"' in page.read_text()] == []


@pytest.mark.site
def test_a_formula_says_what_its_symbols_mean(page):
    page.goto("lessons/ratio_and_clipping/", wait_until="networkidle")
    note = page.locator(".symbols")
    formula = page.locator(".katex-display .katex.explained").first
    formula.evaluate("one => one.scrollIntoView({ block: 'center', behavior: 'instant' })")
    formula.locator(".katex-html .mathnormal", has_text="ρ").hover()
    note.get_by_text("How much likelier a token has become since it was sampled").wait_for()
    assert note.locator("p").count() == 1  # one symbol, one line, as the formula writes it
    assert note.locator("b .katex annotation").text_content() == r"\rho_{i,t}"
    assert note.locator(".katex-error").count() == 0
    lit = page.locator(".katex .lit")
    assert set(lit.all_text_contents()) == {"ρ"}
    assert lit.count() == formula.locator(".katex-html .mathnormal", has_text="ρ").count()
    policy = formula.locator(".katex-html .mathnormal", has_text="π")
    box = policy.last.bounding_box()  # KaTeX draws what is below a fraction first
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    note.get_by_text("The policy: the model that is trained").wait_for()
    assert (lit.count(), policy.count()) == (1, 2)  # the other one is the old policy
    boxes = formula.bounding_box(), note.bounding_box()
    assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"] or boxes[1]["y"] + boxes[1]["height"] <= boxes[0]["y"]
    note.get_by_role("link").hover()  # the way to the note does not close it
    page.wait_for_timeout(600)
    assert note.is_visible()
    page.keyboard.press("Escape")
    assert not note.is_visible()
    assert lit.count() == 0
    page.keyboard.press("Home")  # scrolling closes a note, so the page must stand still before the next
    page.wait_for_timeout(600)
    button = page.get_by_role("button", name="Symbols of this formula").first
    button.focus()
    page.wait_for_timeout(600)
    page.keyboard.press("Enter")
    note.wait_for()
    assert note.locator("p").count() > 1  # all of them
    box = note.bounding_box()
    assert box["x"] >= 0
    assert 0 <= box["y"] <= 900 - box["height"]


@pytest.mark.site
def test_a_finger_opens_and_closes_the_note_on_symbols(browser, server):
    context = browser.new_context(base_url=server, viewport={"width": 390, "height": 844}, has_touch=True)
    tab = context.new_page()
    tab.goto("lessons/group_advantages/", wait_until="networkidle")
    formula = tab.locator(".katex.explained", has_text="G").first
    formula.evaluate("one => one.scrollIntoView({ block: 'center', behavior: 'instant' })")
    tab.wait_for_timeout(300)
    formula.locator(".katex-html .mathnormal", has_text="G").first.tap()
    tab.locator(".symbols").get_by_text("Size of a group.").wait_for()
    box = tab.locator(".symbols").bounding_box()
    assert 0 <= box["x"] <= 390 - box["width"]
    tab.locator("h1").dispatch_event("pointerdown")
    assert not tab.locator(".symbols").is_visible()
    context.close()


def test_each_symbol_that_is_looked_for_is_explained_once():
    table = (ROOT / "docs/symbols.md").read_text().partition("## Symbols")[2].partition("## Glossary")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| $")]
    explained = [row[1].partition("<br>")[0].strip("`") for row in rows]
    script = (ROOT / "docs/assets/javascripts/symbols.js").read_text()
    looks = re.findall(r'^  "?([^":]+)"?: /(.+)/,(?: //.*)?$', script, re.M)
    assert [name for name, _ in looks] == explained
    for row, (name, pattern) in zip(rows, looks, strict=True):
        assert re.search(pattern, row[0]), name
    # What looks alike and means something else: PPO's advantage of a token, a gradient, the cap of CISPO, a distance,
    # the temperature of SAPO.
    others = (r"\hat A_t = \delta_t", r"g_r - b\, g_1", r"\min(x, \epsilon_{\text{high}})", r"\text{eps}", "r_t",
              "1 - d/9", r"\frac{4}{\tau}\,\sigma\big(\tau(x - 1)\big)")  # fmt: skip
    for other in others:
        assert not [name for name, pattern in looks if re.search(pattern, other)], other
