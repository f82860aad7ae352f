"""The pictures of the lessons: four kinds of figure and a few diagrams, one style, one colour for one meaning.

A figure is a matplotlib `Figure`, made without the global state of pyplot, a diagram is an SVG file drawn by hand. As
the last value of a notebook cell each shows itself, in mid-tones that read on a white and on a dark page.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from grpo_lite._checks import check_choice, check_installed

if TYPE_CHECKING:
    from IPython.display import SVG
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DIAGRAMS = Path(__file__).with_name("data") / "diagrams"
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
_CYCLE = [COLORS[role] for role in ("policy", "other", "third", "fourth", "fifth")]  # the last four stand for nothing
_INK = "#808080"


def use_site_style() -> None:
    """Switch matplotlib to the look of the site, and notebooks to SVG figures that are the same on every run.

    Raises:
        ImportError: matplotlib is not installed.

    Example:
        >>> use_site_style()
    """
    check_installed("matplotlib", "plotting needs matplotlib", "plot")
    import matplotlib.style

    matplotlib.style.use(Path(__file__).with_name("site.mplstyle"))
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("svg", metadata={"Date": None, "Creator": None})


def lines(
    x: Sequence[float] | Tensor,
    *panels: Mapping[str, Sequence[float] | Tensor],
    xlabel: str,
    ylabel: str,
    titles: Sequence[str] = (),
    colors: Mapping[str, str] | None = None,
    dashed: Sequence[str] = (),
    errors: Mapping[str, Sequence[float] | Tensor] | None = None,
    marks: Mapping[float, str] | None = None,
    log: str = "",
) -> "Figure":
    """Draw curves over a common x, each named at its right end; several panels stand one below the other.

    Args:
        x: the common horizontal values.
        panels: for each panel, name -> y values.
        xlabel: label of the horizontal axis, with its unit.
        ylabel: label of the vertical axes, with its unit.
        titles: one short title a panel, or none.
        colors: name -> a key of `COLORS` or any matplotlib colour; the others follow the cycle.
        dashed: names of the curves to be drawn dashed.
        errors: name -> half-widths of a band around the curve.
        marks: x -> short label of a dotted vertical line.
        log: "x", "y" or "xy" for logarithmic axes.

    Returns:
        The figure.

    Example:
        >>> figure = lines([0, 1], {"rise": [0.0, 1.0]}, xlabel="step", ylabel="reward")
        >>> len(figure.axes)
        1
    """
    figure, axes = _figure(len(panels), height=2.9 if len(panels) == 1 else 2.3)
    for i, (ax, curves) in enumerate(zip(axes, panels, strict=True)):
        _scale(ax, log)
        drawn = [
            ax.plot(_list(x), _list(y), color=_color(name, k, colors), linestyle="--" if name in dashed else "-")[0]
            for k, (name, y) in enumerate(curves.items())
        ]
        for (name, y), line in zip(curves.items(), drawn, strict=True):
            if errors and name in errors:
                middle, half = torch.tensor(_list(y)), torch.tensor(_list(errors[name]))
                low, high = (middle - half).tolist(), (middle + half).tolist()
                ax.fill_between(_list(x), low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        for at, label in (marks or {}).items():
            ax.axvline(at, color=_INK, linewidth=1, linestyle=":")
            ax.text(at, 1.0, label, transform=ax.get_xaxis_transform(), ha="center", va="bottom", fontsize=10)
        ax.set(ylabel=ylabel, title=titles[i] if titles else "", xlabel=xlabel if ax is axes[-1] else "")
        if len(curves) > 1:
            _name_lines(ax, list(curves), drawn)
    return figure


def bars(
    groups: Mapping[str, Sequence[float] | Tensor],
    labels: Sequence[str],
    *,
    ylabel: str,
    xlabel: str = "",
    colors: Mapping[str, str] | None = None,
    errors: Mapping[str, Sequence[float] | Tensor] | None = None,
    by_sign: bool = False,
    log: bool = False,
) -> "Figure":
    """Draw one bar a label, side by side for several groups, with the value zero as a line.

    Args:
        groups: name -> one value a label.
        labels: what stands below the bars.
        ylabel: label of the vertical axis, with its unit.
        xlabel: label of the horizontal axis.
        colors: name -> a key of `COLORS` or any matplotlib colour; the others follow the cycle.
        errors: name -> half-lengths of error bars.
        by_sign: colour by the sign of the value instead of by group.
        log: logarithmic vertical axis.

    Returns:
        The figure.

    Example:
        >>> figure = bars({"advantage": [1.0, -1.0]}, ["A", "B"], ylabel="advantage", by_sign=True)
        >>> len(figure.axes[0].patches)
        2
    """
    figure, (ax,) = _figure(1)
    width = 0.8 / len(groups)
    for k, (name, values) in enumerate(groups.items()):
        heights = _list(values)
        at = [i + (k - (len(groups) - 1) / 2) * width for i in range(len(labels))]
        color = [COLORS["positive" if h >= 0 else "negative"] for h in heights] if by_sign else _color(name, k, colors)
        error = _list(errors[name]) if errors and name in errors else None
        ax.bar(at, heights, width * 0.92, color=color, label=name, yerr=error, ecolor=_INK, capsize=3)
    ax.axhline(0, color=_INK, linewidth=1)
    ax.set_xticks(range(len(labels)), labels)
    ax.set(ylabel=ylabel, xlabel=xlabel)
    _scale(ax, "y" if log else "")
    if len(groups) > 1:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(len(groups), 3), borderaxespad=0.2)
    return figure


def intervals(
    groups: Mapping[str, Sequence[float] | Tensor],
    errors: Mapping[str, Sequence[float] | Tensor],
    labels: Sequence[str],
    *,
    xlabel: str,
    ylabel: str = "",
    colors: Mapping[str, str] | None = None,
    mark: float | None = None,
) -> "Figure":
    """Draw one row a label, from the top down, and in it for each group a dot with the interval around it.

    Unlike a bar, a dot does not ask to be measured from zero, so that small differences can be seen.

    Args:
        groups: name -> one value a label.
        errors: name -> half-widths of the intervals, for every group.
        labels: what stands beside the rows.
        xlabel: label of the horizontal axis, with its unit.
        ylabel: label of the vertical axis.
        colors: name -> a key of `COLORS` or any matplotlib colour; the others follow the cycle.
        mark: where to draw a dotted vertical line to compare with.

    Returns:
        The figure.

    Example:
        >>> figure = intervals({"mean": [0.9, 0.8]}, {"mean": [0.05, 0.01]}, ["A", "B"], xlabel="accuracy")
        >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
        ['A', 'B']
    """
    figure, (ax,) = _figure(1, height=0.8 + 0.27 * len(labels) * max(1.0, 0.7 * len(groups)))
    for k, (name, values) in enumerate(groups.items()):
        at = [i + (k - (len(groups) - 1) / 2) * 0.5 / len(groups) for i in range(len(labels))]
        color, error = _color(name, k, colors), _list(errors[name])
        ax.errorbar(_list(values), at, xerr=error, fmt="o", color=color, label=name, markersize=5, capsize=3)
    if mark is not None:
        ax.axvline(mark, color=_INK, linewidth=1, linestyle=":")
    ax.set(xlabel=xlabel, ylabel=ylabel, ylim=(len(labels) - 0.5, -0.5))
    ax.set_yticks(range(len(labels)), labels)
    if len(groups) > 1:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(len(groups), 3), borderaxespad=0.2)
    return figure


def token_matrix(
    values: Tensor,
    mask: Tensor | None = None,
    *,
    label: str,
    tokens: Sequence[Sequence[str]] | None = None,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    decimals: int = 2,
    xlabel: str = "token",
    ylabel: str = "completion",
) -> "Figure":
    """Draw a [B, T] tensor as a table of coloured cells: rows are completions, columns tokens.

    Positive values are tinted in the positive colour, negative ones in the negative, what prints as zero in grey;
    masked cells stay empty.

    Args:
        values: one number a cell.
        mask: True where a cell counts; None if all do.
        label: what the numbers are, with the unit.
        tokens: the text of each token, written above its number.
        rows: the names of the rows; their numbers by default.
        columns: the names of the columns; their numbers by default.
        decimals: digits after the point.
        xlabel: label of the horizontal axis.
        ylabel: label of the vertical axis.

    Returns:
        The figure.

    Example:
        >>> figure = token_matrix(torch.tensor([[0.5, -1.0]]), label="log-prob (nats)")
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['0.50', '-1.00']
    """
    values = torch.as_tensor(values).detach().double()
    keep = torch.ones_like(values, dtype=torch.bool) if mask is None else mask
    biggest = float(values[keep].abs().max()) if keep.any() else 1.0
    figure, (ax,) = _figure(1, height=0.75 + 0.55 * len(values))
    for i, t in torch.cartesian_prod(torch.arange(values.shape[0]), torch.arange(values.shape[1])).tolist():
        value = round(float(values[i, t]), decimals) + 0.0  # no minus before a zero
        role = "clipped" if value == 0 else "positive" if value > 0 else "negative"
        tint = COLORS[role] if keep[i, t] else "none"
        alpha = 0.08 + 0.42 * min(1.0, abs(value) / (biggest or 1.0))
        ax.add_patch(_cell(t, i, tint, alpha if keep[i, t] else 0.0))
        text = f"{value:.{decimals}f}" if keep[i, t] else "·"
        ax.text(t, i, f"{tokens[i][t]}\n{text}" if tokens else text, ha="center", va="center", fontsize=10)
    ax.set(xlim=(-0.5, values.shape[1] - 0.5), ylim=(len(values) - 0.5, -0.5), title=label)
    ax.set_xticks(range(values.shape[1]), columns or [str(t) for t in range(values.shape[1])])
    ax.set_yticks(range(len(values)), rows or [str(i) for i in range(len(values))])
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return figure


def diagram(name: str) -> "SVG":
    """Show a diagram as the output of a notebook cell.

    Args:
        name: "loop" (one step of GRPO), "loss-matrix" (which tokens are pushed), "ppo-grpo" (the models of both),
            "road" (a batch on its way through the package) or "shift" (which logits predict which token).

    Returns:
        What IPython shows as a picture; its `data` is the text of the SVG file.

    Raises:
        ImportError: IPython is not installed.
        ValueError: there is no diagram of this name.

    Example:
        >>> "logits_to_keep" in diagram("shift").data
        True
    """
    check_installed("IPython", "a diagram is shown by IPython", "lessons")
    check_choice("name", name, sorted(path.stem for path in DIAGRAMS.glob("*.svg")))
    from IPython.display import SVG

    return SVG((DIAGRAMS / f"{name}.svg").read_text(encoding="utf-8"))


def _figure(panels: int, height: float = 2.9) -> "tuple[Figure, list[Axes]]":
    check_installed("matplotlib", "plotting needs matplotlib", "plot")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, height * panels), layout="constrained")
    return figure, list(figure.subplots(panels, 1, squeeze=False, sharex=True)[:, 0])


def _cell(column: int, row: int, color: str, alpha: float):
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, facecolor=color, alpha=alpha)


def _scale(ax: "Axes", log: str) -> None:
    from matplotlib.ticker import LogFormatter

    for name in log:
        ax.set(**{f"{name}scale": "log"})
        axis = {"x": ax.xaxis, "y": ax.yaxis}[name]
        axis.set_major_formatter("{x:g}")  # small raised exponents are not legible on a phone
        axis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))


def _name_lines(ax: "Axes", names: list[str], drawn: list) -> None:
    """Write each name beside the end of its line, and push names apart that would overlap."""
    ax.autoscale_view()  # the limits are otherwise found at drawing time, too late for the line below
    to_axes = ax.transData - ax.transAxes
    ends = [to_axes.transform((line.get_xdata()[-1], line.get_ydata()[-1]))[1] for line in drawn]
    upwards = sorted(range(len(drawn)), key=lambda k: (ends[k], -k))
    floor, ceiling = -1.0, 1.0
    for k in upwards:
        ends[k] = max(ends[k], floor)
        floor = ends[k] + 0.12
    for k in reversed(upwards):
        y = min(ends[k], ceiling)
        ceiling = y - 0.12
        ax.text(1.02, y, names[k], color=drawn[k].get_color(), transform=ax.transAxes, va="center", fontsize=10)


def _color(name: str, k: int, colors: Mapping[str, str] | None) -> str:
    color = (colors or {}).get(name, name)
    return COLORS.get(color, color if color != name else _CYCLE[k % len(_CYCLE)])


def _list(x: Sequence[float] | Tensor) -> list[float]:
    return x.detach().tolist() if isinstance(x, Tensor) else [float(value) for value in x]
