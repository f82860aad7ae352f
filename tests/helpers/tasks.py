"""The tasks of a page's main thread, by the processor time that they took: other work on the machine counts little."""

import json
from contextlib import contextmanager


@contextmanager
def traced(browser, page):
    """Give a list that holds the milliseconds of each task once the block is over."""
    times = []
    browser.start_tracing(page=page, categories=["toplevel", "__metadata"])
    yield times
    events = json.loads(browser.stop_tracing())["traceEvents"]
    named = [event for event in events if event["name"] == "thread_name"]
    main = {(event["pid"], event["tid"]) for event in named if event["args"]["name"] == "CrRendererMain"}
    tasks = [event for event in events if event["name"].endswith("RunTask") and (event["pid"], event["tid"]) in main]
    times += [event["tdur"] / 1000 for event in tasks if "tdur" in event]
    assert len(times) > 50, "the trace holds no tasks"
