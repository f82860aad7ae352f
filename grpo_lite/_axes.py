"""What the figures of `plotting` share: colours, empty panels, logarithmic axes, and the names of what is drawn."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from grpo_lite._checks import check_installed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure

COLORS = {
    "policy": "#3d85c6",
    "old": "#b7791f",
    "reference": "#9966cc",
    "positive": "#1b998b",
    "negative": "#d9603b",
    "clipped": "#808080",
    "other": "#c2558e",
    "third": "#5b9632",
    "fourth": "#a0694c",
    "fifth": "#918b17",
}
INK = COLORS["clipped"]  # axes and marks; the site draws it in the colour of its text
_CYCLE = [COLORS[role] for role in ("policy", "other", "third", "fourth", "fifth")]  # the last four stand for nothing


def color_of(name: str, k: int, colors: Mapping[str, str] | None) -> str:
    color = (colors or {}).get(name, name)
    return COLORS.get(color, color if color != name else _CYCLE[k % len(_CYCLE)])


def figure_of(panels: int, height: float = 2.9) -> "tuple[Figure, list[Axes]]":
    check_installed("matplotlib", "plotting needs matplotlib", "plot")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, height * panels), layout="constrained")
    return figure, list(figure.subplots(panels, 1, squeeze=False, sharex=True)[:, 0])


def scale(ax: "Axes", log: str) -> None:
    from matplotlib.ticker import LogFormatter

    for name in log:
        ax.set(**{f"{name}scale": "log"})
        axis = {"x": ax.xaxis, "y": ax.yaxis}[name]
        axis.set_major_formatter("{x:g}")  # small raised exponents are not legible on a phone
        axis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))


def mark(ax: "Axes", marks: Mapping[float | tuple[float, float], str], words: bool) -> None:
    for at, label in marks.items():
        if not isinstance(at, tuple):
            ax.axvline(at, color=INK, linewidth=1, linestyle=":")
            ax.text(at, 1.0, label, transform=ax.get_xaxis_transform(), ha="center", va="bottom", fontsize=10)
        elif words:
            ax.text(*at, label, va="center", fontsize=10)  # from its left end, which no font moves


def name_bars(ax: "Axes", bars: "BarContainer") -> None:
    ax.margins(y=0.1)
    ax.bar_label(bars, fmt=lambda value: f"{round(value, 2) + 0:g}", padding=1, fontsize=10)


def name_groups(ax: "Axes", count: int) -> None:
    if count > 1:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(count, 3), borderaxespad=0.2)


def name_lines(ax: "Axes", names: list[str], drawn: list) -> None:
    """Write each name beside the end of its lines; names that would overlap are pushed apart and led to their lines."""
    ax.autoscale_view()  # the limits are otherwise found at drawing time, too late for the line below
    to_axes = ax.transData - ax.transAxes
    last = [[line.get_xydata()[-1] for line in lines] for lines in drawn]
    ends = [tuple(to_axes.transform(sum(points) / len(points))) for points in last]
    places = [y for _, y in ends]
    upwards = sorted(range(len(drawn)), key=lambda k: (places[k], -k))
    floor, ceiling = -1.0, 1.0
    for k in upwards:
        places[k] = max(places[k], floor)
        floor = places[k] + 0.12
    for k in reversed(upwards):
        places[k] = min(places[k], ceiling)
        ceiling = places[k] - 0.12
    led = [abs(y - place) > 0.03 for (_, y), place in zip(ends, places, strict=True)]
    for k, end in enumerate(ends):
        color, at = drawn[k][0].get_color(), (1.07 if any(led) else 1.02, places[k])
        arrow = {"arrowstyle": "-", "color": color, "linewidth": 0.8, "shrinkA": 2, "shrinkB": 2} if led[k] else None
        look = {"color": color, "va": "center", "fontsize": 10}
        ax.annotate(names[k], end, at, "axes fraction", "axes fraction", arrow, **look)
