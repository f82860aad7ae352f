"""What a page says of itself and may do: description, card, foot, copy as Markdown, policy, what is not found."""

import base64
import hashlib
import os
import re
import struct
import subprocess
from html import unescape

import pytest

from helpers.built import ROOT, addresses, setting
from helpers.lessons import SCRIPTS, key, lesson, stored

SITE_URL = setting("site_url")


@pytest.fixture(autouse=True)
def theme(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "theme")


@pytest.fixture(scope="module")
def pages(site):
    return {address: (site / address / "index.html").read_text() for address in addresses()}


def meta(html, name):
    found = re.findall(rf'<meta (?:name|property)="{name}" content="([^"]*)">', html)
    assert len(found) == 1, (name, found)
    return unescape(found[0])


# Without a site


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("<h1>KL</h1><p>How <em>far</em>?</p><p>More.</p>", "How far?"),
        ("<p><strong>Minutes:</strong> 5</p><p>A ratio $\\rho$ &amp; a clip:</p>", "A ratio ρ & a clip."),
        (f"<p>{'One two. ' * 22}{'Longer ' * 9}.</p>", ("One two. " * 22).strip()),
        (f"<p>{'word ' * 60}</p>", "word " * 39 + "word …"),
        ("<h1>Nothing</h1>", ""),
    ],
)
def test_the_description_is_the_first_paragraph(html, said):
    from facts import description

    assert description(html) == said


def test_the_days_are_those_of_the_last_commits(tmp_path):
    from facts import commits

    assert list(commits(tmp_path)) == []  # no repository, or none with a commit
    when = {}
    for day, name in (("2026-01-02", "a"), ("2026-03-04", "b"), ("2026-05-06", "a")):
        (tmp_path / name).write_text(day)
        who = ["AUTHOR", "COMMITTER"]
        stamp = {f"GIT_{one}_DATE": f"{day}T12:00:00" for one in who}
        stamp |= {f"GIT_{one}_NAME": "n" for one in who} | {f"GIT_{one}_EMAIL": "e@example.org" for one in who}
        script = "git init -q . && git add -A && git commit -qm m"
        subprocess.run(script, shell=True, cwd=tmp_path, env={**os.environ, **stamp}, check=True)
    for name, day in commits(tmp_path):
        when.setdefault(name, day)
    assert when == {"a": "2026-05-06", "b": "2026-03-04"}


def test_the_policy_allows_the_inline_scripts_of_the_build_and_no_other():
    from policy import guarded

    html = "<html><head><style>b{}</style></head><script>one()</script><script src='a.js'></script>"
    html += '<script id="c" type="application/json">{}</script>'
    policy = re.search(r'<head><meta http-equiv="Content-Security-Policy" content="([^"]*)">', guarded(html))[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    digest = {text: base64.b64encode(hashlib.sha256(text).digest()).decode() for text in (b"one()", b"b{}")}
    assert rules["default-src"] == "'self'"
    assert rules["script-src"] == f"'self' 'sha256-{digest[b'one()']}'"
    assert rules["style-src"] == f"'self' 'sha256-{digest[b'b{}']}'"
    assert {rules["object-src"], rules["base-uri"], rules["form-action"]} == {"'none'"}


def test_a_card_has_title_sentence_and_figure_and_is_drawn_the_same_each_time(tmp_path):
    import cards

    logo = (ROOT / "docs/assets/favicon.svg").read_text()
    plot = cards.key_figure(stored(lesson("group_advantages")).cells)
    svg = cards.card("Group & advantages", "How good is an answer?", plot, logo, "grpo_lite")
    for part in (">Group &amp;</text>", ">advantages</text>", ">How good is an answer?</text>", "minus group mean"):
        assert part in svg
    pytest.importorskip("resvg_py")
    (tmp_path / "again").mkdir()
    png = cards._kept(svg, tmp_path)
    assert png == cards._kept(svg, tmp_path / "again")
    assert (png[:8], struct.unpack(">II", png[16:24])) == (b"\x89PNG\r\n\x1a\n", (1200, 630))


# The built site


@pytest.mark.site
def test_each_page_says_what_it_is_in_its_own_words(pages):
    said = {address: meta(html, "description") for address, html in pages.items()}
    assert len(set(said.values())) == len(said) > 40
    assert not {a: s for a, s in said.items() if not 20 < len(s) <= 202 or re.search(r"[$\\<]|Minutes", s)}
    for address, html in pages.items():
        assert meta(html, "og:description") == said[address]
        assert meta(html, "og:url") == SITE_URL + address
        assert f'<link rel="canonical" href="{SITE_URL}{address}">' in html
        assert meta(html, "twitter:card") == "summary_large_image"
        assert len(meta(html, "og:title")) > 1


@pytest.mark.site
def test_each_lesson_has_a_card_of_its_own_and_the_other_pages_share_one(pages, site):
    cards = {address: meta(html, "og:image").removeprefix(SITE_URL) for address, html in pages.items()}
    for address, card in cards.items():
        name = re.fullmatch(r"lessons/(\w+)/", address)
        assert card == f"assets/cards/{name[1] if name else 'home'}.png"
        assert (site / card).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert (site / card).stat().st_size < 150_000
    assert (site / "assets/touch-icon.png").read_bytes()[16:24] == struct.pack(">II", 180, 180)


@pytest.mark.site
def test_the_foot_of_a_page_leads_to_its_source(pages):
    edit = re.compile(rf'<a href="{setting("repo_url")}/edit/main/([^"]+)">Edit this page</a>')
    sources = {address: edit.search(html)[1] for address, html in pages.items()}
    assert {address: path for address, path in sources.items() if not (ROOT / path).is_file()} == {}
    for script in SCRIPTS:
        assert sources[f"lessons/{key(script)}/"] == f"notebooks/{script.stem}.py"
    assert (sources["api/kl/"], sources["questions/"]) == ("grpo_lite/kl.py", "docs/questions.md")
    for html in pages.values():
        assert re.search(r"(Last changed on \d{1,2} [A-Z][a-z]+ \d{4}, )?version \d+\.\d+\.\d+<", html)
        assert "CC BY 4.0</a>" in html


@pytest.mark.site
def test_the_header_leads_to_the_lists_and_says_on_which_one_is(pages):
    for address, html in pages.items():
        links = re.search(r'<div class="shortcuts">(.*?)</div>', html, re.S)[1]
        ways = re.findall(r'<a href="([./a-z]+)"( aria-current="page")?>', links)
        led = [os.path.normpath(os.path.join(address, way)) for way, _ in ways]
        assert led == ["lessons", "explore", "questions", "summary"], address
        assert [bool(here) for _, here in ways] == [place == os.path.normpath(address) for place in led]


@pytest.mark.site
def test_each_page_can_be_had_as_markdown(pages, site):
    listed = re.findall(r"\]\((\S+)index\.md\): \S", (site / "llms.txt").read_text())
    assert sorted(listed) == sorted(SITE_URL + address for address in pages)
    for address in pages:
        text = (site / address / "index.md").read_text()
        prose = re.sub(r"^(`{3,})[^\n]*\n.*?^\1$|`[^`\n]*`|\$[^$\n]*\$", "", text, flags=re.S | re.M)
        assert re.match(r"# \S", text), address
        assert not re.findall(r"</?(?:svg|div|figure|details|\w+-explorer)\b|--8<--|^::: |\{[.#][^}\n]*\}", prose, re.M)
        links = re.findall(r"\]\(([^)\s]+)", prose)
        assert [link for link in links if not re.match(r"https?://|#|mailto:", link)] == [], address
        inside = {re.split("[?#]", link)[0].removeprefix(SITE_URL) for link in links if link.startswith(SITE_URL)}
        assert {link for link in inside if not (site / link).exists()} == set(), address


@pytest.mark.site
def test_the_copy_of_a_lesson_has_its_text_code_and_outputs(site):
    text = (site / "lessons/group_advantages/index.md").read_text()
    for cell in stored(lesson("group_advantages")).cells:
        if cell.cell_type == "code":
            assert f"python\n{cell.source.strip()}\n```" in text
            for output in cell.outputs:
                said = output.get("text") or output.get("data", {}).get("text/plain", "")
                assert "image/svg+xml" in output.get("data", {}) or "".join(said).rstrip() in text
            assert cell.metadata.get("alt", "") in text
    assert "\n- **Nobody** (right): Each answer is compared with its own group" in text
    assert "\n- **A up, B down** (wrong): The mean of the batch" in text


@pytest.mark.site
def test_every_page_has_its_policy_and_formulas_are_drawn_where_there_are_some(pages, site):
    for address, html in {**pages, "404.html": (site / "404.html").read_text()}.items():
        assert html.count('http-equiv="Content-Security-Policy"') == 1, address
        assert html.index("Content-Security-Policy") < html.index("<script"), address
        assert not re.search(r"\son\w+=\"|javascript:|\"=\"\"", re.sub(r"<pre.*?</pre>", "", html, flags=re.S)), address
        drawn, needed = "katex.min.js" in html, bool(re.search(r'class="arithmatex"|\$[^$\n]+\$', html))
        assert drawn or not needed, address
    assert "katex" not in pages[""] or "arithmatex" in pages[""]


@pytest.mark.site
def test_what_is_not_found_has_the_search_and_all_pages(site):
    html = (site / "404.html").read_text()
    path = "/" + SITE_URL.split("/", 3)[3]
    assert 'name="query"' in html
    for script in SCRIPTS:
        assert f'href="{path}lessons/{key(script)}/"' in html
    assert f'src="{path}assets/javascripts/page.js"' in html


# In a browser


@pytest.mark.site
@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("lessons/the_los/", "lessons/the_loss/"),
        (f"notebooks/{SCRIPTS[4].stem}.ipynb", f"lessons/{key(SCRIPTS[4])}/"),  # as it was called
        ("api/advantage.html", "api/advantages/"),
        ("frequent-questions/index.html", "questions/"),  # its title
        ("wp-login.php", None),
    ],
)
def test_a_wrong_address_is_answered_by_the_pages_with_a_name_most_like_it(page, site, address, meant):
    root = SITE_URL.split("/", 3)[3]
    body = (site / "404.html").read_text().replace(f'="/{root}', '="/')
    page.route(f"**/{address}", lambda route: route.fulfill(status=404, body=body, content_type="text/html"))
    page.goto(address)
    links = page.locator("article .asks a").evaluate_all("links => links.map((one) => one.pathname.slice(1))")
    assert links[:1] == ([meant] if meant else [])
    assert len(links) <= 3


@pytest.mark.site
@pytest.mark.parametrize("width", [390, 320])
def test_a_long_title_is_whole_in_the_header_of_a_phone(page, width):
    page.set_viewport_size({"width": width, "height": 844})
    for address in ("lessons/ppo_and_grpo/", "api/token_weights/"):
        page.goto(address, wait_until="domcontentloaded")
        title = page.locator(".md-header__topic .md-ellipsis").last
        assert title.evaluate("one => one.scrollWidth <= one.clientWidth && one.offsetHeight <= 44")


@pytest.mark.site
def test_what_gets_into_a_page_is_not_run(page):
    page.goto("")
    page.evaluate(
        """() => {
          document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='document.title = 1'>");
          document.body.append(Object.assign(document.createElement("script"), { textContent: "document.title = 2" }));
        }"""
    )
    page.wait_for_timeout(300)
    assert page.title() not in ("1", "2")


@pytest.mark.site
def test_a_lesson_is_ticked_off_and_forgotten_and_its_contents_are_one_step_away(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("lessons/group_advantages/")
    box = page.get_by_role("checkbox", name="I have done this lesson")
    box.check()
    page.reload()
    assert box.is_checked()
    page.get_by_role("button", name="Contents").click()
    entry = page.get_by_role("navigation", name="Contents").get_by_role("link").nth(2)
    assert entry.bounding_box()["height"] >= 44
    entry.click()
    assert page.evaluate("location.hash.length > 1 && scrollY > 0")
    assert not entry.is_visible()
    page.goto("lessons/")
    assert page.locator(".map a.is-done").count() == 1
    page.get_by_text("You have done 1 of").wait_for()
    page.get_by_role("button", name="Forget").click()
    assert page.locator(".is-done").count() == 0
    assert page.evaluate("localStorage.getItem('grpo-lite:done')") == "[]"


@pytest.mark.site
def test_from_a_disk_a_link_leads_to_a_page_and_what_cannot_run_says_so(browser, site):
    tab = browser.new_page()
    tab.goto((site / "index.html").as_uri())
    tab.get_by_text("Opened from a disk").wait_for()
    tab.locator("article a[href*='lessons/']").first.click()
    tab.get_by_text("Last changed").or_(tab.get_by_text("Edit this page")).first.wait_for()
    assert re.search(r"/lessons/\w+/index\.html$", tab.url)
    tab.close()
