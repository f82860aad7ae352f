"""One update of the model in the page: its gradient and its new log-probs are those of PyTorch and of the trainer."""

import pytest
import torch
from safetensors.torch import load_file

import grpo_lite
from grpo_lite import GRPOConfig, GRPOTrainer
from grpo_lite.tasks import accuracy, load_base_model, make_problems
from grpo_lite.training.gradient import logps_of, stack
from grpo_lite.training.rollout import Group
from helpers.built import ROOT

MODEL = ROOT / "docs/assets/models/base.safetensors"
UPDATES = """(prompt, size, seed, temperature, rate, count) => {
  const own = structuredClone(weights.base);
  const completions = transformer.sampleGroup(models.base, prompt, size, grpo.generator(seed), temperature);
  const truth = String(tasks.chainSum(prompt) % 10);
  const rewards = completions.map((completion) => tasks.accuracy(transformer.decode(completion), truth));
  const group = { prompt: transformer.encode(prompt), completions, advantages: grpo.groupAdvantages(rewards) };
  group.oldLogps = update.scores(own, group, temperature);
  const optimiser = new update.AdamW(own);
  const passes = [];
  for (let k = 0; k < count; k++) {
    const { gradients, ...seen } = update.gradientOf(own, group, temperature);
    optimiser.step(gradients, rate);
    const kept = k === 0 ? { gradients } : {};
    passes.push({ ...kept, ...seen, norm: update.lengthOf(gradients), after: update.scores(own, group, temperature) });
  }
  return { completions, rewards, group, passes, weight: own["transformer.h.0.attn.c_attn.weight"] };
}"""


def padded(rows, fill=0.0):
    return torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(row, dtype=torch.float64) for row in rows], batch_first=True, padding_value=fill
    )


def worst(theirs, ours):
    """The largest difference, measured by the largest number: how many digits of it are right."""
    theirs = torch.as_tensor(theirs, dtype=torch.float64)
    return ((theirs - ours).abs().max() / ours.abs().max().clamp(min=1e-12)).item()


def trainer_of(temperature, rate, problems):
    """The trainer of the package on the model of the page, in float64."""
    model, tokenizer = load_base_model()
    model.load_state_dict(load_file(MODEL), strict=False)
    args = GRPOConfig(
        per_device_train_batch_size=8, num_generations=8, num_iterations=3, max_completion_length=16,
        learning_rate=rate, lr_scheduler_type="constant", temperature=temperature, use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    return GRPOTrainer(model.double(), accuracy, args, problems, tokenizer)


def group_of(trainer, prompt, made):
    """The group that the page drew, as the trainer would hold it."""
    ids = padded(made["completions"]).long()
    mask = torch.arange(ids.shape[1]) < torch.tensor([[len(row)] for row in made["completions"]])
    rewards = torch.tensor(made["rewards"], dtype=torch.float64)
    prompt_ids = torch.tensor(trainer.tokenizer(prompt)["input_ids"])
    group = Group(prompt, prompt_ids, ids, mask, mask, mask, None, None, [], None, rewards)
    group = group._replace(advantages=grpo_lite.group_advantages(rewards, len(ids)))
    # The log-probs of what has been drawn are those of the model that drew.
    blank = group._replace(logps=torch.zeros_like(ids, dtype=torch.float64))
    with torch.no_grad():
        return group._replace(logps=logps_of(trainer.model, stack([blank]), trainer.args))


@pytest.mark.parametrize(
    ("prompt", "seed", "temperature", "rate"), [("3+9+4+1=", 1, 1.0, 7e-4), ("2+0+7+4=", 5, 1.4, 3e-3)]
)
def test_updates_are_those_of_the_trainer(js, prompt, seed, temperature, rate):
    made = js(UPDATES, prompt, 8, seed, temperature, rate, 3)
    assert 0 < sum(made["rewards"]) < 8  # else there is nothing to learn
    trainer = trainer_of(temperature, rate, make_problems("chain-sum", "train", 2))
    group = group_of(trainer, prompt, made)
    assert worst(made["group"]["advantages"], group.advantages) < 1e-12
    assert worst(padded(made["group"]["oldLogps"]), torch.where(group.mask, group.logps, 0)) < 1e-9
    clipped = 0
    for k, seen in enumerate(made["passes"]):
        if k == 0:
            trainer.gradient([group])
            ours = {name: p.grad.flatten() for name, p in trainer.model.named_parameters()}
            assert ours.keys() == seen["gradients"].keys()
            whole = torch.cat(list(ours.values()))
            theirs = [torch.tensor(seen["gradients"][name], dtype=torch.float64) for name in ours]
            assert len(whole) == sum(len(part) for part in theirs) > 400_000
            assert worst(torch.cat(theirs), whole) < 1e-9
            for name, part in zip(ours, theirs, strict=True):
                assert ((part - ours[name]).norm() / ours[name].norm()).item() < 1e-6, name
        record = trainer.update([group])
        assert seen["loss"] == pytest.approx(record["loss"], rel=1e-6, abs=1e-9)
        assert seen["norm"] == pytest.approx(record["grad_norm"], rel=1e-6)
        share = sum(map(sum, seen["clipped"])) / group.mask.sum().item()
        assert share == pytest.approx(record["clip_fraction"], abs=1e-6)
        clipped += share > 0
        with torch.no_grad():
            after = logps_of(trainer.model, stack([group]), trainer.args)
        assert worst(padded(seen["after"]), torch.where(group.mask, after, 0)) < 1e-6
    assert clipped  # the second and third update have met the clip
    ours = trainer.model.transformer.h[0].attn.c_attn.weight.detach().flatten()
    assert worst(made["weight"], ours) < 1e-6


# What the page makes of it


def group(advantages, changes, **more):
    """A group of completions of two tokens, as the page holds it, after updates that changed its log-probs so."""
    old = [[-1.0, -1.0] for _ in advantages]
    now = [[-1.0 + x for x in row] for row in changes]
    rewards = [1 if advantage > 0 else 0 for advantage in advantages]
    own = {
        "advantages": advantages,
        "rewards": rewards,
        "symbols": [["<answer>", "7"]] * len(old),
        "old": old,
        "now": now,
    }
    return own | {"passes": 1, "heat": 1, "norm": 1.0, "clipped": [[False, False] for _ in old]} | more


UP, DOWN = [0.1, 0.1], [-0.1, -0.1]
STILL = [[0, 0], [0, 0]]
FRESH = {"passes": 0, "now": None}
RIGHT = group([0, 0], STILL, rewards=[1, 1], **FRESH)
ONE_CLIPPED = group([1, -1], [UP, DOWN], passes=2, clipped=[[True, False], [False, False]])
GOALS = [
    ("both", {"group": group([1, -1], [UP, DOWN])}, {"group": group([1, -1], [UP, UP])}),
    ("both", {"group": group([1, -1], [[0.3, -0.1], DOWN])}, {"group": group([1, 1], [UP, UP])}),
    (
        "against",
        {"group": group([1, -1], [[0.1, -0.1], DOWN]), "at": [0, 1]},
        {"group": group([1, -1], [[-0.1, 0.1], DOWN])},
    ),
    ("against", {"group": group([1, -1], [UP, [0.1, 0]]), "at": [1, 0]}, {"group": group([1, -1], [UP, [0.1, 0]])}),
    ("clip", {"group": ONE_CLIPPED}, {"group": group([1, -1], [UP, DOWN], passes=2)}),
    ("clip", {"group": ONE_CLIPPED}, {"group": ONE_CLIPPED | {"passes": 1}}),
    ("silent", {"group": group([0, 0], STILL)}, {"group": group([0, 0], STILL, **FRESH)}),
    ("teach", {"group": RIGHT, "updates": 3}, {"group": RIGHT | {"heat": 0.5}, "updates": 3}),
    ("teach", {"group": RIGHT, "updates": 1}, {"group": RIGHT, "updates": 0}),
]


@pytest.mark.parametrize(("goal", "met", "missed"), GOALS)
def test_goals_of_the_update(js, goal, met, missed):
    start = {"group": None, "at": None, "updates": 0}
    assert js(f"update_state.updateGoals.{goal}", start | met) is True
    assert js(f"update_state.updateGoals.{goal}", start | missed) is False
    assert js(f"update_state.updateGoals.{goal}", start) is False


BY_HAND = """(rate, updates, prompt, heat) => {
  const own = structuredClone(weights.base);
  const optimiser = new update.AdamW(own);
  const truth = String(tasks.chainSum(prompt) % 10);
  return Array.from({ length: updates }, (_, k) => {
    const model = new transformer.Transformer(own);
    const completions = transformer.sampleGroup(model, prompt, 8, grpo.generator(k + 1), heat);
    const rewards = completions.map((tokens) => tasks.accuracy(transformer.decode(tokens), truth));
    const group = { prompt: transformer.encode(prompt), completions, advantages: grpo.groupAdvantages(rewards) };
    group.oldLogps = update.scores(own, group, heat);
    optimiser.step(update.gradientOf(own, group, heat).gradients, rate);
    return grpo.sum(rewards);
  });
}"""


@pytest.mark.slow
def test_what_the_page_says_can_be_reached_is_reached(js):
    right = js(BY_HAND, 3e-4, 14, "3+9+4+1=", 1)
    assert right[0] < 6  # of eight
    assert 8 in right[5:]  # "about ten updates are enough"
    draws = "(seeds) => seeds.map((seed) => transformer.sampleGroup(models.base, '8+7=', 8, grpo.generator(seed), 1))"
    groups = [
        [accuracy([js("transformer.decode", row)], ["5"])[0] for row in group] for group in js(draws, [1, 2, 3, 4])
    ]
    assert sum(sum(rewards) == 0 for rewards in groups) >= 2  # "sample until all eight are wrong, which is soon"


def test_the_number_of_weights_is_the_one_on_the_page(js):
    count = js("Object.values(weights.base).reduce((sum, { length }) => sum + length, 0)")
    assert f"{round(count, -3):,}" in js("words_play.en['inspect-explorer'].real[1]")


# What a reader does


@pytest.fixture
def inspect(page):
    page.goto("explore/#inspect")
    explorer = page.locator("inspect-explorer.explorer")
    explorer.get_by_role("button", name="Load the model, 0.8 MB").click()
    explorer.get_by_text("The model is here").first.wait_for()
    return explorer


def press(explorer, name):
    explorer.get_by_role("button", name=name, exact=True).click()


def chips(explorer):
    return explorer.get_by_role("gridcell")


@pytest.mark.site
def test_an_update_shows_what_the_trainer_makes_of_each_token(page, inspect, js):
    turns = """(host) => { window.turns = [];
      const turn = () => { if (host.busy) window.turns[window.turns.length - 1] += 1; setTimeout(turn); };
      host.addEventListener("click", () => window.turns.push(0), true); turn(); }"""
    press(inspect, "Sample a group")
    chips(inspect).first.wait_for()
    made = js(UPDATES, "3+9+4+1=", 8, 1, 1, 3e-4, 2)
    assert chips(inspect).count() == sum(map(len, made["completions"]))
    inspect.evaluate(turns)
    for k, name in enumerate(("Update", "Update again")):
        press(inspect, name)
        inspect.get_by_text("After one update" if k == 0 else "After 2 updates").first.wait_for()
        changes = [
            new - old
            for after, before in zip(made["passes"][k]["after"], made["group"]["oldLogps"], strict=True)
            for new, old in zip(after, before, strict=True)
        ]
        shown = [
            float(text.replace("−", "-"))
            for text in chips(inspect).locator("span:not(.explorer-unseen)").all_text_contents()
        ]
        assert shown == pytest.approx(changes, abs=0.0051)
        assert (
            f"Length of the gradient {made['passes'][k]['norm']:.2f}" in inspect.locator(".update-facts").text_content()
        )
    assert min(page.evaluate("turns")) > 5  # the page had its turn while the update ran: none if it ran in the page
    assert "Make right answers likelier" in inspect.locator("button.met").first.get_attribute("aria-label")


@pytest.mark.site
def test_tokens_are_reached_by_keyboard_and_reset_gives_the_base_model_back(page, inspect):
    press(inspect, "Sample a group")
    chips(inspect).first.wait_for()
    first = chips(inspect).all_text_contents()
    chips(inspect).first.focus()
    for key in ("ArrowRight", "ArrowDown", "End", "Home", "ArrowUp"):
        page.keyboard.press(key)
    assert inspect.evaluate("host => host.state.at") == [0, 0]
    page.keyboard.press("ArrowRight")
    assert "in completion 1: probability 0." in inspect.locator(".update-token").text_content()
    assert "ratio 1.00" in page.evaluate("document.activeElement.textContent")
    inspect.get_by_role("slider", name="Learning rate").press("End")
    press(inspect, "Update")
    inspect.get_by_text("After one update").first.wait_for()
    press(inspect, "Reset")
    assert chips(inspect).count() == 0
    press(inspect, "Sample a group")
    chips(inspect).first.wait_for()
    assert chips(inspect).all_text_contents() == first
    inspect.get_by_role("textbox", name="Sum").fill("12+3=")
    press(inspect, "Sample a group")
    inspect.get_by_text("Expected 2 to 8 digits").first.wait_for()


@pytest.mark.site
def test_a_model_that_does_not_arrive_is_asked_for_again(page):
    page.route("**/base.safetensors", lambda route: route.fulfill(status=404))
    page.goto("explore/#inspect")
    explorer = page.locator("inspect-explorer.explorer")
    explorer.get_by_role("button", name="Load the model").click()
    explorer.get_by_text("The model did not arrive (404)").first.wait_for()
    page.unroute("**/base.safetensors")
    explorer.get_by_role("button", name="Load the model").click()
    explorer.get_by_text("The model is here").first.wait_for()
