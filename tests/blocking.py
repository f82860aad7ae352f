"""How long a page blocks while it loads, on a processor four times slower than this one.

Counts what a reader feels: of each task the time beyond 50 ms, as the total blocking time of Lighthouse does. Usage,
after `make site`: `python tests/blocking.py explore/ lessons/the_loss/`.
"""

import json
import sys

from helpers.built import chromium, served

SLOWER = 4
LIMIT = 50  # milliseconds


def long_tasks(browser, server, address, width):
    """The tasks over the limit, in milliseconds, until the page has been loaded for three seconds.

    By the processor time that they took: other work on the machine counts little.
    """
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
    times = [event["tdur"] / 1000 for event in tasks if "tdur" in event]
    assert len(times) > 50, "the trace holds no tasks"
    return [time for time in times if time > LIMIT]


if __name__ == "__main__":
    with served() as server, chromium() as browser:
        for address in sys.argv[1:] or ["explore/"]:
            for width in (1440, 390):
                times = long_tasks(browser, server, address, width)
                print(f"/{address} at {width} px: {sum(times) - LIMIT * len(times):.0f} ms; {[*map(round, times)]}")
