"""The explorers: their formulas in plain node, against the package; what a reader does with them, in a real browser."""

import re
import subprocess
from fractions import Fraction

import nbformat
import pytest
import torch

import grpo_lite
from grpo_lite.algorithms import ALGORITHMS
from helpers.built import ROOT
from helpers.explorers import SHIFT, TAGS, assert_same, mount_all, real, sentence, tab_to, uniform, until
from helpers.formulas import chances
from helpers.missing import give_up
from helpers.small_site import SOUND, small_project, strict_build, text_cell

SOURCES = [*(ROOT / "docs/assets/javascripts/explorers").glob("*.js"), ROOT / "docs/assets/stylesheets/explorers.css"]
OF_THE_RECORDING = {"recording.js", "rollouts.js", "scrub.js", "stations.js"}  # on other pages
FILL = "selector => getComputedStyle(document.querySelector(selector)).fill"


def test_the_linter_of_javascript_finds_nothing():
    """The same command as in `make check`, which brings the linter."""
    if not (ROOT / "tests/node_modules/installed").exists():
        give_up("no linter from npm")
    (command,) = re.findall(r"\t(\S+/eslint .+)", (ROOT / "Makefile").read_text())
    done = subprocess.run(command.split(), cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


# Formulas


def test_advantages_are_those_of_the_package(js, generator):
    for size in (2, 5, 8):
        rewards = 4 * uniform(generator, size) - 1
        for scale in ("group", "none"):
            ours = grpo_lite.group_advantages(rewards, size, scale_rewards=scale)
            assert_same(js("grpo.groupAdvantages", rewards, scale), ours)
        assert_same(js("grpo.leaveOneOutAdvantages", rewards), grpo_lite.leave_one_out_advantages(rewards, size))
        assert_same(js("grpo.mean", rewards), rewards.mean())
        assert_same(js("grpo.spread", rewards), rewards.std())
        so_far = js("grpo.running", rewards)
        assert_same([at["mean"] for at in so_far], torch.stack([rewards[: i + 1].mean() for i in range(size)]))
        assert_same([at["spread"] for at in so_far][1:], torch.stack([rewards[: i + 2].std() for i in range(size - 1)]))
        assert so_far[0]["spread"] == 0


def test_equal_rewards_are_worth_exactly_nothing(js):
    for value in (0.1, 0.6, 2.8):
        assert js("grpo.groupAdvantages", [value] * 8) == [0] * 8
        assert js("grpo.leaveOneOutAdvantages", [value] * 8) == [0] * 8


def test_the_clip_is_that_of_the_package(js, generator):
    cases = [(2 * r, 4 * a - 2, e / 2, h / 2) for r, a, e, h in uniform(generator, 40, 4).tolist()]
    edges = [(r, a, 0.2, 0.28) for r in (0.8, 1.28, 1.0) for a in (1.0, -1.0, 0.0)]
    for ratio, advantage, low, high in cases + edges:
        leaf = torch.tensor([[ratio]], dtype=torch.float64, requires_grad=True)
        advantages = torch.tensor([advantage], dtype=torch.float64)
        ours = grpo_lite.clipped_surrogate(leaf, advantages, epsilon=low, epsilon_high=high)
        ours.backward()
        assert_same(js("grpo.clippedSurrogate", ratio, advantage, low, high), ours[0, 0])
        assert_same(js("grpo.surrogateGradient", ratio, advantage, low, high), (leaf.grad * ratio)[0, 0])
        moved = leaf.detach().log()
        mask = torch.tensor([[True]])
        out = grpo_lite.grpo_loss(moved, 0 * moved, advantages, mask, epsilon=low, epsilon_high=high)
        if (ratio, advantage, low, high) not in edges:  # where the log and its exp decide
            assert js("grpo.isClipped", ratio, advantage, low, high) == bool(out.clip_fraction)


def test_kl_and_its_estimates_are_those_of_the_package(js, generator):
    for _ in range(5):
        logits, ref_logps = 4 * uniform(generator, 5), (4 * uniform(generator, 5)).log_softmax(0)
        logits.requires_grad_()
        logps = logits.log_softmax(0)
        probs, ref_probs = logps.exp(), ref_logps.exp()
        both = [probs.detach(), ref_probs]
        exact = {
            "reverse": (both, (probs * (logps - ref_logps)).sum()),
            "forward": (both[::-1], (ref_probs * (ref_logps - logps)).sum()),
        }
        for direction, (given, kl) in exact.items():
            assert_same(js("grpo.kl", *given), kl.detach())
            gradient = torch.autograd.grad(kl, logits, retain_graph=True)[0]
            assert_same(js(f"grpo.{direction}Gradient", *both), gradient)
        log_ratios = js("grpo.logRatios", *both)
        for name in ("k1", "k2", "k3"):
            estimate = getattr(grpo_lite, f"kl_{name}")(logps, ref_logps)
            values = [js(f"grpo.ESTIMATORS.{name}.value", x) for x in log_ratios]
            slopes = [js(f"grpo.ESTIMATORS.{name}.slope", x) for x in log_ratios]
            assert_same(values, estimate.detach())
            gradient = torch.autograd.grad((probs.detach() * estimate).sum(), logits, retain_graph=True)[0]
            assert_same(js("grpo.expectedGradient", both[0], slopes), gradient)
            middle = (both[0] * estimate.detach()).sum()
            assert_same(js("grpo.expected", both[0], values), middle)
            variance = (both[0] * (estimate.detach() - middle) ** 2).sum()
            assert_same(js("grpo.expectedSpread", both[0], values), variance.sqrt())


def weights_of_the_package(lengths, loss_type, **sizes):
    """The gradient of the average is the weight of each token; all tokens of a row have the same."""
    mask = torch.arange(8) < torch.tensor(lengths)[:, None]
    x = torch.ones(mask.shape, dtype=torch.float64, requires_grad=True)
    grpo_lite.aggregate(x, mask, loss_type=loss_type, max_completion_length=8, **sizes).backward()
    return x.grad[:, 0]


@pytest.mark.parametrize("loss_type", ALGORITHMS)
def test_weights_of_tokens_and_slices_are_those_of_the_package(js, generator, loss_type):
    for _ in range(5):
        lengths = torch.randint(1, 9, (4,), generator=generator).tolist()
        items = sum(lengths)
        whole = weights_of_the_package(lengths, loss_type)
        assert_same(js("grpo.tokenWeights", lengths, loss_type, {"limit": 8}), whole)
        pieces = []
        for part in (lengths[:3], lengths[3:]):
            weights = js("grpo.tokenWeights", part, loss_type, {"limit": 8, "items": items})
            assert_same(weights, weights_of_the_package(part, loss_type, num_items_in_batch=items))
            share = js("grpo.sliceShare", part, lengths, loss_type)
            pieces += [share * weight for weight in weights]
        assert_same(pieces, whole)


def test_tokens_are_drawn_with_their_probability_and_can_be_drawn_again(js):
    probs = torch.tensor([0.5, 0.05, 0.15, 0.3], dtype=torch.float64)
    first, again, other = (chances(js, seed, 4000) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert 0 <= min(first) < max(first) < 1
    tokens = [js("grpo.draw", probs, chance) for chance in first[:300]]
    assert tokens == torch.searchsorted(probs.cumsum(0), torch.tensor(first[:300]).double(), right=True).tolist()
    counts = torch.histc(torch.tensor(first), bins=10, min=0, max=1)
    assert ((counts - 400).abs() < 5 * (4000 * 0.1 * 0.9) ** 0.5).all()


def test_numbers_are_written_with_a_real_minus_and_no_negative_zero(js):
    assert [js("drawing.number", x) for x in (0.126, -0.126, -0.004, 0, -12)] == [
        "0.13",
        "−0.13",
        "0.00",
        "0.00",
        "−12.00",
    ]
    assert js("drawing.number", -1.5, 1) == "−1.5"
    assert js("[-0.004, 0.004, 0, 0.01, -0.126].map(drawing.near)") == ["−0.004", "0.004", "0.00", "0.01", "−0.13"]


def test_a_scale_leads_from_values_to_pixels_and_back(js):
    pixels = js("values => values.map(drawing.scale([-1, 3], [100, 20]))", [-1, 0, 3])
    assert pixels == [100, 80, 20]
    assert js("pixels => pixels.map(drawing.scale([-1, 3], [100, 20]).invert)", pixels) == [-1, 0, 3]


# What a reader does


def fraction(value):
    return str(Fraction(value).limit_denominator(999))


def knob(explore, name):
    return explore.get_by_role("slider", name=name, exact=True)


def advantages_shown(explore):
    knobs = explore.locator("group-explorer [role=slider]")
    texts = [knobs.nth(i).get_attribute("aria-valuetext") for i in range(8)]
    pairs = [re.fullmatch(r"(\S+), advantage (\S+)", text) for text in texts]
    return torch.tensor([[real(pair[1]), real(pair[2])] for pair in pairs], dtype=torch.float64).T


CHOICES = {
    "divided by the spread": lambda rewards: grpo_lite.group_advantages(rewards, 8),
    "not divided": lambda rewards: grpo_lite.group_advantages(rewards, 8, scale_rewards="none"),
    "leave one out": lambda rewards: grpo_lite.leave_one_out_advantages(rewards, 8),
}


@pytest.mark.site
def test_group_shows_what_the_package_gives(explore):
    for press in ("Reset", "One right of eight", "One outlier", "All equal"):
        explore.locator("group-explorer").get_by_role("button", name=press).click()
        for choice, formula in CHOICES.items():
            explore.get_by_role("radio", name=choice).check()
            rewards, advantages = advantages_shown(explore)
            torch.testing.assert_close(advantages, formula(rewards), atol=0.0051, rtol=0)
            drawn = explore.locator("group-explorer svg text").all_text_contents()
            assert [f"{a:.2f}".replace("-", "−") for a in advantages.tolist()] == drawn[-16::2]
            assert ("teaches nothing" in sentence(explore, "group-explorer")) == (press == "All equal")


@pytest.mark.site
def test_a_reward_is_set_by_keyboard(explore):
    explore.get_by_role("button", name="One outlier").focus()
    tab_to(explore, "[role=slider]")
    third = knob(explore, "Reward of completion 3")
    third.focus()
    seen = []
    for key in ("End", "ArrowDown", "ArrowLeft", "PageDown", "Home", "ArrowUp", "ArrowRight", "PageUp", "ArrowDown"):
        explore.keyboard.press(key)
        seen.append(float(third.get_attribute("aria-valuenow")))
    assert seen == [1, 0.95, 0.9, 0.65, 0, 0.05, 0.1, 0.35, 0.3]
    assert third.get_attribute("aria-valuetext").startswith("0.30, advantage ")
    assert third.evaluate("knob => knob === document.activeElement")


@pytest.mark.site
def test_a_reward_is_dragged_by_mouse(explore):
    third = knob(explore, "Reward of completion 3")
    third.scroll_into_view_if_needed()
    box = third.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 + 9  # not its very middle: nothing may jump
    before = float(third.get_attribute("aria-valuenow"))
    explore.mouse.move(x, y)
    explore.mouse.down()
    assert float(third.get_attribute("aria-valuenow")) == before
    explore.mouse.move(x, y + 69, steps=3)  # half of 138 pixels
    explore.mouse.up()
    explore.mouse.move(x, y)
    assert float(third.get_attribute("aria-valuenow")) == pytest.approx(before - 0.5)


@pytest.mark.site
def test_a_reward_is_dragged_by_finger_and_the_page_stays(browser, server):
    phone = browser.new_context(base_url=server, viewport={"width": 390, "height": 844}, has_touch=True)
    explore = phone.new_page()
    explore.goto("explore/")
    first = knob(explore, "Reward of completion 1")
    first.scroll_into_view_if_needed()
    box, top = first.bounding_box(), explore.evaluate("scrollY")
    touch = phone.new_cdp_session(explore)
    points = [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 + down) for down in (0, 30, 60, 138)]
    for i, (x, y) in enumerate(points):
        kind = "touchMove" if i else "touchStart"
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert first.get_attribute("aria-valuenow") == "0"
    assert explore.evaluate("scrollY") == top
    phone.close()


CASES = [
    ("+1, a good answer", 1.5, "gone up far enough. The gradient is 0:"),
    ("+1, a good answer", 0.5, "The gradient stays on: 0.50, up"),
    ("+1, a good answer", 1.1, "The gradient is 1.10: the token is pushed up"),
    ("−1, a bad one", 0.5, "gone down far enough. The gradient is 0:"),
    ("−1, a bad one", 1.5, "The gradient stays on: −1.50, down"),
    ("−1, a bad one", 0.9, "The gradient is −0.90: the token is pushed down"),
]


@pytest.mark.site
def test_clip_says_where_the_gradient_dies(explore):
    host = explore.locator("clip-explorer")
    for sign, ratio, says in CASES:
        host.get_by_role("radio", name=sign).check()
        host.get_by_role("slider", name="Ratio", exact=True).fill(str(ratio))
        assert says in sentence(explore, "clip-explorer")
        for panel in explore.locator("clip-explorer svg").all():
            assert says in panel.get_attribute("aria-label")
        dead = "far enough" in says
        assert explore.locator("clip-explorer circle.clipped").count() == (2 if dead else 0)


@pytest.mark.site
def test_clip_range_moves_by_keyboard_and_by_mouse(explore):
    host = explore.locator("clip-explorer")
    host.get_by_role("slider", name="Epsilon high").focus()
    explore.keyboard.press("End")
    host.get_by_role("slider", name="Ratio", exact=True).fill("1.45")
    assert "inside the clip range" in sentence(explore, "clip-explorer")
    panel = explore.locator("clip-explorer svg").first
    panel.scroll_into_view_if_needed()
    box = panel.bounding_box()
    explore.mouse.move(box["x"] + 40, box["y"] + 100)
    explore.mouse.down()
    for x, ratio in ((26 + (box["width"] - 36) / 2, "1.00"), (box["width"] + 50, "2.00")):
        explore.mouse.move(box["x"] + x, box["y"] + 100)
        assert f"Ratio {ratio}" in sentence(explore, "clip-explorer")


@pytest.mark.site
def test_kl_shows_what_the_package_gives(explore):
    explore.get_by_role("button", name="Draw 10", exact=True).click()
    knob(explore, "Probability of token b under the policy").press("PageUp")
    names = [f"Probability of token {token} under the policy" for token in "abcde"]
    probs = torch.tensor([float(knob(explore, name).get_attribute("aria-valuenow")) for name in names])
    ref_probs = torch.tensor(explore.locator("kl-explorer").evaluate("host => host.state.reference"))
    logps, ref_logps = probs.log(), ref_probs.log()
    text = sentence(explore, "kl-explorer")
    both = [float(number) for number in re.findall(r"is (\d\.\d+)", text)]
    ours = [(probs * (logps - ref_logps)).sum().item(), (ref_probs * (ref_logps - logps)).sum().item()]
    assert both == pytest.approx(ours, abs=2e-3)
    picture = explore.get_by_role("img", name="k1: drawn mean")
    for name in ("k1", "k2", "k3"):
        estimate = getattr(grpo_lite, f"kl_{name}")(logps, ref_logps)
        middle = (probs * estimate).sum()
        spread = (probs * (estimate - middle) ** 2).sum().sqrt()
        told = re.search(rf"{name}: [^;]+; exact mean (\S+), spread (\S+)\.", picture.get_attribute("aria-label"))
        row = explore.locator("kl-explorer tr", has_text=name).locator("td").all_text_contents()
        for shown in (told.groups(), row[2:]):
            assert [real(x) for x in shown] == pytest.approx([middle.item(), spread.item()], abs=0.008)


@pytest.mark.site
def test_kl_has_a_tab_for_values_and_one_for_gradients(explore):
    host = explore.locator("kl-explorer")
    value, gradient = (host.get_by_role("tab", name=name) for name in ("Value", "Gradient"))
    assert host.get_by_role("tabpanel").count() == 1
    value.focus()
    explore.keyboard.press("ArrowRight")
    assert gradient.evaluate("tab => tab === document.activeElement")
    assert [tab.get_attribute("aria-selected") for tab in (value, gradient)] == ["false", "true"]
    assert not host.get_by_role("button", name="Draw 1", exact=True).is_visible()
    label = host.get_by_role("img", name="that of k1 is 0. Token a").get_attribute("aria-label")
    shown = re.findall(r"Token .: exact KL (\S+), k2 (\S+), k3 (\S+)\.", label)
    policy, reference = host.evaluate("({ state }) => [state.policy, state.reference]")
    theta = torch.tensor(policy, dtype=torch.float64).log().requires_grad_()
    logps, ref_logps = theta.log_softmax(0), torch.tensor(reference, dtype=torch.float64).log()
    probs = logps.exp().detach()
    expected = [(probs * getattr(grpo_lite, f"kl_{name}")(logps, ref_logps)).sum() for name in ("k1", "k2", "k3")]
    expected.append((logps.exp() * (logps - ref_logps)).sum())
    first, second, third, exact = (torch.autograd.grad(x, theta, retain_graph=True)[0] for x in expected)
    torch.testing.assert_close(first, torch.zeros(5).double())
    seen = torch.tensor([[real(x) for x in numbers] for numbers in shown]).double()
    torch.testing.assert_close(seen, torch.stack([exact, second, third]).T, atol=0.00051, rtol=0)
    gradient.press("Home")
    assert value.evaluate("tab => tab === document.activeElement")
    assert host.get_by_role("button", name="Draw 1", exact=True).is_visible()


@pytest.mark.site
def test_a_probability_takes_from_the_others_in_proportion_and_leaves_them_something(explore):
    def policy():
        return torch.tensor(explore.locator("kl-explorer").evaluate("host => host.state.policy"), dtype=torch.float64)

    before = policy()
    knob(explore, "Probability of token b under the policy").press("Home")
    after = policy()
    rest = [0, 2, 3, 4]
    torch.testing.assert_close(after[1].item(), 0.01)
    torch.testing.assert_close(after[rest] / after[rest].sum(), before[rest] / before[rest].sum())
    for token in "abcde":
        knob(explore, f"Probability of token {token} under the policy").press("End")
        torch.testing.assert_close(policy().sum().item(), 1.0)
        assert policy().min() > 0.0019


@pytest.mark.site
def test_kl_draws_more_tokens_and_starts_again(explore):
    def count():
        return int(re.search(r"(\d+) tokens? drawn", sentence(explore, "kl-explorer"))[1])

    start = count()
    explore.get_by_role("button", name="Draw 1", exact=True).click()
    hundred = explore.get_by_role("button", name="Draw 100", exact=True)
    hundred.click()
    assert count() == start + 101
    dots = explore.locator("kl-explorer path.samples").first
    assert dots.get_attribute("d").count("M") == start + 101
    for _ in range(5):
        hundred.click()
    assert count() == 500
    first = dots.get_attribute("d")
    explore.get_by_role("button", name="Again", exact=True).click()
    assert count() == 0
    for _ in range(5):
        hundred.click()
    assert dots.get_attribute("d").count("M") == 500
    assert dots.get_attribute("d") != first


@pytest.mark.site
def test_loss_shows_what_the_package_gives(explore):
    host = explore.locator("loss-explorer")
    knob(host, "Length of completion 1").press("ArrowRight")
    lengths = [3, 8, 4]
    batches = {"in one call": [lengths], "in two slices": [lengths[:2], lengths[2:]]}
    for loss_type in ("grpo", "bnpo", "dr_grpo", "dapo", "luspo"):
        host.get_by_role("radio", name=loss_type, exact=True).check()
        whole = (weights_of_the_package(lengths, loss_type) * torch.tensor(lengths)).sum()
        for name, slices in batches.items():
            host.get_by_role("radio", name=name).check()
            weights = [weights_of_the_package(part, loss_type, num_items_in_batch=15).tolist() for part in slices]
            expected = [
                fraction(weight)
                for weight, length in zip(sum(weights, []), lengths, strict=True)
                for _ in range(length)
            ]
            assert explore.locator("loss-explorer text.token").all_text_contents() == expected
            total = explore.locator("loss-explorer text.value").text_content()
            assert re.match(r"total (\S+)", total)[1] == fraction(whole.item())


@pytest.mark.site
@pytest.mark.parametrize("tag", TAGS)
def test_reset_leads_back_to_the_start(explore, tag):
    host = explore.locator(tag)
    host.evaluate("host => host.querySelectorAll('.explorer-more').forEach((fold) => (fold.open = true))")
    start = host.evaluate("host => JSON.stringify(host.state)")
    host.get_by_role("slider").first.press("ArrowRight")
    for button in host.get_by_role("button").all()[:2]:
        button.click()
    host.evaluate("(host) => clearTimeout(host.timer)")  # of the moves of a step
    for slider in host.get_by_role("slider").all():
        slider.press("ArrowRight")
    assert host.evaluate("host => JSON.stringify(host.state)") != start
    host.get_by_role("button", name="Reset").click()
    assert host.evaluate("host => JSON.stringify(host.state)") == start
    assert host.evaluate("host => JSON.stringify(host.constructor.start)") == start


# Goals and links


@pytest.mark.site
def test_a_goal_that_is_reached_is_ticked_explained_and_stays_until_it_is_cleared(explore):
    host = explore.locator("clip-explorer")
    goals = host.get_by_role("group", name="Goals").get_by_role("button", name="Goal ")
    shown, note = host.locator(".explorer-goal .shown"), host.locator(".explorer-why").first
    ratio = host.get_by_role("slider", name="Ratio", exact=True)

    def ticked():
        return [goal.get_attribute("aria-label").endswith("(reached)") for goal in goals.all()]

    assert ticked() == [False] * 4
    assert shown.text_content() == "Goal: Move the ratio until the gradient of a good answer vanishes."
    assert not note.is_visible()
    goals.nth(2).click()
    assert shown.text_content() == "Goal: Leave the clip range, and keep a gradient."
    way = host.get_by_role("button", name="Show me")
    way.click()
    assert way.get_attribute("aria-expanded") == "true"
    assert "Choose +1 and move the ratio below 0.8" in note.text_content()
    assert note.bounding_box()["y"] < host.locator("svg").first.bounding_box()["y"]
    way.click()
    assert not note.is_visible()
    apart = "one => one.getBoundingClientRect().top - one.closest('.explorer').getBoundingClientRect().top"
    top = ratio.evaluate(apart)
    ratio.fill("1.5")
    until(explore, "document.querySelectorAll('clip-explorer .met').length === 1")
    assert ticked() == [True, False, False, False]
    also = host.locator(".explorer-also")
    assert also.text_content() == "✓ Reached as well: goal 1. Press a ✓ for why."
    assert (
        "✓ Move the ratio until the gradient of a good answer vanishes. The token has"
        in host.locator(".explorer-why").last.text_content()
    )
    assert shown.text_content() == "Goal: Leave the clip range, and keep a gradient."  # one follows that one
    assert not note.is_visible()
    ratio.fill("0.5")
    until(explore, "document.querySelectorAll('clip-explorer .met').length === 2")
    assert ticked() == [True, False, True, False]
    assert shown.text_content() == "Reached: Leave the clip range, and keep a gradient."
    assert "never stopped" in host.locator(".explorer-why").last.text_content()
    assert also.count() == 0
    assert ratio.evaluate(apart) == top  # nothing moves under the pointer
    ratio.fill("1")
    host.get_by_role("button", name="Next goal").click()
    assert shown.text_content() == "Goal: Make the gradient of a bad answer vanish."
    assert goals.nth(1).evaluate("goal => goal === document.activeElement")
    assert not note.is_visible()
    explore.reload()
    mount_all(explore)
    assert ticked() == [True, False, True, False]
    assert shown.text_content() == "Goal: Make the gradient of a bad answer vanish."
    host.get_by_role("button", name="Clear the ticks").click()
    assert ticked() == [False] * 4
    assert not host.get_by_role("button", name="Clear the ticks").is_visible()
    explore.reload()
    mount_all(explore)
    assert ticked() == [False] * 4


@pytest.mark.site
def test_a_goal_counts_when_the_hand_rests(explore):
    host, panel = explore.locator("clip-explorer"), explore.locator("clip-explorer svg").first
    slider = host.get_by_role("slider", name="Ratio", exact=True)
    panel.scroll_into_view_if_needed()
    box, bar = panel.bounding_box(), slider.bounding_box()
    for left, width, y in ((box["x"] + 26, box["width"] - 36, box["y"] + 100), (bar["x"], bar["width"], bar["y"] + 22)):
        explore.mouse.move(left + width / 2, y)  # a ratio of about 1
        explore.mouse.down()
        explore.mouse.move(left + 0.8 * width, y)
        assert host.evaluate("host => host.state.ratio") > 1.4
        explore.mouse.move(left + width / 2, y)
        explore.mouse.up()
        explore.wait_for_timeout(700)
        assert host.locator(".met").count() == 0  # it was only passed
    slider.focus()
    for key in ["End", "Home"]:
        explore.keyboard.press(key)
    until(explore, "document.querySelector('clip-explorer .explorer-dots').textContent === '12✓4'")
    explore.mouse.move(left + 0.8 * width, y)
    explore.mouse.down()
    until(explore, "document.querySelectorAll('clip-explorer .met').length === 2")


@pytest.mark.site
def test_when_all_goals_are_reached_the_strip_says_so_and_leaves(explore):
    explore.evaluate(
        'localStorage.setItem(\'grpo_lite.goals\', \'{"clip-explorer": ["good", "bad", "back", "gone"]}\')'
    )
    explore.reload()
    links = explore.locator(".md-sidebar--secondary a[href$='#where-does-the-gradient-die']")
    host, strip = explore.locator("clip-explorer"), explore.locator("clip-explorer .explorer-goals")
    mount_all(explore)
    assert links.get_attribute("data-ticks") == "3/4"
    assert strip.evaluate("strip => getComputedStyle(strip).top") == "48px"
    host.get_by_role("slider", name="Epsilon high").fill("0.3")
    host.get_by_role("slider", name="Ratio", exact=True).fill("1.25")
    until(explore, "document.querySelectorAll('clip-explorer .met').length === 4")
    assert host.locator(".explorer-goal .shown").text_content() == "All 4 goals are reached."
    assert "All 4 goals are reached." in host.get_by_role("status").text_content()
    assert links.get_attribute("data-ticks") == "✓"
    explore.reload()
    mount_all(explore)
    assert strip.evaluate("strip => getComputedStyle(strip).top") == "-200px"
    host.get_by_role("button", name="Goal 2").click()
    assert host.locator(".explorer-goal .shown").text_content() == "Reached: Make the gradient of a bad answer vanish."


def test_the_contents_know_how_many_goals_there_are(js):
    text = (ROOT / "docs/assets/javascripts/explorers.js").read_text()
    told = {f"{tag}-explorer": int(count) for tag, count in re.findall(r"(\w+): (\d)\b", text)}
    assert told == {
        tag: js(f'Object.keys(classes["{tag}"].goals ?? {{}}).length') for tag in js("Object.keys(classes)")
    }


# What one moves and what one sees, each by its place in the explorer.
TOGETHER = {
    "group": (".knob", "svg"),
    "attack": ("textarea", "table"),
    "clip": ("input[type=range]", ".explorer-panels"),
    "diagnosis": (".diagnosis-panels", ".diagnosis-none"),
    "loss": ("fieldset", "svg"),
    "policy": (".explorer-go", ".explorer-live"),
    "kl": ("svg", ".explorer-sentence", "[role=tabpanel] svg"),
    "family": ("input[type=range]", ".explorer-panels"),
}


@pytest.mark.site
def test_on_a_phone_a_control_and_what_it_moves_are_in_sight_together(explore):
    explore.set_viewport_size({"width": 390, "height": 844})
    explore.wait_for_timeout(300)
    for tag, both in TOGETHER.items():
        strip = explore.locator(f"{tag}-explorer .explorer-goals").bounding_box()["height"]
        boxes = [explore.locator(f"{tag}-explorer {part}").first.bounding_box() for part in both]
        top, bottom = min(box["y"] for box in boxes), max(box["y"] + box["height"] for box in boxes)
        assert bottom - top < 844 - 48 - strip, tag


@pytest.mark.site
def test_a_link_opens_an_explorer_as_it_was_left_and_reaches_nothing(explore):
    explore.context.grant_permissions(["clipboard-read", "clipboard-write"])
    host = explore.locator("clip-explorer")
    host.get_by_role("slider", name="Ratio", exact=True).fill("1.5")
    host.get_by_role("button", name="Clear the ticks").click()  # it waits for the tick
    host.get_by_role("button", name="Link to this").click()
    host.get_by_role("button", name="Link copied").wait_for()
    link = explore.evaluate("navigator.clipboard.readText()")
    assert link.endswith("explore/?ratio=1.5#clip")
    explore.goto("about:blank")
    explore.goto(link.replace("#", "&sign=-1&low=7&high=0.4&gone=1#"))
    host.locator(".explorer-sentence").wait_for()
    assert host.evaluate("host => host.state") == {"sign": "-1", "ratio": 1.5, "low": 0.2, "high": 0.4}
    assert host.locator(".met").count() == 0
    until(explore, "document.querySelector('clip-explorer').getBoundingClientRect().top < 200")
    host.get_by_role("radio", name="+1").check()
    assert host.locator(".met").count() == 1


@pytest.mark.site
def test_links_of_the_pages_say_what_their_explorer_understands(explore):
    """Each `explore.md?...#name`: all of it is heeded, and it opens something else than the start."""
    found = {}
    for path in ROOT.glob("docs/**/*.md"):
        for link in re.findall(r"explore\.md\?([^)#]+)#(\w+)\)", path.read_text()):
            found.setdefault(link, path.name)
    assert list(found.values()).count("questions.md") >= 6
    opened = """([search, name]) => {
      history.replaceState(null, "", `?${search}#${name}`);
      const host = document.body.appendChild(document.createElement(`${name}-explorer`));
      const link = host.link().split("?")[1]?.split("#")[0];
      host.remove();
      return link;
    }"""
    for search, name in found:
        link = explore.evaluate(opened, [search, name])
        assert link is not None, (search, name)
        assert set(link.split("&")) == set(search.replace("&amp;", "&").split("&")), (search, name)


@pytest.mark.site
def test_a_button_glides_unless_the_reader_wants_no_motion(explore):
    heights = """host => new Promise((done) => {
      const seen = [];
      [...host.querySelectorAll("button")].find((one) => one.textContent === "One right of eight").click();
      const look = () => {
        seen.push(Number(host.querySelector("rect.positive").getAttribute("height")));
        if (seen.length < 40) requestAnimationFrame(look);
        else done(seen);
      };
      look();
    })"""
    host = explore.locator("group-explorer")
    seen = host.evaluate(heights)
    assert len({round(height, 1) for height in seen}) > 3
    assert host.locator("line.ghost").count() == 8
    assert "before" in host.locator("tspan.ghost").text_content()  # and its legend
    host.get_by_role("button", name="Reset").click()
    explore.emulate_media(reduced_motion="reduce")
    assert len(set(host.evaluate(heights))) == 1


# Manners


@pytest.mark.site
def test_a_sentence_is_written_at_once_and_read_out_when_the_hand_rests(explore):
    written, spoken = explore.evaluate("""async () => {
      const host = document.querySelector("clip-explorer"), voice = host.querySelector("[role=status]");
      const written = [], spoken = [voice.textContent];
      new MutationObserver(() => spoken.push(voice.textContent)).observe(voice, { childList: true });
      for (let i = 1; i <= 6; i++) {
        host.set({ ratio: 1.15 + i / 100 });
        written.push(host.querySelector(".explorer-sentence").textContent.slice(0, 10));
        await new Promise((done) => setTimeout(done, 100));
      }
      await new Promise((done) => setTimeout(done, 700));
      return [written, spoken];
    }""")
    assert written == [f"Ratio 1.{end}" for end in (16, 17, 18, 19, 20, 21)]
    assert spoken[0] == ""  # what a page begins with is nobody's move
    assert len(spoken) == 2
    assert spoken[1].startswith("Move the ratio until the gradient of a good answer vanishes. (reached)")
    assert "Ratio 1.21: a good token" in spoken[1]


@pytest.mark.site
def test_a_page_loads_the_explorers_that_it_shows_and_no_other(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("questions/", wait_until="networkidle")
    assert [url for url in asked if "/explorers/" in url] == []
    assert any(url.endswith("/explorers.js") for url in asked)
    page.goto("explore/", wait_until="networkidle")
    workers = {"sampler.js", "update_worker.js", "update.js", "backward.js"}  # they are hired with the models
    modules = {path.name for path in SOURCES[:-1]} - OF_THE_RECORDING - workers
    assert {url.rsplit("/", 1)[1] for url in asked if "/explorers/" in url} == modules


@pytest.mark.site
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_shifts_and_every_target_is_large(explore, width):
    explore.set_viewport_size({"width": width, "height": 900})
    explore.reload(wait_until="networkidle")
    for tag in TAGS:  # they stand where they come into view
        explore.locator(tag).evaluate("host => host.scrollIntoView()")
        explore.locator(f"{tag}.explorer").wait_for()
    explore.wait_for_timeout(200)
    shift = explore.evaluate(SHIFT)
    assert shift < 0.01
    targets = explore.locator(".explorer :is(button, fieldset label, input[type=range], .target):visible")
    assert targets.count() > 60
    for box in targets.evaluate_all("all => all.map((one) => one.getBoundingClientRect())"):
        assert min(box["width"], box["height"]) >= 43.5
    spill = "all => all.filter((text) => text.getBoundingClientRect().right > innerWidth - 8).map((t) => t.textContent)"
    assert explore.locator(".explorer text").evaluate_all(spill) == []


@pytest.mark.site
@pytest.mark.parametrize("width", [1280, 390])
def test_the_place_that_is_kept_for_an_explorer_is_as_high_as_the_explorer(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    heights = """host => {
      const kept = parseFloat(getComputedStyle(host).minHeight);
      host.style.minHeight = 0;
      return [kept, host.getBoundingClientRect().height];
    }"""
    for address, count in (("explore/", 10), ("lessons/gradients_of_kl/", 1)):
        page.goto(address)
        mount_all(page)
        hosts = page.locator(".explorer").all()
        assert len(hosts) == count
        for kept, height in (host.evaluate(heights) for host in hosts):
            assert abs(kept - height) < 25  # a line of text, which other fonts may need


@pytest.mark.site
def test_pictures_follow_the_width_of_the_window_without_an_error(explore):
    explore.evaluate("() => { window.faults = []; addEventListener('error', (event) => faults.push(event.message)); }")
    for width in (390, 320, 1280):
        explore.set_viewport_size({"width": width, "height": 900})
        explore.wait_for_timeout(100)
        drawings = explore.locator(".explorer svg")
        fits = "all => all.map((svg) => svg.viewBox.baseVal.width - svg.getBoundingClientRect().width)"
        assert max(map(abs, drawings.evaluate_all(fits))) < 1
    assert explore.evaluate("faults") == []


@pytest.mark.site
def test_explorers_stand_when_they_come_near_and_all_of_them_on_paper(page):
    page.goto("explore/")
    until(page, "!document.querySelector(':not(:defined)')")
    page.locator("group-explorer.explorer").wait_for()
    waiting = page.locator(".explorer-waits")
    assert waiting.count() >= 6
    page.locator("model-explorer").scroll_into_view_if_needed()
    page.locator("model-explorer.explorer").wait_for()
    assert page.locator("kl-explorer.explorer").count() == 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert waiting.count() == 0
    assert page.locator("kl-explorer.explorer").count() == 1


@pytest.mark.site
def test_on_paper_the_pictures_stay_and_the_knobs_go(explore):
    explore.emulate_media(media="print", color_scheme="dark")
    for tag in TAGS:
        assert explore.locator(f"{tag} :is(svg, .explorer-sentence)").first.is_visible()
        assert not explore.locator(f"{tag} :is(button, .knob)").first.is_visible()
    ink = explore.evaluate(FILL, "kl-explorer svg text")
    assert max(int(part) for part in re.findall(r"\d+", ink)[:3]) < 128


@pytest.mark.site
def test_both_colour_schemes_reach_the_pictures(both_schemes):
    inks = []
    for tab in both_schemes:
        tab.goto("explore/")
        mount_all(tab)
        for selector in ("kl-explorer rect.policy", "kl-explorer rect.reference", "clip-explorer circle.positive"):
            tab.locator(selector).first.wait_for()
            inks.append(tab.evaluate(FILL, selector))
    assert len(set(inks)) == 6


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_explorers_are_small_and_take_their_colours_from_the_site(path):
    text = path.read_text()
    assert not re.search(r"#[0-9a-f]{3,8}\b(?!-)|\brgba?\(|https?:(?!//www\.w3\.org)", text, re.I)
    lines = len(text.splitlines())
    assert lines <= 180 or path.name in ("words.js", "words_play.js", "explorers.css")  # tables of words, and of rules


@pytest.mark.slow
def test_a_lesson_passes_an_explorer_through(tmp_path):
    small_project(tmp_path, *SOUND, text_cell("Try it.\n\n<group-explorer>Eight *rewards*.</group-explorer>\n\nAfter."))
    notebook = nbformat.read(tmp_path / "notebooks/01_one.ipynb", 4)
    assert "<group-explorer>" in notebook.cells[-1].source
    done = strict_build(tmp_path)
    assert done.returncode == 0, done.stdout
    html = (tmp_path / "site/lessons/one/index.html").read_text()
    assert "<p><group-explorer>Eight <em>rewards</em>.</group-explorer></p>" in html
