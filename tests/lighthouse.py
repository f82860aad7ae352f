"""Lighthouse on one page of each kind of the built site, as a desktop; part of `make browser`.

Accessibility and good practice must be 100, search engines at least 95. Speed is printed and not judged: it depends on
what else the machine does.
"""

import json
import subprocess
import sys
from pathlib import Path

from helpers.built import CHROMIUM, FLAGS, KINDS, served

LEAST = {"accessibility": 100, "best-practices": 100, "seo": 95}


def reports():
    """One report after the other, as lighthouse.mjs prints them."""
    with served() as server:
        command = ["node", "lighthouse.mjs", CHROMIUM, " ".join(FLAGS), *(server + kind for kind in KINDS)]
        with subprocess.Popen(command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True) as node:
            for line in node.stdout:
                report = json.loads(line)
                report["page"] = "/" + report["address"].removeprefix(server)
                yield report


def main():
    """Print the scores; how many pages fall short, or all if Lighthouse did not come to the end."""
    print(f"{'page':34} performance  " + "  ".join(LEAST))
    done, short = 0, 0
    for report in reports():
        done += 1
        scores = "  ".join(f"{report[name]:{len(name)}}" for name in LEAST)
        print(f"{report['page']:34} {report['performance']:11}  {scores}", flush=True)
        if any(report[name] < least for name, least in LEAST.items()):
            short += 1
            print("  falls short in:", ", ".join(report["short"]))
    return short if done == len(KINDS) else len(KINDS)


if __name__ == "__main__":
    sys.exit(main())
