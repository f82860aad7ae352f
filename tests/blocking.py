"""How long a page blocks while it loads, on a processor four times slower than this one.

Counts what a reader feels: of each task of the page's main thread the time beyond 50 ms, as the total blocking time of
Lighthouse does. It is processor time, so that other work on this machine counts little. Usage, after `make site`:
`python tests/blocking.py explore/ lessons/the_loss/`.
"""

import json
import sys

from helpers.built import chromium, served

SLOWER = 4
LIMIT = 50  # milliseconds


def long_tasks(browser, server, address, width):
    """Processor time of the tasks over the limit, in milliseconds, until the page has been loaded for three seconds."""
    context = browser.new_context(base_url=server, viewport={"width": width, "height": 900})
    tab = context.new_page()
    context.new_cdp_session(tab).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    browser.start_tracing(page=tab, categories=["toplevel", "__metadata"])
    tab.goto(address, wait_until="networkidle")
    tab.wait_for_timeout(3000)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    context.close()
    named = [event for event in events if event["name"] == "thread_name"]
    main = {(event["pid"], event["tid"]) for event in named if event["args"]["name"] == "CrRendererMain"}
    tasks = [event for event in events if event["name"].endswith("RunTask") and (event["pid"], event["tid"]) in main]
    assert len(tasks) > 100, "the trace holds no tasks"
    times = [event.get("tdur", 0) / 1000 for event in tasks]
    return [time for time in times if time > LIMIT]


if __name__ == "__main__":
    with served() as server, chromium() as browser:
        for address in sys.argv[1:] or ["explore/"]:
            for width in (1440, 390):
                times = long_tasks(browser, server, address, width)
                print(f"/{address} at {width} px: {sum(times) - LIMIT * len(times):.0f} ms; {[*map(round, times)]}")
