"""MkDocs hook: each page as Markdown beside it (`index.md`), and llms.txt, the list of all."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

import lessons
from facts import MODULE, file_of, folder
from markdown import Markdown

OPTION = re.compile(r'<details class="(right|wrong)"><summary>(.*?)</summary>(.*?)</details>\n*', re.S)
LAYOUT = re.compile(
    r"</?(?:div|figure|figcaption|section|button|small|span|details|summary|[a-z]+-explorer)\b[^>]*>\n?"
)
FIGURE = re.compile(r'<svg\b[^>]*aria-label="([^"]*)"[^>]*>.*?</svg>', re.S)
DRAWING = re.compile(r"<svg\b.*?(?:<title[^>]*>(.*?)</title>.*?(?:<desc[^>]*>(.*?)</desc>.*?)?)?</svg>", re.S)
ATTRIBUTES = re.compile(r"[ \t]*\{:?[ \t]*[.#][^{}\n]*\}")
LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)\s#]+)(#[^)\s]*)?(?=\))")


def on_post_page(output, page, config):
    """Write the copy of a page."""
    path = Path(page.file.abs_dest_path).with_name("index.md")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = of_lesson(page) if page.file.url in lessons.LESSONS else of_page(page, config)
    path.write_text(text.strip() + "\n", encoding="utf-8")
    return output


def on_post_build(config):
    """Write the list of pages, by the groups of the menu."""
    parts = [f"# {config.site_name}", f"> {config.site_description}"]
    for title, pages in PAGES.items():
        entries = [f"- [{page.title}]({page.canonical_url}index.md): {page.meta['description']}" for page in pages]
        parts += [f"## {title}", unescape("\n".join(entries))]
    (Path(config.site_dir) / "llms.txt").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


PAGES: dict[str, list] = {}
"""Group of the menu -> its pages; filled when the build has read the menu."""


def on_nav(nav, config, files):
    """Read the groups of the menu."""
    PAGES.clear()
    for page in nav.pages:
        group = page.ancestors[-1].title if page.ancestors else config.site_name
        PAGES.setdefault(group, []).append(page)


def of_lesson(page):
    """Text, code and outputs of a lesson; a figure is what its text says."""
    lesson = lessons.LESSONS[page.file.url]
    parts = []
    for cell in lessons.read_cells(lesson.file.abs_src_path):
        source = cell["source"].strip()
        if cell["cell_type"] == "markdown":
            parts.append(absolute(without_layout(OPTION.sub(_option, source)), _site(page)))
        elif cell["cell_type"] == "code" and source:
            parts.append(_fenced(source, "python"))
            parts += filter(None, (_output(output, cell) for output in cell["outputs"]))
    return "\n\n".join(parts)


def _option(match):
    kind, option, reply = match.groups()
    return f"- **{option}** ({kind}): {reply}\n"


def _output(output, cell):
    if "image/svg+xml" in output.get("data", {}):
        return f"*Figure: {cell['metadata'].get('alt', '')}*"
    if output["output_type"] == "error":
        text = f"{output['ename']}: {output['evalue']}"
    else:
        text = output.get("text") or output["data"].get("text/plain", "")
    return _fenced(text.rstrip(), "text") if text else ""


def _fenced(text, language):
    fence = "````" if "```" in text else "```"  # longer than any inside
    return f"{fence}{language}\n{text}\n{fence}"


def of_page(page, config):
    """Text of a page with what it includes; for the reference of a module, the module."""
    snippets = Markdown(extensions=["pymdownx.snippets"], extension_configs=config.mdx_configs)
    text = "\n".join(snippets.preprocessors["snippet"].run(page.markdown.split("\n")))
    text = FIGURE.sub(lambda match: f"*Figure: {unescape(match[1])}*", text)
    text = DRAWING.sub(lambda match: f"*Figure: {match[2] or match[1] or ''}*" if match[1] else "", text)
    text = absolute(without_layout(text), _site(page), page.file.src_uri.rpartition("/")[0] + "/")
    return MODULE.sub(lambda match: _code(file_of(match[1], folder(config))), text)


def without_layout(text):
    """The text without what only arranges it on a page; code stays as it is."""
    parts = re.split(r"(^```.*?^```|`[^`\n]+`)", text, flags=re.M | re.S)
    parts[::2] = [ATTRIBUTES.sub("", LAYOUT.sub("", part)) for part in parts[::2]]
    return re.sub(r"\n{3,}", "\n\n", "".join(parts))


def _code(path):
    return _fenced(path.read_text(encoding="utf-8").strip(), "python")


def _site(page):
    return page.canonical_url.removesuffix(page.url)


def absolute(text, site, folder="lessons/"):
    """Links to other files of the site as addresses, which lead there from wherever the copy is read."""

    def replace(match):
        inside = match[1].removeprefix("../docs/")
        base = "" if inside != match[1] else folder
        address = re.sub(r"(?:\d\d_)?(\w+)\.(?:md|ipynb)(?=$|\?)", r"\1/", inside).removesuffix("index/")
        return urljoin(site, base.lstrip("/") + address) + (match[2] or "")

    return LINK.sub(replace, text)
