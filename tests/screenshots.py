"""A picture of each page, in both colour schemes and at three widths, and one page to leaf through them.

Usage: `make screenshots`, then open build/screenshots/index.html; or `python tests/screenshots.py explore/ api/loss/`.
"""

import sys
from html import escape

from helpers.built import ROOT, addresses, chromium, served

FOLDER = ROOT / "build" / "screenshots"
WIDTHS = (1440, 820, 390)
SCHEMES = ("light", "dark")


def take(pages):
    """Save the pictures; returns the name of the picture for each page, scheme and width."""
    names = {}
    with served() as server, chromium() as browser:
        for scheme in SCHEMES:
            for width in WIDTHS:
                size = {"width": width, "height": 900}
                context = browser.new_context(base_url=server, viewport=size, color_scheme=scheme)
                tab = context.new_page()
                for page in pages:
                    tab.goto(page, wait_until="networkidle")
                    name = f"{page.strip('/').replace('/', '-') or 'home'}-{scheme}-{width}.jpg"
                    tab.screenshot(path=FOLDER / name, full_page=True, type="jpeg", quality=80)
                    names[page, scheme, width] = name
                context.close()
    return names


def album(names, pages):
    """A page with all pictures, each a link to itself."""
    rows = []
    for page in pages:
        rows.append(f"<h2>/{escape(page)}</h2><p>")
        for scheme in SCHEMES:
            for width in WIDTHS:
                name = names[page, scheme, width]
                alt = f"{page or 'home'}, {scheme}, {width} px"
                rows.append(f'<a href="{name}"><img src="{name}" alt="{alt}" width="{width // 4}" loading="lazy"></a>')
        rows.append("</p>")
    style = "body { font: 16px sans-serif } img { border: 1px solid grey; vertical-align: top }"
    text = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Pages</title><style>{style}</style>'
    (FOLDER / "index.html").write_text(text + "\n".join(rows))


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    chosen = sys.argv[1:] or addresses()
    album(take(chosen), chosen)
    print(FOLDER / "index.html")
