import io
import re
from pathlib import Path

import pytest
import torch
from matplotlib.colors import to_rgb

from grpo_lite import _checks, plotting

SITE_CSS = Path(__file__).parents[1] / "docs/assets/stylesheets/site.css"


@pytest.fixture(autouse=True)
def site_style():
    plotting.use_site_style()


def as_svg(figure):
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def a_figure():
    x = torch.linspace(0.5, 1.5, 5)
    panel = {"up": x, "down": -x}
    return plotting.lines(x, panel, panel, titles=["a", "b"], xlabel="ratio", ylabel="value", marks={1.0: "here"})


def test_lines_draw_the_numbers_they_were_given():
    figure = a_figure()
    for ax in figure.axes:
        up, down, *_ = ax.lines
        assert up.get_ydata() == pytest.approx([0.5, 0.75, 1.0, 1.25, 1.5])
        assert down.get_ydata() == pytest.approx([-0.5, -0.75, -1.0, -1.25, -1.5])
        assert {"up", "down", "here"} <= {text.get_text() for text in ax.texts}
        assert ax.get_ylabel() == "value"
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["a", "b"]
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "ratio"]


def test_names_of_lines_that_end_together_do_not_overlap():
    figure = plotting.lines([0, 1], {str(k): [0.0, 1.0 + k / 1000] for k in range(4)}, xlabel="x", ylabel="y")
    heights = sorted(text.get_position()[1] for text in figure.axes[0].texts)
    assert all(b - a > 0.1 for a, b in zip(heights, heights[1:], strict=False))


def test_bars_show_values_and_signs():
    figure = plotting.bars({"a": [1.0, -2.0], "b": [3.0, 4.0]}, ["x", "y"], ylabel="points", by_sign=True)
    assert [bar.get_height() for bar in figure.axes[0].patches] == [1.0, -2.0, 3.0, 4.0]
    colors = [bar.get_facecolor()[:3] for bar in figure.axes[0].patches]
    roles = ["positive", "negative", "positive", "positive"]
    assert colors == [pytest.approx(to_rgb(plotting.COLORS[role])) for role in roles]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["x", "y"]


def test_the_bars_of_a_label_stand_side_by_side_around_it():
    figure = plotting.bars({"a": [1.0, 2.0], "b": [3.0, 4.0]}, ["x", "y"], ylabel="points", colors={"b": "old"})
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in figure.axes[0].patches]
    (a_low, a_high), (_, next_high), (b_low, b_high), _ = spans
    assert -0.5 < a_low < a_high < 0 < b_low < b_high < 0.5 < next_high < 1
    roles = ["policy", "policy", "old", "old"]
    colors = [bar.get_facecolor()[:3] for bar in figure.axes[0].patches]
    assert colors == [pytest.approx(to_rgb(plotting.COLORS[role])) for role in roles]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["a", "b"]


def test_one_group_has_no_legend():
    (ax,) = plotting.bars({"a": [1.0, 100.0]}, ["x", "y"], ylabel="points").axes
    assert ax.get_legend() is None


def test_a_name_that_is_pushed_away_is_led_to_the_end_of_its_line_and_the_others_are_not():
    curves = {"far": [0.0, 10.0], "near": [0.0, 0.1], "same": [0.0, 0.1]}
    (ax,) = plotting.lines([0, 1], curves, xlabel="x", ylabel="y").axes
    assert [text.arrow_patch is not None for text in ax.texts] == [False, True, False]
    to_axes = ax.transData - ax.transAxes
    assert ax.texts[1].xy == pytest.approx(to_axes.transform((1, 0.1)))
    (_, low), (_, high) = (text.get_position() for text in (ax.texts[2], ax.texts[1]))
    assert high - low == pytest.approx(0.12)


def test_a_matrix_of_ratios_is_tinted_by_its_distance_from_1():
    figure = plotting.token_matrix(torch.tensor([[1.5, 0.75, 1.0, 1.001]]), label="ratio", middle=1.0)
    cells = figure.axes[0].patches
    roles = ["positive", "negative", "clipped", "clipped"]
    assert [cell.get_facecolor()[:3] for cell in cells] == [
        pytest.approx(to_rgb(plotting.COLORS[role])) for role in roles
    ]
    assert [cell.get_alpha() for cell in cells] == pytest.approx([0.5, 0.29, 0.08, 0.08])


def test_a_curve_has_the_colour_of_its_role_or_the_one_that_is_given_and_is_dashed_on_demand():
    curves = {name: [0.0, 1.0] for name in ("reference", "mine", "free")}
    figure = plotting.lines([0, 1], curves, xlabel="x", ylabel="y", colors={"mine": "#123456"}, dashed=["mine"])
    drawn = figure.axes[0].lines
    assert [line.get_color() for line in drawn] == [plotting.COLORS["reference"], "#123456", plotting.COLORS["third"]]
    assert [line.get_linestyle() for line in drawn] == ["-", "--", "-"]


def test_runs_that_share_a_name_share_a_colour_and_are_named_once_at_the_mean_of_their_ends():
    figure = plotting.lines([0, 1], {"runs": [[0.0, 1.0], [0.5, 0.0]], "one": [1.0, 0.25]}, xlabel="x", ylabel="y")
    (ax,) = figure.axes
    first, second, one = ax.lines
    assert [first.get_ydata().tolist(), second.get_ydata().tolist()] == [[0.0, 1.0], [0.5, 0.0]]
    assert first.get_color() == second.get_color() != one.get_color()
    assert first.get_linewidth() == second.get_linewidth() < one.get_linewidth()
    assert [text.get_text() for text in ax.texts] == ["runs", "one"]
    to_axes = ax.transData - ax.transAxes
    assert ax.texts[0].xy == pytest.approx(to_axes.transform((1, 0.5)))


@pytest.mark.parametrize(("x", "whole"), [([1, 2, 3, 4], True), ([0.0, 0.5, 1.0], False)])
def test_whole_numbers_are_marked_by_whole_numbers(x, whole):
    (ax,) = plotting.lines(x, {"a": [0.0] * len(x)}, xlabel="x", ylabel="y").axes
    assert all(map(float.is_integer, ax.get_xticks().tolist())) == whole


def test_a_band_lies_around_its_curve():
    figure = plotting.lines(
        [0, 1, 2], {"a": [1.0, 2.0, 3.0], "b": [0.0, 0.0, 0.0]}, errors={"a": [0.5, 0.0, 0.25]}, xlabel="x", ylabel="y"
    )
    (band,) = figure.axes[0].collections
    corners = {(x, y) for x, y in band.get_paths()[0].vertices.tolist()}
    assert {(0, 0.5), (0, 1.5), (1, 2.0), (2, 2.75), (2, 3.25)} == corners
    assert band.get_facecolor()[0, :3] == pytest.approx(to_rgb(figure.axes[0].lines[0].get_color()))
    assert 0 < band.get_facecolor()[0, 3] < 0.5


def test_intervals_stand_in_rows_from_the_top_down():
    figure = plotting.intervals(
        {"a": [0.5, 0.7], "b": [0.6, 0.8]}, {"a": [0.1, 0.2], "b": [0.0, 0.0]}, ["x", "y"], xlabel="points"
    )
    (ax,) = figure.axes
    a, b = ax.containers
    assert a.lines[0].get_xdata() == pytest.approx([0.5, 0.7])
    ends = [segment[:, 0].tolist() for segment in a.lines[2][0].get_segments()]
    assert ends == [pytest.approx([0.4, 0.6]), pytest.approx([0.5, 0.9])]
    assert [round(y) for y in (*a.lines[0].get_ydata(), *b.lines[0].get_ydata())] == [0, 1, 0, 1]
    assert a.lines[0].get_ydata()[0] < b.lines[0].get_ydata()[0]  # the groups of a row do not cover each other
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["x", "y"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert a.lines[0].get_marker() != b.lines[0].get_marker()  # told apart without colours


def test_intervals_by_sign_are_grey_where_they_hold_zero():
    x, half = [0.3, 0.1, -0.2, -0.1, 0.5], [0.2, 0.2, 0.1, 0.2, 0.1]
    (ax,) = plotting.intervals({"a": x}, {"a": half}, list("vwxyz"), xlabel="points", by_sign=True).axes
    drawn = {
        (line.get_color(), line.get_marker()): dict(zip(line.get_ydata(), line.get_xdata(), strict=True))
        for line in (container.lines[0] for container in ax.containers)
    }
    sides = {("positive", ">"): {0: 0.3, 4: 0.5}, ("clipped", "o"): {1: 0.1, 3: -0.1}, ("negative", "<"): {2: -0.2}}
    assert drawn == {(plotting.COLORS[role], marker): rows for (role, marker), rows in sides.items()}
    assert [line.get_xdata() for line in ax.lines if line.get_linestyle() == ":"] == [[0, 0]]


def test_matrix_leaves_masked_cells_empty():
    values = torch.tensor([[0.5, -1.0], [float("nan"), 2.0]])
    mask = torch.tensor([[True, True], [False, True]])
    figure = plotting.token_matrix(values, mask, label="logp (nats)", tokens=[["a", "b"], ["c", "d"]])
    assert [text.get_text() for text in figure.axes[0].texts] == ["a\n0.50", "b\n-1.00", "c\n·", "d\n2.00"]


def test_the_same_figure_is_the_same_file():
    assert as_svg(a_figure()) == as_svg(a_figure())


def test_the_site_can_recolour_ink_and_background_stays_transparent():
    svg = as_svg(a_figure())
    assert "stroke: #808080" in svg
    assert "fill: #808080" in svg
    assert not re.search(r"(fill|stroke): #(000000|ffffff)\b", svg)
    assert "<text" in svg  # text stays text


def test_what_prints_as_zero_has_no_sign_and_the_colour_of_what_does_not_count():
    figure = plotting.token_matrix(torch.tensor([[0.5, -0.5, 0.004, -0.004, 0.0, -0.006]]), label="push")
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts] == ["0.50", "-0.50", "0.00", "0.00", "0.00", "-0.01"]
    roles = ["positive", "negative", "clipped", "clipped", "clipped", "negative"]
    colors = [cell.get_facecolor()[:3] for cell in ax.patches]
    assert colors == [pytest.approx(to_rgb(plotting.COLORS[role])) for role in roles]


def test_no_cell_of_a_matrix_is_stronger_than_half():
    figure = plotting.token_matrix(torch.tensor([[0.4951, 0.2]]), label="push")  # 0.4951 prints as 0.50
    assert [cell.get_alpha() for cell in figure.axes[0].patches] == [0.5, pytest.approx(0.08 + 0.42 * 0.2 / 0.4951)]


def test_curves_without_a_role_take_no_colour_that_has_one():
    curves = {name: [0.0, 1.0] for name in ("a", "b", "c", "d", "e")}
    figure = plotting.lines([0, 1], curves, xlabel="x", ylabel="y")
    colors = [line.get_color() for line in figure.axes[0].lines]
    assert len(set(colors)) == 5
    taken = {plotting.COLORS[role] for role in ("old", "reference", "positive", "negative", "clipped")}
    assert not taken & set(colors)


@pytest.mark.parametrize(
    ("values", "seen"), [([1e-5, 5.0], ["1e-05", "0.0001", "0.1", "1"]), ([0.9, 10.0], ["1", "2", "3", "4", "6", "10"])]
)
def test_a_logarithmic_axis_has_numbers_without_raised_exponents(values, seen):
    figure = plotting.lines([0, 1], {"a": values}, xlabel="x", ylabel="y", log="y")
    assert "mathdefault" not in as_svg(figure)
    ax = figure.axes[0]
    low, high = ax.get_ylim()
    ticks = [tick for tick in ax.get_yticklabels(which="both") if low <= tick.get_position()[1] <= high]
    assert [ax.get_yscale(), ax.get_xscale()] == ["log", "linear"]
    assert set(seen) <= {tick.get_text().replace("−", "-") for tick in ticks}  # a hyphen up to matplotlib 3.8


def contrast(color, background):
    def luminance(color):
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(color), luminance(background)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("background", ["#ffffff", "#1e2129"])
@pytest.mark.parametrize("role", plotting.COLORS)
def test_every_colour_is_seen_on_white_and_on_dark(role, background):
    """At least 3 : 1, what WCAG 2 asks of graphics."""
    assert contrast(plotting.COLORS[role], background) >= 3


@pytest.mark.parametrize("role", [role for role in plotting.COLORS if role != "clipped"])
def test_the_site_gives_the_name_of_a_curve_a_tone_that_is_legible_as_text(role):
    """At least 4.5 : 1, what WCAG 2 asks of text; the name of a grey curve has the colour of ink."""
    css = SITE_CSS.read_text()
    color = re.escape(plotting.COLORS[role])
    (variable,) = re.findall(rf'text\[style\*="{color}"\] {{ fill: var\((--c-\w+)\)', css)
    light, dark = re.findall(rf"{variable}: (#\w{{6}});", css)
    paper, night = re.findall(r"--md-default-bg-color: (#\w{6});", css)
    assert contrast(light, paper) >= 4.5
    assert contrast(dark, night) >= 4.5


def test_without_matplotlib_the_error_names_what_to_install(monkeypatch):
    _checks.check_installed.cache_clear()
    monkeypatch.setattr(_checks, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "grpo-lite\[plot\] @ git'):
        plotting.bars({"a": [1.0]}, ["x"], ylabel="y")


def test_a_table_is_aligned_text_and_a_page_shows_rows_and_chips():
    shown = plotting.table(
        {"who": ["a<b", "c"], "said": [["7", "&"], []], "pay": torch.tensor([1.0, -0.25])}, decimals=1
    )
    assert repr(shown) == "who  said   pay\na<b  7 &    1.0\nc          -0.2"
    assert shown._repr_html_() == (
        '<table class="results"><thead><tr><th>who</th><th>said</th><th class="number">pay</th></tr></thead><tbody>'
        '<tr><td>a&lt;b</td><td><code class="token">7</code><code class="token">&amp;</code></td>'
        '<td class="number">1.0</td></tr>'
        '<tr><td>c</td><td></td><td class="number">-0.2</td></tr></tbody></table>'
    )
    assert repr(plotting.table({"n": [1, 20], "x": [-0.001, float("nan")]})) == " n     x\n 1  0.00\n20   nan"
    assert repr(plotting.table({"m": [torch.tensor(0.5), 2]})) == "   m\n0.50\n   2"


def test_a_table_refuses_columns_of_unequal_length():
    with pytest.raises(ValueError, match=r"as many values as the table has rows, got \{'a': 1, 'b': 2\}"):
        plotting.table({"a": [1], "b": [1, 2]})


def test_a_mark_is_a_line_in_every_panel_or_words_in_the_first():
    panel = {"up": [0.0, 1.0]}
    first, second = plotting.lines(
        [0, 1], panel, panel, xlabel="x", ylabel="y", marks={0.5: "here", (0.1, 0.75): "steep"}
    ).axes
    assert [[line.get_xdata() for line in ax.lines[1:]] for ax in (first, second)] == [[[0.5, 0.5]]] * 2
    assert [text.get_text() for text in first.texts] == ["here", "steep"]
    assert [text.get_text() for text in second.texts] == ["here"]
    words = first.texts[1]
    assert (words.get_position(), words.get_ha(), words.get_va()) == ((0.1, 0.75), "left", "center")
    assert words.get_transform() == first.transData


def test_up_to_twelve_bars_say_their_values():
    (ax,) = plotting.bars(
        {"a": [0.5, -0.0, 0.876, 1080.0], "b": [1.0, -2.0, -0.004, 0.1]}, list("wxyz"), ylabel="y"
    ).axes
    assert [text.get_text() for text in ax.texts] == ["0.5", "0", "0.88", "1080", "1", "-2", "0", "0.1"]
    assert max(bar.get_height() for bar in ax.patches) < 0.95 * ax.get_ylim()[1]  # room above for the words
    (ax,) = plotting.bars({"a": [1.0] * 13}, list("abcdefghijklm"), ylabel="y").axes
    assert not ax.texts
