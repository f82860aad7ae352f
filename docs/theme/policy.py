"""MkDocs hook, the last one: what a page may load, and what it need not.

The content security policy allows files of the site and the inline scripts and styles that the build has put there, by
their hashes. Style attributes are allowed, since plots are made of them; they cannot run anything.
"""

import base64
import hashlib
import re

INLINE = re.compile(r"<(script|style)\b(?P<attributes>[^>]*)>(?P<text>.*?)</\1>", re.S)
MATHEMATICS = re.compile(r"<(?:script|link)\b[^>]*(?:katex/|javascripts/(?:math|symbols)\.js)[^>]*>(?:</script>)?\n?")
FORMULA = re.compile(r'class="arithmatex"|\$[^$\n]+\$')
BUILDING = {"serve": False}


def on_startup(command, dirty):
    """`mkdocs serve` adds a script of its own that no hash foresees."""
    BUILDING["serve"] = command == "serve"


def on_post_page(output, page, config):
    """Leave out what draws formulas where there are none, and put the policy before everything else."""
    return guarded(output if FORMULA.search(page.content) else MATHEMATICS.sub("", output))


def on_post_template(output_content, template_name, config):
    """The page for what is not found."""
    return guarded(MATHEMATICS.sub("", output_content)) if template_name.endswith(".html") else output_content


def guarded(html):
    """The page with its policy."""
    if BUILDING["serve"]:
        return html
    return html.replace("<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{policy(html)}">', 1)


def policy(html):
    """What the page may do."""
    hashes = {"script": set(), "style": set()}
    for match in INLINE.finditer(html):
        if not re.search(r"\bsrc=|application/json", match["attributes"]):
            digest = hashlib.sha256(match["text"].encode()).digest()
            hashes[match[1]].add(f"'sha256-{base64.b64encode(digest).decode()}'")
    scripts, styles = (" ".join(["'self'", *sorted(hashes[kind])]) for kind in ("script", "style"))
    return (
        f"default-src 'self'; script-src {scripts}; style-src {styles}; style-src-attr 'unsafe-inline'; "
        "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'"
    )
