"""What a cell has written reaches a page as a table or a picture, and as nothing else: no script, no form, no request.

An output is what a program printed, which may repeat a text that nobody here has read. So only what is listed stays.
"""

import re
from collections.abc import Callable
from xml.etree import ElementTree

import bleach

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", XLINK)

IN_TABLES = set("table thead tbody tr th td div p span br code pre b strong i em sub sup ul ol li".split())
OF_CELLS = {"*": ["class"], "th": ["scope", "colspan", "rowspan"], "td": ["colspan", "rowspan"]}

SHAPES = set("svg g defs use clipPath path rect circle ellipse line polyline polygon text tspan style a".split())
DROPPED = {"metadata", "title", "desc"}
"""What every file has and no page needs, with all that is in it."""
LOOKS = re.compile(
    r"id|class|d|x[12]?|y[12]?|r[xy]?|c[xy]|width|height|points|viewBox|version|transform|style|clip-path|href"
)
FOREIGN = re.compile(r"url\((?!#)|@import|\\", re.I)
"""In a style: what would ask another place, or hides what it says."""
OWN_RULES = re.compile(r"(\s*\.diagram\b[^{}]*\{[^{}]*\})*\s*")


def table(html: str) -> str:
    """HTML of an output with nothing but tables and their text."""
    html = re.sub(r"<(style|script)\b.*?</\1\s*>", "", html, flags=re.S | re.I)  # with what they say
    return bleach.clean(html, IN_TABLES, OF_CELLS, strip=True, strip_comments=True)


def picture(svg: str, warn: Callable[[str], None]) -> str:
    """SVG of an output with nothing but shapes and text.

    Args:
        svg: the file.
        warn: is told what was taken out, apart from what every file of matplotlib has.
    """
    try:
        root = ElementTree.fromstring(svg[svg.index("<svg") :])
    except (ElementTree.ParseError, ValueError) as error:
        warn(f"a figure is no SVG that can be read: {error}")
        return "<svg></svg>"
    _tidy(root, warn)
    return ElementTree.tostring(root, encoding="unicode")


def _tidy(element: ElementTree.Element, warn: Callable[[str], None]) -> None:
    # A reader may follow a link to another place; what is drawn comes from here.
    targets = ("#", "https://") if element.tag.endswith("}a") else ("#",)
    for key, value in list(element.attrib.items()):
        name = key.rpartition("}")[2]
        if not LOOKS.fullmatch(name) or (name == "href" and not value.startswith(targets)) or FOREIGN.search(value):
            del element.attrib[key]
            if name != "type" and not name.startswith(("aria-", "role")):
                warn(f"a figure has the attribute {name}={value[:40]!r}, which is left out")
    for child in list(element):
        space, _, name = child.tag.rpartition("}")
        # matplotlib's style is a rule for *, which would reach every picture of the page.
        foreign_rules = name == "style" and not OWN_RULES.fullmatch(child.text or "")
        if space.strip("{") in ("", SVG) and name in SHAPES and not foreign_rules:
            _tidy(child, warn)
            continue
        if name not in DROPPED and not (name == "style" and child.text.startswith("*{")):
            warn(f"a figure has the element {name}, which is left out")
        element.remove(child)
