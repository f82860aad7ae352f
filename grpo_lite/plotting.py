"""The pictures of the lessons: four kinds of figure, tables and a few diagrams, one style, one colour for one meaning.

A figure is a matplotlib `Figure`, made without the global state of pyplot, a diagram is an SVG file drawn by hand. As
the last value of a notebook cell each shows itself, in mid-tones that read on a white and on a dark page.

Values are lists of numbers or tensors. What several figures take is said once:

- `groups`: name -> one value a label, and `labels`: what stands at the bars or rows.
- `errors`: name -> half-widths of the intervals around its values.
- `colors`: name -> a key of `COLORS` or any matplotlib colour; the other names follow the cycle.
- `by_sign`: colour by the sign instead; an interval is then a triangle, and a grey dot if it holds zero.
- `xlabel`, `ylabel`: what the axes measure, with the unit.

Every figure raises ImportError if matplotlib is not installed.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from grpo_lite._axes import COLORS, INK, color_of, figure_of, mark, name_bars, name_groups, name_lines, scale
from grpo_lite._checks import check_choice, check_installed
from grpo_lite._tables import table as table

if TYPE_CHECKING:
    from IPython.display import SVG
    from matplotlib.figure import Figure

Values = Sequence[float] | Tensor

DIAGRAMS = files("grpo_lite") / "data" / "diagrams"
_SIDES = {1: (COLORS["positive"], ">"), 0: (COLORS["clipped"], "o"), -1: (COLORS["negative"], "<")}


def use_site_style() -> None:
    """Switch matplotlib to the look of the site, and notebooks to SVG figures that are the same on every run."""
    check_installed("matplotlib", "plotting needs matplotlib", "plot")
    import matplotlib.style

    matplotlib.style.use("grpo_lite.site")
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("svg", metadata={"Date": None, "Creator": None})


def lines(
    x: Values,
    *panels: Mapping[str, Values | Sequence[Values]],
    xlabel: str,
    ylabel: str,
    titles: Sequence[str] = (),
    colors: Mapping[str, str] | None = None,
    dashed: Sequence[str] = (),
    errors: Mapping[str, Values] | None = None,
    marks: Mapping[float | tuple[float, float], str] | None = None,
    log: str = "",
) -> "Figure":
    """Draw curves over a common x, each named at its right end; errors are bands, panels stand one below the other.

    Args:
        x: the common horizontal values.
        panels: for each panel, name -> y values, or a list of them for runs that share the name.
        titles: one short title a panel, or none.
        dashed: names of the curves to be drawn dashed.
        marks: x -> short label of a dotted vertical line, or (x, y) -> words that begin there in the first panel.
        log: "x", "y" or "xy" for logarithmic axes.

    Example:
        >>> figure = lines([0, 1], {"rise": [0.0, 1.0]}, xlabel="step", ylabel="reward")
        >>> len(figure.axes)
        1
    """
    figure, axes = figure_of(len(panels), height={1: 2.9, 2: 2.3}.get(len(panels), 1.8))
    x = _list(x)
    for i, (ax, curves) in enumerate(zip(axes, panels, strict=True)):
        scale(ax, log)
        drawn = []
        for k, (name, y) in enumerate(curves.items()):
            color, style = color_of(name, k, colors), "--" if name in dashed else "-"
            rows = torch.atleast_2d(torch.tensor(_list(y), dtype=torch.float64))
            width = 2 if len(rows) == 1 else 1.2
            drawn.append(ax.plot(x, rows.T.tolist(), color=color, linestyle=style, linewidth=width))
            if errors and name in errors:
                half = torch.tensor(_list(errors[name]))
                ax.fill_between(x, rows[0] - half, rows[0] + half, color=color, alpha=0.15, linewidth=0)
        mark(ax, marks or {}, words=ax is axes[0])
        ax.set(ylabel=ylabel, title=titles[i] if titles else "", xlabel=xlabel if ax is axes[-1] else "")
        if "x" not in log:
            ax.locator_params("x", integer=all(map(float.is_integer, x)))
        if len(curves) > 1:
            name_lines(ax, list(curves), drawn)
    return figure


def bars(
    groups: Mapping[str, Values],
    labels: Sequence[str],
    *,
    ylabel: str,
    xlabel: str = "",
    colors: Mapping[str, str] | None = None,
    by_sign: bool = False,
) -> "Figure":
    """Draw one bar a label, side by side for several groups; up to twelve bars have their values at their ends.

    Example:
        >>> figure = bars({"advantage": [1.0, -1.0]}, ["A", "B"], ylabel="advantage", by_sign=True)
        >>> len(figure.axes[0].patches)
        2
    """
    figure, (ax,) = figure_of(1)
    width = 0.8 / len(groups)
    for k, (name, values) in enumerate(groups.items()):
        heights = _list(values)
        at = [i + (k - (len(groups) - 1) / 2) * width for i in range(len(labels))]
        signs = [COLORS["positive" if h >= 0 else "negative"] for h in heights]
        drawn = ax.bar(at, heights, width * 0.92, color=signs if by_sign else color_of(name, k, colors), label=name)
        if len(groups) * len(labels) <= 12:  # more would touch
            name_bars(ax, drawn)
    ax.axhline(0, color=INK, linewidth=1)
    ax.set_xticks(range(len(labels)), labels)
    ax.set(ylabel=ylabel, xlabel=xlabel)
    name_groups(ax, len(groups))
    return figure


def intervals(
    groups: Mapping[str, Values],
    errors: Mapping[str, Values],
    labels: Sequence[str],
    *,
    xlabel: str,
    by_sign: bool = False,
) -> "Figure":
    """Draw one row a label, from the top down, and in it for each group a dot with the interval around it.

    Unlike a bar, a dot does not ask to be measured from zero, so that small differences can be seen.

    Example:
        >>> figure = intervals({"mean": [0.9, 0.8]}, {"mean": [0.05, 0.01]}, ["A", "B"], xlabel="accuracy")
        >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
        ['A', 'B']
    """
    figure, (ax,) = figure_of(1, height=0.8 + 0.27 * len(labels) * max(1.0, 0.7 * len(groups)))
    for k, (name, values) in enumerate(groups.items()):
        drawn: dict[tuple[str, str], list] = {}
        for i, (x, half) in enumerate(zip(_list(values), _list(errors[name]), strict=True)):
            look = _SIDES[(x > half) - (x < -half)] if by_sign else (color_of(name, k, None), "oDs"[k])
            drawn.setdefault(look, []).append((x, i + (k - (len(groups) - 1) / 2) * 0.5 / len(groups), half))
        for (color, marker), rows in drawn.items():
            at, y, error = zip(*rows, strict=True)
            ax.errorbar(at, y, xerr=error, color=color, fmt=marker, label=name, markersize=5, capsize=3)
    if by_sign:
        ax.axvline(0, color=INK, linewidth=1, linestyle=":")
    ax.set(xlabel=xlabel, ylim=(len(labels) - 0.5, -0.5))
    ax.set_yticks(range(len(labels)), labels)
    name_groups(ax, len(groups))
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
    middle: float = 0.0,
    xlabel: str = "token",
    ylabel: str = "completion",
) -> "Figure":
    """Draw a [B, T] tensor as a table of coloured cells: rows are completions, columns tokens.

    Values above the middle are tinted in the positive colour, those below in the negative, what prints as the middle in
    grey; masked cells stay empty.

    Args:
        values: one number a cell.
        mask: True where a cell counts; None if all do.
        label: what the numbers are; the title.
        tokens: the text of each token, written above its number.
        rows: the names of the rows; their numbers by default.
        columns: those of the columns.
        decimals: digits after the point.
        middle: the value that says nothing, such as 1 for a ratio.

    Example:
        >>> figure = token_matrix(torch.tensor([[0.5, -1.0]]), label="log-prob (nats)")
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['0.50', '-1.00']
    """
    values = torch.as_tensor(values).detach().double()
    keep = torch.ones_like(values, dtype=torch.bool) if mask is None else mask
    biggest = float((values[keep] - middle).abs().max()) if keep.any() else 1.0
    figure, (ax,) = figure_of(1, height=0.75 + 0.55 * len(values))
    from matplotlib.patches import Rectangle  # after the check that it is there

    for i, t in torch.cartesian_prod(torch.arange(values.shape[0]), torch.arange(values.shape[1])).tolist():
        text = "·"
        if keep[i, t]:
            value = round(float(values[i, t]), decimals) + 0.0  # no minus before a zero
            away = round(value - middle, decimals)
            tint = COLORS["clipped" if away == 0 else "positive" if away > 0 else "negative"]
            alpha = 0.08 + 0.42 * min(1.0, abs(away) / (biggest or 1.0))
            ax.add_patch(Rectangle((t - 0.47, i - 0.46), 0.94, 0.92, facecolor=tint, alpha=alpha))
            text = f"{value:.{decimals}f}"
        ax.text(t, i, f"{tokens[i][t]}\n{text}" if tokens else text, ha="center", va="center", fontsize=10)
    ax.set(xlim=(-0.5, values.shape[1] - 0.5), ylim=(len(values) - 0.5, -0.5))
    ax.set_xticks(range(values.shape[1]), columns or [str(t) for t in range(values.shape[1])])
    ax.set_yticks(range(len(values)), rows or [str(i) for i in range(len(values))])
    ax.set(title=label, xlabel=xlabel, ylabel=ylabel)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return figure


def diagram(name: str) -> "SVG":
    """Show a diagram as the output of a notebook cell; its `data` is the text of the SVG file.

    Args:
        name: "loop" (one step of GRPO), "loss-matrix" (which tokens are pushed), "ppo-grpo" (the models of both),
            "road" (a batch on its way through the package) or "shift" (which logits predict which token).

    Raises:
        ImportError: IPython is not installed.
        ValueError: there is no diagram of this name.

    Example:
        >>> "logits_to_keep" in diagram("shift").data
        True
    """
    check_installed("IPython", "a diagram is shown by IPython", "lessons")
    check_choice("name", name, sorted(file.name.removesuffix(".svg") for file in DIAGRAMS.iterdir()))
    from IPython.display import SVG

    return SVG((DIAGRAMS / f"{name}.svg").read_text(encoding="utf-8"))


def _list(x: Values | Sequence[Values]) -> list:
    return torch.as_tensor(x, dtype=torch.float64).tolist()
