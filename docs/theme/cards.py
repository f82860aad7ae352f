"""MkDocs hook: the picture that stands beside a link to a page, and the icon on the screen of a phone.

A lesson shows its first plot; the other pages share the one of the home page. Drawn by resvg with the fonts that come
with matplotlib, so that they look the same everywhere, and kept in `.cache`, so that they are drawn once.
"""

import hashlib
import logging
import re
import textwrap
from html import escape, unescape
from importlib.util import find_spec
from pathlib import Path

import lessons
from cells import tags
from clean import picture

log = logging.getLogger("mkdocs.hooks.cards")

FOLDER = "assets/cards"
HOME = "watch_it_learn"
"""The lesson whose plot stands for the whole site."""
WIDTH, HEIGHT = 1200, 630
DRAWN = find_spec("resvg_py") is not None


def name(page):
    """Address of the card of a page."""
    if not DRAWN:
        return ""
    return f"{FOLDER}/{page.file.name if page.file.url in lessons.LESSONS else 'home'}.png"


def on_post_build(config):
    """Draw the cards and the icon."""
    if not DRAWN:
        log.info("No cards: pip install resvg-py")
        return
    site, cache = Path(config.site_dir), Path(config.config_file_path).resolve().parent / ".cache" / "cards"
    (site / FOLDER).mkdir(parents=True, exist_ok=True)
    cache.mkdir(parents=True, exist_ok=True)
    logo = (Path(config.docs_dir) / config.theme["favicon"]).read_text(encoding="utf-8")
    (site / "assets" / "touch-icon.png").write_bytes(_kept(_sized(logo, width=180, height=180), cache))
    for lesson in lessons.LESSONS.values():
        plot = key_figure(lessons.read_cells(lesson.file.abs_src_path))
        says = {lesson.file.name: (lesson.title, unescape(lesson.file.page.meta["description"]))}
        if lesson.file.name == HOME:
            says["home"] = config.site_description.split(": ", 1)
        for stem, (title, sentence) in says.items():
            svg = card(title, sentence, plot, logo, config.site_name)
            (site / FOLDER / f"{stem}.png").write_bytes(_kept(svg, cache))


def key_figure(cells):
    """The first plot of a lesson, or its first diagram if it has no plot."""
    figures = [
        ("diagram" in tags(cell), output["data"]["image/svg+xml"])
        for cell in cells
        for output in cell.get("outputs", [])
        if "image/svg+xml" in output.get("data", {})
    ]
    return min(figures, key=lambda figure: figure[0])[1] if figures else ""


def card(title, sentence, figure, logo, site_name):
    """SVG of a card: title and sentence on the left, the figure on the right, and whose it is."""
    heading, text = textwrap.wrap(title, 15), textwrap.wrap(sentence, 34 if figure else 84)
    below = 118 + 56 * len(heading)
    words = _lines(heading, 104, 56, 'font-size="46" font-weight="bold" fill="#1f2429"')
    words += _lines(text, below, 34, 'font-size="23" fill="#545c64"')
    shown = ""
    if figure:
        # A diagram names its colours by role, with a tone for where the style sheet is not.
        plain = re.sub(r"var\(--[\w-]+,(#\w+|none)\)", r"\1", picture(figure, log.warning))
        shown = _sized(plain.replace("#808080", "#4a5258"), x=540, y=50, width=620, height=540)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="DejaVu Sans">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fdfdfc"/><rect width="{WIDTH}" height="14" fill="#0f6b74"/>'
        f"{words}{shown}{_sized(logo, x=60, y=HEIGHT - 72, width=40, height=40)}"
        f'<text x="116" y="{HEIGHT - 43}" font-size="26" fill="#545c64">{escape(site_name)}</text></svg>'
    )


def _lines(lines, top, step, look):
    return "".join(f'<text x="60" y="{top + step * i}" {look}>{escape(line)}</text>' for i, line in enumerate(lines))


def _sized(svg, **box):
    """The picture in a box; what it had of its own is the scale."""
    opening, rest = re.match(r"(.*?<svg\b[^>]*)(>.*)", svg, re.S).groups()
    if "viewBox" not in opening:
        raise ValueError(f"a figure without a viewBox cannot be scaled: {opening[:80]}")
    opening = re.sub(r' (x|y|width|height)="[^"]*"', "", opening[opening.index("<svg") :])
    return opening + "".join(f' {key}="{value}"' for key, value in box.items()) + rest


def _kept(svg, cache):
    """PNG of a picture, drawn unless it was before."""
    path = cache / f"{hashlib.sha256(svg.encode()).hexdigest()[:24]}.png"
    if not path.exists():
        import resvg_py

        fonts = Path(find_spec("matplotlib").origin).parent / "mpl-data" / "fonts" / "ttf"
        png = resvg_py.svg_to_bytes(
            svg,
            skip_system_fonts=True,
            font_files=sorted(map(str, fonts.glob("DejaVuSans*.ttf"))),
            font_family="DejaVu Sans",
            sans_serif_family="DejaVu Sans",
            monospace_family="DejaVu Sans Mono",
        )
        path.write_bytes(bytes(png))
    return path.read_bytes()
