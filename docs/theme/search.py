"""MkDocs hook: what the search finds first, and when its index is loaded.

The theme's own search stays; only its worker is started by one of ours (docs/assets/javascripts/search.js), which waits
until a reader turns to the field. The theme loads `search_index.json` with each page, so that file says only that there
is nothing to index, and what there is lies beside it.
"""

import json
import re
from pathlib import Path

from aliases import ALIASES
from formulas import readable

# How much a page counts. An entry of the reference has a short title, and would come before the page that explains.
WEIGHTS = {
    "lessons/": 3,
    "questions/": 4,
    "summary/": 4,
    "": 1,
    "api/": 0.2,
    "checked/": 0.3,
    "parity/": 0.3,
    "architecture/": 0.3,
}
OVERVIEW = re.compile(r"lessons/(#(?!on-your-own-machine)|$)")  # repeats the titles of all lessons
WORKER = re.compile(r"assets/javascripts/(workers/search\.\w+\.min\.js)")


def on_post_page(output, page, config):
    """Name our worker in the place of the theme's, and the theme's as what ours starts."""
    return WORKER.sub(r"assets/javascripts/search.js?\1", output)


def on_post_template(output_content, template_name, config):
    """The page for what is not found has a search, too."""
    return WORKER.sub(r"assets/javascripts/search.js?\1", output_content)


def on_post_build(config):
    """Sort out the index that the theme's plugin has written."""
    folder = Path(config.site_dir) / "search"
    index = json.loads((folder / "search_index.json").read_text(encoding="utf-8"))
    for entry in index["docs"]:
        place = entry["location"]
        entry["boost"] = weight(place)
        for key in ("title", "text"):
            # A star in a word would stand for any letters, and lead to words that are not there.
            entry[key] = readable(entry[key]).replace("*", "\N{ASTERISK OPERATOR}")
        if re.fullmatch(r"lessons/\w+/", place):
            entry["number"], _, entry["title"] = entry["title"].partition(" ")  # the worker shows it again
        if place in ALIASES:
            entry["tags"] = ALIASES[place]
    text = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    (folder / "docs.json").write_text(text, encoding="utf-8")
    (folder / "search_index.json").write_text(json.dumps({"config": index["config"], "docs": []}), encoding="utf-8")


def weight(place):
    """How much the entry at an address counts."""
    if OVERVIEW.match(place):
        return 0.1
    return next((WEIGHTS[start] for start in WEIGHTS if start and place.startswith(start)), WEIGHTS[""])
