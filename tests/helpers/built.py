"""The built site, served as a host would serve it, and a browser to look at it."""

import gzip
import http.server
import io
import re
import shutil
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "site"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync".split()
# One page of each kind.
KINDS = [
    "",
    "lessons/",
    "lessons/ratio_and_clipping/",
    "lessons/the_training_loop/",
    "explore/",
    "questions/",
]
KINDS += ["symbols/", "api/loss/"]
TEXT = (".html", ".css", ".js", ".json", ".svg", ".xml", ".ipynb")


def setting(name):
    """One line of mkdocs.yml; the file as a whole needs mkdocs' own loader."""
    return re.search(rf"^{name}: (.+)$", (ROOT / "mkdocs.yml").read_text(), re.M)[1]


def addresses():
    """The pages of the sitemap, as paths under the site."""
    found = re.findall(r"<loc>(.*?)</loc>", (SITE / "sitemap.xml").read_text())
    return [address.removeprefix(setting("site_url")) for address in found]


@cache
def compressed(path):
    return gzip.compress(path.read_bytes(), compresslevel=6, mtime=0)


class Host(http.server.SimpleHTTPRequestHandler):
    """Files of the site; text comes compressed, as from any host."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args):
        super().__init__(*args, directory=SITE)

    def end_headers(self):
        self.send_header("Cache-Control", "max-age=600")  # as GitHub Pages says it
        super().end_headers()

    def log_message(self, *args):
        pass

    def send_head(self):
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() and self.path.partition("?")[0].endswith("/") else path
        if path.suffix not in TEXT or not path.is_file():
            return super().send_head()
        body = compressed(path)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return io.BytesIO(body)


@contextmanager
def served():
    """The address of the site, on a port of its own."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()


@contextmanager
def chromium():
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()
