"""MkDocs hook: the API reference points to papers and to the lessons that build each function; lessons point back.

A docstring says `Source: Authors, title, eq. N (arXiv:NNNN.NNNNN). Built in lesson "TITLE".`; the page makes links of
it and puts the number of the lesson there, which stands in its file name and nowhere else.
"""

import logging
import re
from functools import partial
from html import escape, unescape

import lessons
from mkdocs.utils import get_relative_url

log = logging.getLogger("mkdocs.hooks.references")

API = "api/"
ARXIV = re.compile(r"\barXiv:(\d{4}\.\d{4,5})(v\d+)?")
ENTRY_OR_LESSON = re.compile(
    r'id="(?P<entry>grpo_lite[\w.]*)"|\blesson\s+(?P<quote>"|&quot;)(?P<title>[^"<>]+?)(?P=quote)'
)

LINK_OR_NAME = re.compile(r"<a\b.*?</a>|<code>(?P<name>grpo_lite(?:\.\w+)+)(?:\(\))?</code>", re.S)


def on_page_content(html, page, config, files):
    """Turn references into links."""
    html = lessons.link(html, page, config, partial(log.warning, "%s: %s", page.file.src_uri))
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
    """`lesson "The leash"` -> a link to the cell there that builds the function whose entry it stands in."""
    name = ""

    def replace(match):
        nonlocal name
        if match["entry"]:
            name = match["entry"].rpartition(".")[2]
            return match[0]
        title = " ".join(unescape(match["title"]).split())
        lesson = next((lesson for lesson in lessons.LESSONS.values() if lesson.title == title), None)
        if lesson is None:
            log.warning('%s: there is no lesson "%s"', page.file.src_uri, title)
            return match[0]
        anchor = f"#define-{name}" if name in lesson.builds else ""
        url = get_relative_url(lesson.file.url, page.url)
        return f'lesson <a href="{url}{anchor}">{lesson.number}\N{NO-BREAK SPACE}{escape(title)}</a>'

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
