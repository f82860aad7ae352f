"""Two of the family: curves, pushes and weights of the page against grpo_loss."""

import pytest
import torch

import grpo_lite
from grpo_lite.algorithms import ALGORITHMS
from helpers.explorers import assert_same, uniform

OWN = {"cispo": {"epsilon_high": 2.0}, "gmpo": {"epsilon": 0.4}}


def settings(loss_type):
    level = {"importance_sampling_level": "sequence"} if loss_type == "luspo" else {}
    return {"loss_type": loss_type, "max_completion_length": 8} | OWN.get(loss_type, {}) | level


@pytest.mark.parametrize("loss_type", ALGORITHMS)
def test_objective_and_push_are_those_of_the_package(js, generator, loss_type):
    ratios = 4 * uniform(generator, 60) + 0.01
    old_logps = -3 * uniform(generator, 60) - 0.1
    advantages = torch.cat([torch.tensor([1.0, -1.0] * 20), torch.randn(20, generator=generator)]).double()
    leaf = (old_logps + ratios.log())[:, None].requires_grad_()
    mask = torch.ones(1, 1, dtype=torch.bool)
    rows = zip(leaf, old_logps, advantages, strict=True)
    # One completion of one token each: its loss is minus the objective, whatever the average.
    own = settings(loss_type) | ({"max_completion_length": 1} if loss_type == "dr_grpo" else {})
    losses = [grpo_lite.grpo_loss(x[None], old[None, None], a[None], mask, **own).loss for x, old, a in rows]
    pushes = -torch.autograd.grad(sum(losses), leaf)[0][:, 0]
    given = list(zip(ratios.tolist(), advantages.tolist(), old_logps.tolist(), strict=True))
    mine = js("(name, all) => all.map((x) => objectives.OBJECTIVES[name].value(...x))", loss_type, given)
    assert_same(mine, -torch.stack(losses).detach())
    assert_same(js("(name, all) => all.map((x) => objectives.OBJECTIVES[name].push(...x))", loss_type, given), pushes)
    assert len(set(pushes.sign().tolist())) >= 2


@pytest.mark.parametrize("loss_type", ALGORITHMS)
@pytest.mark.parametrize("lengths", [(2, 8), (1, 1), (5, 3)])
def test_weights_are_the_gradient_of_the_loss_at_ratio_one(js, loss_type, lengths):
    mask = torch.arange(8) < torch.tensor(lengths)[:, None]
    leaf = torch.full((2, 8), -1.0, dtype=torch.float64, requires_grad=True)
    advantages = torch.tensor([1.0, -1.0], dtype=torch.float64)
    grpo_lite.grpo_loss(leaf, leaf.detach(), advantages, mask, **settings(loss_type)).loss.backward()
    weights = js("grpo.tokenWeights", list(lengths), loss_type, {"limit": 8})
    assert_same([-weights[0], weights[1]], leaf.grad[:, 0])


START = {"left": "grpo", "right": "dr_grpo", "sign": "1", "ratio": 1.1, "short": 2, "long": 6}
GOALS = [
    ("twins", {"left": "bnpo", "right": "dapo"}, {"left": "grpo", "right": "dapo"}),
    ("twins", {"right": "dapo", "left": "bnpo"}, {"left": "grpo", "right": "grpo"}),
    ("alive", {"right": "cispo", "ratio": 1.6}, {"right": "vespo", "ratio": 1.6}),
    ("faded", {"right": "vespo", "sign": "-1", "ratio": 2.9}, {"right": "cispo", "sign": "-1", "ratio": 2.9}),
    ("eight", {"right": "dapo", "short": 1, "long": 8}, {"right": "luspo", "left": "dapo", "short": 1, "long": 8}),
]


@pytest.mark.parametrize(("goal", "met", "missed"), GOALS)
def test_goals_of_the_family(js, goal, met, missed):
    assert js(f"family_state.familyGoals.{goal}", START | met) is True
    assert js(f"family_state.familyGoals.{goal}", START | missed) is False
    assert js(f"family_state.familyGoals.{goal}", START) is False


@pytest.mark.site
def test_a_reader_compares_two(page, js):
    page.goto("explore/?left=bnpo&right=cispo&ratio=1.6&short=1&long=4#family")
    explorer = page.locator("family-explorer.explorer")
    explorer.get_by_text("At ratio 1.60 the push on a token is 0.00 with bnpo and 1.60 with cispo").first.wait_for()
    weights = explorer.locator(".family-weights")
    assert "1 token: 1/5 each with bnpo, 1/5 with cispo" in weights.get_attribute("aria-label")
    assert explorer.locator("polyline.first").count() == explorer.locator("polyline.second").count() == 2
    explorer.get_by_label("Second", exact=True).select_option("dapo")
    assert explorer.locator("button.met").count() == 1  # a choice ticks at once
    panel = explorer.locator("svg.horizontal").nth(1)
    panel.scroll_into_view_if_needed()
    box = panel.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] + 50, box["y"] + 100)
    page.mouse.up()
    assert explorer.evaluate("host => host.state.ratio") == 3
