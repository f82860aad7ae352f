"""The diagrams: each one is sound as a file, reads on a phone and on any background, and what it says is true."""

import re
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import torch

import grpo_lite
from grpo_lite import _checks, plotting
from helpers.lessons import SCRIPTS, stored

ROOT = Path(__file__).parents[1]
NAMES = ["loop", "loss-matrix", "ppo-grpo", "road", "shift"]
DECLARED = re.compile(r"(?:fill|stroke):([^;}]+)")

every_diagram = pytest.mark.parametrize("name", NAMES)
# And one that only the site shows.
every_drawing = pytest.mark.parametrize("name", [*NAMES, "architecture"])


def drawing(name):
    """The elements of the file as it is, its name space left out."""
    folder = plotting.DIAGRAMS if name in NAMES else ROOT / "docs" / "assets"
    text = (folder / f"{name}.svg").read_text()
    return ElementTree.fromstring(text.replace(' xmlns="http://www.w3.org/2000/svg"', ""))


def style(name):
    return drawing(name).find("style").text


def of_class(root, kind):
    return [element for element in root.iter() if kind in element.get("class", "").split()]


def words(root):
    return [text.text for text in root.iter("text")]


def calls():
    """Name of a diagram -> the cells that show it."""
    found = {}
    for script in SCRIPTS:
        for cell in stored(script).cells:
            if "diagram" in cell.metadata.get("tags", []):
                name = re.fullmatch(r'plotting\.diagram\("([\w-]+)"\)', cell.source)[1]
                found.setdefault(name, []).append(cell)
    return found


# The function


@every_diagram
def test_diagram_shows_the_file(name):
    shown = ElementTree.fromstring(plotting.diagram(name)._repr_svg_())
    assert "".join(shown.itertext()) == "".join(drawing(name).itertext())


@pytest.mark.usefixtures("as_user")
def test_an_unknown_diagram_is_refused_with_the_names_of_all():
    with pytest.raises(
        ValueError, match="name must be one of 'loop', 'loss-matrix', 'ppo-grpo', 'road', 'shift', got 'map'"
    ):
        plotting.diagram("map")


def test_without_ipython_the_error_names_what_to_install(monkeypatch):
    _checks.check_installed.cache_clear()
    monkeypatch.setattr(_checks, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "grpo-lite\[lessons\] @ git'):
        plotting.diagram("loop")


def test_each_diagram_stands_in_a_lesson_with_its_own_description_as_its_text():
    shown = calls()
    assert sorted(shown) == NAMES
    for name, cells in shown.items():
        for cell in cells:
            assert cell.metadata.alt == drawing(name).find("desc").text
            assert "".join(cell.outputs[0].data["image/svg+xml"]) == plotting.diagram(name).data, "run make notebooks"


# The file


def test_all_have_the_same_style_so_that_two_can_stand_on_one_page():
    assert {style(name) for name in [*NAMES, "architecture"]} == {style("loop")}
    rules = re.findall(r"^(.+?)\{", style("loop"), re.M)
    assert len(rules) == style("loop").count("{") > 0
    assert all(part.split()[0] == ".diagram" for rule in rules for part in rule.split(","))


@every_drawing
def test_a_diagram_is_named_and_its_ids_are_its_own(name):
    root = drawing(name)
    links = list(root.iter("a"))
    assert (root.get("class"), root.get("role")) == ("diagram", "group" if links else "img")
    assert bool(links) == (name in ("loop", "architecture"))
    assert root.get("aria-labelledby").split() == [root.find("title").get("id"), root.find("desc").get("id")]
    assert all(e.get("id").startswith(f"{name}-") for e in root.iter() if e.get("id"))
    assert len(root.find("title").text) < 60 < len(root.find("desc").text)


@every_drawing
def test_a_diagram_is_legible_on_a_phone(name):
    root = drawing(name)
    left, top, width, height = (float(n) for n in root.get("viewBox").split())
    assert (left, top, width) == (0, 0, 364)  # what a phone of 390 pixels has room for
    assert float(root.get("width")) / width == pytest.approx(float(root.get("height")) / height)
    sizes = [float(size) for size in re.findall(r"(?:font-size:|font:)([\d.]+)px", style(name))]
    assert len(sizes) == style(name).count("font-size:") + style(name).count("font:")
    assert min(sizes) >= 11.5
    for element in root.iter():
        assert not {"font-size", "style", "textLength"} & set(element.keys())
        assert "scale" not in element.get("transform", "")
        assert "matrix" not in element.get("transform", "")


@every_drawing
def test_every_colour_follows_the_scheme_and_has_a_mid_tone_to_fall_back_on(name):
    css = (ROOT / "docs/assets/stylesheets/site.css").read_text()
    tones = {*plotting.COLORS.values(), "#787878", "none"}
    declared = DECLARED.findall(style(name))
    assert declared
    for value in declared:
        variable = re.fullmatch(r"var\((--[\w-]+),(#\w{6}|none)\)", value)
        assert value == "none" or (f"{variable[1]}:" in css and variable[2] in tones), value
    ours = re.findall(r"var\(--c-(\w+),(#\w+)\)", style(name))
    assert len(ours) == style(name).count("var(--c-") > 0
    roles = {"ref": "reference", "pos": "positive", "neg": "negative", "clip": "clipped"}
    assert all(color == plotting.COLORS[roles.get(role, role)] for role, color in ours)
    known = set(re.findall(r"\.([a-z]\w*)", style(name))) | {"row"}
    for parent in drawing(name).iter():
        for element in parent:
            assert not {"fill", "stroke", "color", "opacity"} & set(element.keys())
            assert set(element.get("class", "").split()) <= known
            if element.tag in ("rect", "circle", "path"):  # without a class it would be black
                assert element.get("class") or parent.get("class") in ("tok", "up", "down", "stop")


# What it says


def test_the_pushes_of_the_loss_matrix_are_those_of_the_loss():
    root = drawing("loss-matrix")
    rows = of_class(root, "row")
    cells = [[cell for cell in row if cell.get("class") in ("up", "down", "stop")] for row in rows]
    padding = [len(row.findall("rect[@class='pad']")) for row in rows]
    lengths = [len(row) for row in cells]
    assert {n + p for n, p in zip(lengths, padding, strict=True)} == {5}

    texts = [[words(cell) for cell in row] for row in cells]
    ids = torch.tensor([[ord(t) for t, _ in row] + [0] * p for row, p in zip(texts, padding, strict=True)])
    mask = grpo_lite.completion_mask(ids, ord("■"))
    assert [row.count("■") for row in ([t for t, _ in row] for row in texts)] == [1, 0, 1, 1]
    assert mask.sum(dim=1).tolist() == lengths
    assert len({row[0][0] for row in texts}) == 4  # equal beginnings would have equal ratios

    beside = [words(row) for row in rows]
    rewards = torch.tensor([float(row[1].removeprefix("r ")) for row in beside])
    advantages = grpo_lite.group_advantages(rewards, 4)
    assert [row[-2].replace("−", "-") for row in beside] == [f"{a:+.2f}" for a in advantages]

    ratio = torch.ones(4, 5)
    for i, row in enumerate(texts):
        ratio[i, : len(row)] = torch.tensor([float(number) for _, number in row])
    ratio.requires_grad_()
    (push,) = torch.autograd.grad(grpo_lite.clipped_surrogate(ratio, advantages).sum(), ratio)
    kinds = {1: "up", -1: "down", 0: "stop"}
    for i, row in enumerate(cells):
        assert [cell.get("class") for cell in row] == [kinds[int(p.sign())] for p in push[i, : len(row)]]

    leaf = torch.zeros(4, 5, requires_grad=True)
    grpo_lite.aggregate(leaf, mask).backward()
    for row, weight in zip(beside, leaf.grad.max(dim=1).values.tolist(), strict=True):
        assert float(Fraction(row[-1])) == pytest.approx(weight)


def test_the_marks_of_the_loss_matrix_are_those_of_its_legend():
    root = drawing("loss-matrix")
    marks = {"up": "f1", "down": "f0", "stop": "fc"}
    for kind, mark in marks.items():
        assert {cell.find("path").get("class") for cell in of_class(root, kind)} == {mark}
    drawn = [element for element in root if element.tag in ("path", "text")]
    legend = {a.get("class"): b.text for a, b in zip(drawn, drawn[1:], strict=False) if a.tag == "path"}
    assert legend == {"f1": "pushed up", "f0": "pushed down", "fc": "clipped: no push"}


def test_the_functions_on_the_road_are_public():
    names = [text.text for text in drawing("road").iter("text") if "f" in text.get("class", "").split()]
    assert len(names) == 10
    assert set(names) <= set(grpo_lite.__all__)


def test_the_models_of_ppo_and_grpo_are_as_many_as_the_headings_say():
    ppo, grpo = drawing("ppo-grpo").findall("g")
    for column, models in ((ppo, 4), (grpo, 2)):
        trained, frozen = words(column).count("trained"), words(column).count("frozen")
        assert f"{trained + frozen} models, {trained} trained" in words(column)
        assert trained + frozen == models
        boxes = [rect for rect in column.iter("rect") if rect.get("width") == "134"]
        assert sum(rect.get("class") != "pad" for rect in boxes) == models


def test_the_shift_takes_the_logits_that_completion_logps_takes():
    class Model(torch.nn.Module):
        def forward(self, *, logits_to_keep, **rest):
            self.kept = logits_to_keep
            return SimpleNamespace(logits=logits[:, -logits_to_keep:])

    tokens, prompt, model = "3+4=7.", 4, Model()
    ids = torch.arange(6)[None]
    logits = torch.zeros(1, 6, 6, requires_grad=True)
    grpo_lite.completion_logps(model, ids[:, :prompt], ids[:, prompt:]).sum().backward()
    scored = [t for t in range(6) if logits.grad[0, t].any()]
    assert (scored, model.kept) == ([3, 4], 3)

    root = drawing("shift")
    assert {"prompt, P = 4", "completion, T = 2", "logits_to_keep=T+1"} <= set(words(root))
    elements = list(root)
    boxes = [(a, b.text) for a, b in zip(elements, elements[1:], strict=False) if a.tag == "rect" and b.tag == "text"]
    assert [label for _, label in boxes if label.startswith("z")] == ["z₀", "z₁", "z₂", "z₃", "z₄", "z₅"]
    logit_boxes = [box for box, label in boxes if label.startswith("z")]
    assert [t for t, box in enumerate(logit_boxes) if "policy" in box.get("class")] == scored
    token_boxes = [(box, label) for box, label in boxes if label in tokens]
    assert [label for _, label in token_boxes] == [*tokens, *tokens[1:]]
    assert ["old" in box.get("class") for box, _ in token_boxes] == [False] * 4 + [True] * 2 + [False] * 3 + [True] * 2

    # Each arrow leads one column on, from the logits to the token that they predict.
    columns = [float(box.get("x")) // 1 for box, _ in token_boxes[:6]]
    assert [float(box.get("x")) // 1 for box, _ in token_boxes[6:]] == columns[1:]
    text = (plotting.DIAGRAMS / "shift.svg").read_text()
    arrows = re.findall(r'd="M(\d+) \d+L[\d.]+ [\d.]+"/><path class="\w+" d="M(\d+) ', text)
    assert [(int(start) - 24, int(end) - 24) for start, end in arrows] == list(zip(columns, columns[1:], strict=False))
