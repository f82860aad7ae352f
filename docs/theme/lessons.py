"""What the build knows of the lessons, and the one place where they get their numbers.

A lesson is a file `notebooks/NN_KEY.ipynb`, and its number stands in that name alone. Its page is `lessons/KEY/`, so
that links survive a move. Texts call it by its title and link to that address in full, `[The leash](https://SITE/lessons/the_leash/)`,
which leads somewhere from Jupyter, Colab and GitHub too.

Run as a script, it writes the minutes that a lesson takes into its head and into the drawn map.
"""

import json
import math
import re
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from cells import FOLDS, WORK, split_code, tags
from folds import CHECK
from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

FOLDER = "notebooks"
HEAD = re.compile(r"\*\*Minutes:\*\* (?P<minutes>\d+) · \*\*Needs:\*\* (?P<needs>.+) · \*\*Gives:\*\* (?P<gives>.+)")
LINK = r'<a\b(?P<before>[^>]*) href="{site}(?P<url>lessons/\w+/)(?P<anchor>#[^"]*)?"(?P<after>[^>]*)>(?P<text>.*?)</a>'
CORE = "<!-- minutes of the core path -->"
NEED = re.compile(r"\[([^]]+)\]\(([^)]+)\)")
SOME = re.compile(r"<!-- minutes of ([\w ]+) -->")
PLACE = re.compile(r'(class="[^"]*\bnumber\b[^"]*"[^>]*>)(?=</)')


WORDS, LINE, FIGURE, PLAY = 60 / 200, 2.5, 20, 60
"""Seconds that a reader needs for a word, a line of code, a figure, an explorer or question."""


class Lesson(NamedTuple):
    """One lesson: its file on the site, its place, its title, its first cell and the names that it defines."""

    file: File
    number: str
    title: str
    head: str
    builds: set[str]


LESSONS: dict[str, Lesson] = {}
"""Address -> lesson; filled when the build has found its files."""

GROUPS: dict[str, list[Lesson]] = {}
"""Group of the menu -> its lessons; filled when the build has read the menu."""


def site(config):
    """Address of the site as mkdocs.yml says it; `mkdocs serve` puts its own in the place of `config.site_url`."""
    return config.user_configs[0]["site_url"]


def read_cells(path):
    """Cells of a notebook."""
    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        _join_lines(cell)
    return cells


def _join_lines(cell):
    """The file format stores text as lists of lines."""
    cell["source"] = "".join(cell["source"])
    for output in cell.get("outputs", []):
        for holder, key in [(output, "text"), *((output.get("data", {}), name) for name in output.get("data", {}))]:
            if isinstance(holder.get(key), list):
                holder[key] = "".join(holder[key])


def enter(file):
    """Put the lesson of a file into the table."""
    cells = read_cells(file.abs_src_path)
    tags = [tag for cell in cells for tag in cell["metadata"].get("tags", [])]
    builds = {tag.removeprefix("define-") for tag in tags if tag.startswith("define-")}
    head = cells[0]["source"]
    title = head.partition("\n")[0].removeprefix("# ")
    LESSONS[file.url] = Lesson(file, Path(file.abs_src_path).name[:2], title, head, builds)


def measured(cells):
    """Words, lines of code, figures, and explorers and questions that stand open in a lesson; its solutions do not.

    What follows a prediction counts: it is there to be opened. A question counts as such, and not by its words.
    """
    words = lines = figures = plays = 0
    for cell in cells:
        if set(tags(cell)) & set(FOLDS) or cell["source"] == WORK:
            continue
        if cell["cell_type"] == "code":
            lines += _lines(split_code(cell)[0])
            figures += sum("image/svg+xml" in output.get("data", {}) for output in cell["outputs"])
            continue
        text, fences = _without(r"^```.*?^```", cell["source"])
        text, answers = _without(r"<details class=\"(?:right|wrong)\">.*?</details>", text)
        text, questions = _without(rf"^\*\*{re.escape(CHECK)}\*\*.*?(?:\n\n|\Z)", text)
        text, explorers = _without(r"<\w+-[\w-]+[^>]*>.*?</\w+-[\w-]+>", text)
        text = re.sub(r"<[^>]*>|\]\([^)]*\)|^\*\*Minutes:.*$", " ", text, flags=re.M)
        lines += sum(_lines(fence) - 2 for fence in fences)
        plays += len(questions) + len(explorers)
        words += len(re.findall(r"\S*\w\S*", text))
    return words, lines, figures, plays


def _without(pattern, text):
    """A text without what a pattern finds, and what it has found."""
    return re.sub(pattern, "", text, flags=re.M | re.S), re.findall(pattern, text, flags=re.M | re.S)


def _lines(source):
    return sum(bool(line.strip()) for line in source.splitlines())


def minutes(cells):
    """How long a lesson takes, rounded up to 5 minutes; the one place of this rule."""
    seconds = sum(n * cost for n, cost in zip(measured(cells), (WORDS, LINE, FIGURE, PLAY), strict=True))
    return 5 * math.ceil(seconds / 300)


def minutes_of(keys):
    """The minutes of some lessons, as their heads say them."""
    return sum(int(HEAD.search(LESSONS[f"lessons/{key}/"].head)["minutes"]) for key in keys.split())


def core_minutes():
    """The minutes of the first group of the menu, as its heads say them; one that says none has its own warning."""
    heads = (HEAD.search(lesson.head) for lesson in next(iter(GROUPS.values())))
    return sum(int(head["minutes"]) for head in heads if head)


def group(nav, warn):
    """Read from the menu which lessons belong together, and whether it has them in the order of their numbers."""
    for section in nav.items:
        found = [LESSONS[item.url] for item in section.children or [] if item.is_page and item.url in LESSONS]
        if found:
            GROUPS[section.title] = found
    for first, then in pairwise(lesson for lessons in GROUPS.values() for lesson in lessons):
        if first.number >= then.number:
            warn(f"the menu has {first.number} {first.title} before {then.number} {then.title}")


def link(html, page, config, warn):
    """Make links within the site of the full addresses of lessons, with the number before a text that is the title.

    A drawing has no room for titles; there an empty element of the class `number` is filled.
    """

    def replace(match):
        lesson = LESSONS.get(match["url"])
        if lesson is None:
            warn(f"there is no lesson at {match['url']}")
            return match[0]
        title, text, anchor = escape(lesson.title, quote=False), match["text"], match["anchor"] or ""
        if title.lower() not in text.lower() and not anchor and not PLACE.search(text):
            warn(f"the link to {match['url']} says {text!r} and not {title!r}")
        if anchor:  # is checked with those that MkDocs has found itself
            page.links_to_anchors.setdefault(lesson.file, {})[anchor[1:]] = match["url"] + anchor
        text = (
            f"{lesson.number}\N{NO-BREAK SPACE}{text}" if text == title else PLACE.sub(rf"\g<1>{lesson.number}", text)
        )
        url = get_relative_url(lesson.file.url, page.url) + anchor
        return f'<a{match["before"]} href="{url}"{match["after"]}>{text}</a>'

    return re.sub(LINK.format(site=re.escape(site(config))), replace, html, flags=re.S)


def overview(config, warn):
    """Markdown that presents all lessons, by the groups of the menu; the questions are those of README.md."""
    readme = (Path(config.config_file_path).parent / "README.md").read_text(encoding="utf-8")
    row = re.compile(rf"^\| \[.+\]\({re.escape(site(config))}(lessons/\w+/)\) \| (.+) \|$", re.M)
    questions = dict(row.findall(readme))
    parts = []
    for title, lessons in GROUPS.items():
        # The menu has the bare title: no two landmarks of one name.
        rows = [f"## {title}, question by question\n"]
        for lesson in lessons:
            facts, question = HEAD.search(lesson.head), questions.get(lesson.file.url)
            if not question:
                warn(f"README.md has no question for {lesson.title}")
            elif facts:
                needs = NEED.sub(r'[<span class="number"></span>](\2){title="\1"}', facts["needs"])
                link = f"[{lesson.title}]({site(config)}{lesson.file.url})"
                rows.append(f"- {link} <span>{question}</span> <small>{facts['minutes']} min, needs {needs}</small>")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def write_minutes(root):
    """Put the minutes of each lesson into its script, its notebook and the drawn map, and say how they come about."""
    drawing = root / "docs/assets/map.svg"
    boxes, total = drawing.read_text(encoding="utf-8"), 0
    print("minutes  sum   words lines figures plays")
    for path in sorted((root / FOLDER).glob("[0-9]*.ipynb")):
        cells = read_cells(path)
        took = minutes(cells)
        total += took
        print(f"{took:7} {total:4}  {{:6}} {{:5}} {{:7}} {{:5}}  {path.stem}".format(*measured(cells)))
        for file in (path, path.with_suffix(".py")):
            text = file.read_text(encoding="utf-8")
            file.write_text(re.sub(r"\*\*Minutes:\*\* \d+", f"**Minutes:** {took}", text, count=1), encoding="utf-8")
        boxes = re.sub(rf'(/lessons/{path.stem[3:]}/".*?>)\d+( min<)', rf"\g<1>{took}\2", boxes)
    drawing.write_text(boxes, encoding="utf-8")


if __name__ == "__main__":
    write_minutes(Path(__file__).parents[2])
