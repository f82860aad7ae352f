"""MkDocs hook: what a page says of itself, to search engines, to those who link to it, and at its foot.

All of it is derived: the description is the first paragraph, the day that of the last commit of the page's file, the
version that of the package. Without git, as in an unpacked archive, a page has no day.
"""

import re
import subprocess
import tomllib
from datetime import date
from html import escape, unescape
from pathlib import Path

import cards
import lessons
from formulas import readable

PARAGRAPH = re.compile(r"<p>(?!<strong>Minutes)(.+?)</p>", re.S)
MODULE = re.compile(r"^::: (grpo_lite[\w.]*)$(?:\n {4}.*)*", re.M)
LONGEST = 200

DAYS: dict[str, str] = {}
"""File -> day of its last commit, the latest first."""


def on_config(config):
    """Ask once for what holds for all pages."""
    root = folder(config)
    project = root / "pyproject.toml"
    project = tomllib.loads(project.read_text(encoding="utf-8"))["project"] if project.exists() else {}
    config.extra["version_of_package"] = project.get("version", "")
    DAYS.clear()
    for name, day in commits(root):
        DAYS.setdefault(name, day)


def folder(config):
    """The repository."""
    return Path(config.config_file_path).resolve().parent


def commits(root):
    """Yield each file of each commit with its day, the newest first."""
    command = ["git", "log", "--format=%x00%cs", "--name-only", "--relative", "--no-renames"]
    try:
        log = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return
    for commit in log.split("\0")[1:]:
        day, *names = commit.split("\n")
        yield from ((name, day) for name in names if name)


def on_page_content(html, page, config, files):
    """Put it where the templates find it."""
    path = source(page, folder(config))
    day = DAYS.get(path)
    page.meta.setdefault("description", escape(description(html)))
    page.meta["edit"] = f"{config.repo_url.rstrip('/')}/edit/main/{path}"
    page.meta["changed"] = f"{(when := date.fromisoformat(day)).day} {when:%B %Y}" if day else ""
    page.meta["card"] = cards.name(page)
    page.meta["lesson"] = page.file.name if page.file.url in lessons.LESSONS else ""


def source(page, root):
    """The file that one edits to change a page, from the root: a script, a module, or the page itself."""
    if page.file.url in lessons.LESSONS:
        return f"{lessons.FOLDER}/{Path(page.file.abs_src_path).stem}.py"
    module = MODULE.search(page.markdown or "")
    return str(file_of(module[1], root).relative_to(root)) if module else f"docs/{page.file.src_uri}"


def file_of(dotted, root):
    """The file of a module, or of what stands in one."""
    path = root.joinpath(*dotted.split("."))
    if path.is_dir():
        return path / "__init__.py"
    module = path.with_suffix(".py")
    return module if module.exists() else file_of(dotted.rpartition(".")[0], root)


def description(html):
    """The first paragraph, as many of its sentences as fit, or as many words."""
    paragraph = PARAGRAPH.search(html)
    text = readable(unescape(re.sub(r"<[^>]+>", "", paragraph[1]))) if paragraph else ""
    text = re.sub(r":$", ".", " ".join(text.split()))
    if len(text) <= LONGEST:
        return text
    start = text[:LONGEST]
    sentences = re.match(r".*[.?](?= )", start)
    return sentences[0] if sentences else start.rpartition(" ")[0] + " …"
