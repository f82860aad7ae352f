"""Outputs of cells on their way to a page: tables and pictures pass, what acts or asks another place does not."""

import re

import pytest

from helpers.built import ROOT
from helpers.lessons import SCRIPTS, stored


@pytest.fixture
def clean(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "theme")
    import clean

    return clean


def outputs(kind):
    for script in SCRIPTS:
        for cell in stored(script).cells:
            for output in cell.get("outputs", []):
                if kind in output.get("data", {}):
                    yield "".join(output["data"][kind])


HOSTILE = [
    "<script>steal()</script>",
    "<SCRIPT SRC=//host/x.js></SCRIPT>",
    "<img src=x onerror=steal()>",
    "<svg onload=steal()></svg>",
    '<iframe srcdoc="<script>steal()</script>"></iframe>',
    "<a href='javascript:steal()'>press</a>",
    "<form action=//host><input name=steal></form>",
    "<style>td { background: url(//host/steal) }</style>",
    "<td style='background: url(//host/steal)' onclick='steal()'>1</td>",
    "<math><mtext><table><mglyph><style><img src=x onerror=steal()>",
    "<!--<img src=x onerror=steal()>-->",
    "<link rel=stylesheet href=//host/steal>",
    "<meta http-equiv=refresh content=0;//host/steal>",
]


@pytest.mark.parametrize("html", HOSTILE)
def test_of_html_only_tables_and_their_text_are_left(clean, html):
    rows = "<thead><tr><th>G</th></tr></thead><tbody><tr><td><code>a &lt; b</code></td></tr></tbody>"
    kept = clean.table(f"<table>{rows}</table>{html}")
    assert kept.startswith(f"<table>{rows}</table>")
    live = re.findall(r"<[^>]*>", kept)
    assert not [tag for tag in live if re.search(r"script|on\w+=|//|style|href|src|form|input|svg|math|link|meta", tag)]


PLANTED = {
    "<script>steal()</script>": "script",
    "<foreignObject><img src='x' onerror='steal()'/></foreignObject>": "foreignObject",
    "<image href='https://host/steal.png'/>": "image",
    "<use href='https://host/x.svg#steal' onclick='steal()'/>": "onclick",
    "<use href='data:image/svg+xml,steal'/>": "href",
    "<a href='javascript:steal()'><text>press</text></a>": "href",
    "<path d='M0 0' style='fill: url(//host/steal)'/>": "style",
    "<path d='M0 0' style='fill: u\\72l(//host/steal)'/>": "style",
    "<style>path { fill: red }</style>": "style",
    "<style>.diagram .x{fill:none} body{background:url(//host/steal)}</style>": "style",
    "<animate attributeName='href' values='javascript:steal()'/>": "animate",
    "<set attributeName='onclick' to='steal()'/>": "set",
}


@pytest.mark.parametrize("planted", PLANTED)
def test_of_svg_only_shapes_and_text_are_left_and_the_rest_is_told(clean, planted):
    shapes = '<g id="a"><path d="M0 0" style="fill: #808080"/><use xlink:href="#a"/><text x="1">1 &lt; 2</text></g>'
    start = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">'
    complaints = []
    kept = clean.picture(f"{start}{shapes}{planted}</svg>", complaints.append)
    assert any(f" {PLANTED[planted]}" in complaint for complaint in complaints)
    for word in ("steal", "host", "javascript", "animate", "onclick", "body"):
        assert word not in kept
    for shape in ('d="M0 0" style="fill: #808080"', 'href="#a"', ">1 &lt; 2</text>"):
        assert shape in kept


@pytest.mark.parametrize("broken", ["no picture", "<svg><g></svg>", "<svg>&steal;</svg>"])
def test_what_is_no_svg_is_told_and_not_shown(clean, broken):
    complaints = []
    assert clean.picture(broken, complaints.append) == "<svg></svg>"
    assert "no SVG" in complaints[0]


def test_nothing_is_taken_from_the_lessons(clean):
    pictures, complaints = list(outputs("image/svg+xml")), []
    assert len(pictures) > 60
    for svg in pictures:
        kept = clean.picture(svg, complaints.append)
        for part in (
            r"<(?:path|use|text|rect|circle|clipPath)\b",
            r'\bd="',
            r'style="',
            r"url\(#",
            r'href="#',
            r"(?<=>)[^<>\s][^<>]*(?=</text>)",
        ):
            assert len(re.findall(part, kept)) == len(re.findall(part, svg.replace("<style", "")))
    assert not complaints
    for html in outputs("text/html"):
        assert clean.table(html) == html
