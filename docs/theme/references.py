"""MkDocs hook: the API reference points to papers and to the lessons that build each function; lessons point back.

A docstring says `Source: Authors, title, eq. N (arXiv:NNNN.NNNNN). Built in lesson "TITLE".`; the page makes links of
it and puts the number of the lesson there, which stands in its file name and nowhere else.
"""

import json
import logging
import re
from html import escape, unescape
from pathlib import Path

from mkdocs.utils import get_relative_url

log = logging.getLogger("mkdocs.hooks.references")

API = "api/"
ARXIV = re.compile(r"\barXiv:(\d{4}\.\d{4,5})(v\d+)?")
ENTRY_OR_LESSON = re.compile(
    r'id="(?P<entry>grpo_lite[\w.]*)"|\blesson\s+(?P<quote>"|&quot;)(?P<title>[^"<>]+?)(?P=quote)'
)

LINK_OR_NAME = re.compile(r"<a\b.*?</a>|<code>(?P<name>grpo_lite(?:\.\w+)+)(?:\(\))?</code>", re.S)

_lessons: dict[str, tuple[str, str, set[str]]] = {}
"""Title of a lesson -> its number, its address and the names that it defines."""


def on_files(files, config):
    """Read which function is built where."""
    _lessons.clear()
    for file in files:
        if file.src_uri.endswith(".ipynb"):
            cells = json.loads(Path(file.abs_src_path).read_text(encoding="utf-8"))["cells"]
            title = re.match(r"# (?:\d\d )?(.+)", "".join(cells[0]["source"]))[1]
            _lessons[title] = (file.name[:2], file.url, defined_names(cells))
    return files


def defined_names(cells):
    """Names in the `define-NAME` tags of a notebook."""
    tags = [tag for cell in cells for tag in cell["metadata"].get("tags", [])]
    return {tag.removeprefix("define-") for tag in tags if tag.startswith("define-")}


def on_page_content(html, page, config, files):
    """Turn references into links."""
    if page.file.src_uri.startswith(API):
        html = html.replace(
            '<details class="mkdocstrings-source"', '<details class="mkdocstrings-source" data-search-exclude'
        )
        return link_lessons(link_papers(html), page)
    return link_names(html, must_resolve=page.file.src_uri.endswith(".ipynb"))


def link_papers(html):
    """`arXiv:2402.03300` -> a link to the paper."""
    return ARXIV.sub(r'<a href="https://arxiv.org/abs/\1\2">\g<0></a>', html)


def link_lessons(html, page):
    """`lesson "KL"` -> a link to the cell there that builds the function whose entry it stands in."""
    name = ""

    def replace(match):
        nonlocal name
        if match["entry"]:
            name = match["entry"].rpartition(".")[2]
            return match[0]
        title = " ".join(unescape(match["title"]).split())
        if title not in _lessons:
            log.warning('%s: there is no lesson "%s"', page.file.src_uri, title)
            return match[0]
        number, url, names = _lessons[title]
        anchor = f"#define-{name}" if name in names else ""
        return f'lesson <a href="{get_relative_url(url, page.url)}{anchor}">{number} {escape(title)}</a>'

    return ENTRY_OR_LESSON.sub(replace, html)


def link_names(html, must_resolve):
    """`grpo_lite.kl_k3` in code type -> a link to its entry, resolved by autorefs.

    A name without an entry fails the strict build in a lesson; a page of prose may name what has no entry.
    """
    kind = "" if must_resolve else " optional"

    def replace(match):
        if match["name"] is None:
            return match[0]
        return f'<autoref identifier="{match["name"]}"{kind}>{match[0]}</autoref>'

    return LINK_OR_NAME.sub(replace, html)
