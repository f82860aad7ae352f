"""MkDocs hook: the notebooks beside docs/ become pages of the site.

mkdocs-jupyter makes an .ipynb a page and publishes the file for download. How the page is rendered is replaced here, so
that lessons get what pages have: links and anchors that a strict build checks, headings in the contents, the theme's
code blocks.

Tags: `setup` and `solution` fold a cell; `define-NAME` and `same-NAME` become anchors; `raises-exception` marks an
error or a warning that is meant; `diagram` leaves out the line of code that calls up a drawing, `drawing` folds a cell
that only draws; `figure-NAME` lets another page show the figure of a cell, by a line with
`![](https://SITE/lessons/KEY/#figure-NAME)`. Metadata: `alt` describes a figure, `caption` says its message, or, with
`same-NAME`, what was compared.
"""

import itertools
import logging
import re
from functools import partial
from html import escape
from pathlib import Path

import lessons
from bs4 import BeautifulSoup
from cells import ANCHORS, borrowed_figure, render_cells, tags
from cells import code as code_block
from markdown.extensions.toc import nest_toc_tokens, unique
from mistune import HTMLRenderer
from mkdocs.structure.files import File
from mkdocs.structure.pages import _RelativePathTreeprocessor
from mkdocs.structure.toc import get_toc
from mkdocs_jupyter.plugin import NotebookFile
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

log = logging.getLogger("mkdocs.hooks.notebooks")

META = "Minutes:"
ASKS = re.compile(r"(Predict|Play first|A guess to keep|Check yourself|Try it)\.$")  # what sets the reader to work
FIGURE = r"^!\[\]\({site}(?P<url>lessons/\w+/)#(?P<tag>figure-[\w-]+)\)$"
RECORDING = Path(__file__).resolve().parents[2] / "grpo_lite" / "data" / "recording.json"
SWITCH = """<button class="show-everything" type="button" role="switch" aria-checked="false" disabled>
Show everything</button>"""  # docs/assets/javascripts/folds.js switches it on
OVERVIEW = "<!-- the lessons, in the order of the menu -->"


def on_files(files, config):
    """Mount the notebooks, which Colab and Jupyter want outside docs/, at addresses without their numbers."""
    lessons.LESSONS.clear()
    for path in sorted((Path(config.config_file_path).resolve().parent / lessons.FOLDER).glob("*.ipynb")):
        plain = File.generated(config, f"lessons/{path.name[3:]}", abs_src_path=str(path))
        file = NotebookFile(plain, config.use_directory_urls, config.site_dir)
        file.abs_src_path = str(path)  # the wrapper forgets where a generated file comes from
        files.append(file)
        lessons.enter(file)
    # Lessons read it from the package, pages from here.
    files.append(File.generated(config, "assets/recording.json", abs_src_path=str(RECORDING)))
    return files


def on_nav(nav, config, files):
    """Read the groups of the menu."""
    lessons.GROUPS.clear()
    lessons.group(nav, partial(log.warning, "mkdocs.yml: %s"))


def on_pre_page(page, config, files):
    """Put our rendering in the place of mkdocs-jupyter's; runs after the plugin."""
    if is_lesson(page):
        page.render = partial(render, page)
    return page


def on_page_markdown(markdown, page, config, files):
    """Fill in what a page borrows from the lessons, so that there is no second copy to fall behind.

    The overview of all, and, in the place of an image whose address is that of a cell, the figure that the cell draws.
    """
    numbers = itertools.count(1)
    complain = partial(log.warning, "%s: %s", page.file.src_uri)

    def borrow(match):
        lesson = lessons.LESSONS.get(match["url"])
        cells = lessons.read_cells(lesson.file.abs_src_path) if lesson else []
        return borrowed_figure(cells, match["tag"], next(numbers), complain)

    if OVERVIEW in markdown:
        markdown = markdown.replace(OVERVIEW, lessons.overview(config, complain))
    if lessons.CORE in markdown:
        markdown = markdown.replace(lessons.CORE, str(lessons.core_minutes()))
    markdown = lessons.SOME.sub(lambda match: str(lessons.minutes_of(match[1])), markdown)
    return re.sub(FIGURE.format(site=re.escape(lessons.site(config))), borrow, markdown, flags=re.M)


def on_post_page(output, page, config):
    """Tidy what Markdown and the theme's templates leave: headers without a name, a tenth of a page in white space.

    The index of the search is made by then, and what told it apart is of no use to a reader.
    """
    output = re.sub(r' data-search-exclude(="")?', "", output).replace(' tabindex=""', "")
    output = re.sub(r"<th\b[^>]*>\s*</th>", "<td></td>", output)
    output = re.sub(r"(?<=</t[dh]>)\n", "", output)
    parts = re.split(r"(<pre\b.*?</pre>)", output, flags=re.S)
    parts[::2] = [re.sub(r"\s*\n\s*", "\n", part) for part in parts[::2]]
    menu, article, rest = "".join(parts).partition("<article")
    # Every page holds the whole menu, whose names fit without being cut off.
    menu = re.sub(r'<span class="md-ellipsis">\s*([^<]*?)\s*</span>\s*</a>', r"\1</a>", menu)
    return re.sub(r"(?<=>)\n|\n(?=<)", "", menu) + article + rest


def on_post_template(output_content, template_name, config):
    """The page for what is not found, where the styles are out of reach: icons have a size, no box shows."""
    bare = re.sub(r"<svg (?=[^>]*viewBox)(?![^>]*width=)", '<svg width="24" height="24" ', output_content)
    return re.sub(r'<input class="md-(?:toggle|option)"', r"\g<0> hidden", bare)


def is_lesson(page):
    """Whether a page comes from a notebook."""
    return page.file.src_uri.endswith(".ipynb")


def render(page, config, files):
    """Stand-in for `Page.render`: fill in content, title, contents and what the strict check of anchors reads."""
    lesson = LessonText(page, config, files)
    cells = lessons.read_cells(page.file.abs_src_path)
    page.content = render_cells(cells, lesson.text, lesson.warn)
    page.title = lesson.title
    page.toc = get_toc(nest_toc_tokens(lesson.headings))
    page.present_anchor_ids = lesson.ids | set(re.findall(r'\sid="([^"]+)"', page.content))
    page.links_to_anchors = lesson.links.links_to_anchors
    lesson.check(cells)


class TextRenderer(IPythonRenderer):
    """The dialect of Jupyter, without the anchors that mkdocs-jupyter patches into its headings."""

    heading = HTMLRenderer.heading

    def block_code(self, code, info=None):
        """What is fenced in the text looks like a cell, and scrolls by itself where it is wider than the page."""
        return code_block(code) if info == "python" else super().block_code(code, info)


class LessonText:
    """The text of one notebook on its way to a page: headings, links and names are collected as cells pass by."""

    def __init__(self, page, config, files):
        self.page, self.config, self.files = page, config, files
        self.number = lessons.LESSONS[page.file.url].number
        self.title = page.file.name
        self.headings: list[dict] = []
        self.ids: set[str] = set()
        self.has_meta = False
        self.links = _RelativePathTreeprocessor(page.file, files, config)
        self.slugify = config.mdx_configs["toc"]["slugify"]

    def warn(self, complaint):
        """A warning fails the strict build."""
        log.warning("%s: %s", self.page.file.src_uri, complaint)

    def text(self, source):
        """HTML of a Markdown cell."""
        html = MarkdownWithMath(renderer=TextRenderer(escape=False)).render(source)
        soup = BeautifulSoup(html, "html.parser")
        for heading in soup.find_all(re.compile("^h[1-6]$")):
            self._heading(heading, soup)
        for key, name in (("href", "a"), ("src", "img")):
            for link in soup.find_all(name, attrs={key: True}):
                link[key] = self._link(link[key])
        for paragraph in soup.find_all("p"):
            if paragraph.get_text().startswith(META):
                self._meta(paragraph)
            elif paragraph.strong and paragraph.contents[0] is paragraph.strong and ASKS.match(paragraph.strong.text):
                paragraph["class"] = "asks"
        return str(soup)

    def _heading(self, heading, soup):
        name, level = heading.get_text(), int(heading.name[1])
        heading["id"] = unique(self.slugify(name, "-"), self.ids)
        if level == 1:
            self.title = name = f"{self.number} {name}"
            heading.insert(0, f"{self.number} ")
        else:
            mark = soup.new_tag("a", href=f"#{heading['id']}", title="Permanent link", attrs={"class": "headerlink"})
            mark.string = "¶"
            heading.append(mark)
        self.headings.append({"level": level, "id": heading["id"], "name": escape(name, quote=False)})

    def _link(self, url):
        """Resolve a link as mkdocs does, from the path that works in Jupyter and on GitHub."""
        if url.startswith("../docs/"):
            url = "../" + url.removeprefix("../docs/")
        elif url.startswith("../"):
            self.warn(f"the link '{url}' leaves the notebooks; a page of the site is written '../docs/NAME.md'")
            return url
        return self.links.path_to_url(url)

    def _meta(self, paragraph):
        """`**Minutes:** 15 · **Needs:** ... · **Gives:** ...`, with the two ways to take the lesson along."""
        self.has_meta = True
        facts = paragraph.decode_contents().split(" · ")
        spans = "".join(f"<span>{fact.replace(':</strong>', '</strong>')}</span>" for fact in facts)
        bar = f'<p class="lesson-meta">{spans}</p>{self.take_along()}'
        bar = f'<div class="lesson-bar" data-search-exclude>{bar}</div>'
        paragraph.replace_with(BeautifulSoup(bar, "html.parser"))

    def take_along(self):
        """Links to the lesson in Colab and to its file."""
        name = Path(self.page.file.abs_src_path).name
        colab = self.config.repo_url.replace("//github.com/", "//colab.research.google.com/github/").rstrip("/")
        return (
            f'<p class="lesson-links">{SWITCH}<a href="{colab}/blob/main/{lessons.FOLDER}/{name}">Open in Colab</a>'
            f'<a href="{name}" download>Download notebook</a></p>'
        )

    def check(self, cells):
        """Warn about what every lesson must have."""
        if not self.has_meta:
            self.warn(f"no line '**{META}** ... · **Needs:** ... · **Gives:** ...'")
        elif (took := lessons.minutes(cells)) != (said := int(lessons.HEAD.search(cells[0]["source"])["minutes"])):
            self.warn(f"the head says {said} minutes, and it takes {took}: run `make minutes`")
        seen = [tag for cell in cells for tag in tags(cell) if tag.startswith(ANCHORS)]
        for tag in sorted({tag for tag in seen if seen.count(tag) > 1}):
            self.warn(f"the tag {tag} stands on more than one cell")
