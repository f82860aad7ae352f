"""The goals of the explorers, in plain node: each is named, none is met at the start, all can be reached."""

import json

import pytest
import torch

TAGS = "group clip kl loss policy model".split()

# A policy of which e and b are likelier than in the reference, as the knobs leave it.
HALF_E = [0.12, 0.3, 0.05, 0.03, 0.5]
EQUAL = "grpo.softmax([2, 1, 0, 0, -1])"
FAR = "grpo.softmax([6, 4, 0, -4, 2])"
NEAR = "grpo.softmax([1.9, 1, 0, 0, -0.9])"


def run(count=60, seed=1, **settings):
    """A state of the policy explorer after steps with these settings."""
    chosen = {"question": "easy", "size": "8", "rate": 0.5, "mu": 1, "epsilon": 0.2, "beta": 0} | settings
    return f"{{ ...{json.dumps(chosen)}, run: run.repeat({json.dumps(chosen | {'seed': seed})}, {count}) }}"


def sampled(prompt, temperature, seed=1):
    """A state of the model explorer after a group of both models."""
    write = f'(name) => transformer.sampleGroup(models[name], "{prompt}", 8, grpo.generator({seed}), {temperature})'
    return f"""(() => {{
      const total = tasks.chainSum("{prompt}");
      const groups = ["base", "trained"].map({write}).map((group) => tasks.judge(group, String(total % 10)));
      return {{ result: {{ sum: "{prompt}" + total, groups }} }};
    }})()"""


# What the words beside "Show me" tell the reader to do, and what nearly does it.
REACHED = {
    ("group", "relative"): ["{ rewards: [0.8, 1, 1, 1, 1, 1, 1, 1] }"],
    ("group", "lone"): ["{ rewards: [1, 0, 0, 0, 0, 0, 0, 0] }"],
    ("group", "close"): ["{ rewards: [0.65, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6] }"],
    ("group", "silent"): ["{ rewards: Array(8).fill(0.6) }", '{ rewards: Array(8).fill(0.6), scale: "leave_one_out" }'],
    ("clip", "good"): ["{ ratio: 1.21 }"],
    ("clip", "bad"): ['{ sign: "-1", ratio: 0.79 }'],
    ("clip", "back"): ["{ ratio: 0.79 }", '{ sign: "-1", ratio: 1.21 }'],
    ("clip", "room"): ["{ ratio: 1.25, high: 0.28 }"],
    ("kl", "same"): [f"{{ policy: {EQUAL} }}", f"{{ policy: {NEAR} }}"],
    ("kl", "negative"): [f"{{ policy: {NEAR}, drawn: 10, seed: 2 }}"],
    ("kl", "calm"): [f"{{ policy: {FAR}, drawn: 130 }}"],
    ("kl", "opposite"): [f'{{ policy: {HALF_E}, view: "gradient" }}'],
    ("loss", "eight"): ["{ lengths: [1, 8, 4] }"],
    ("loss", "fair"): ["{ lengths: [4, 4, 4] }"],
    ("loss", "most"): [
        f'{{ lengths: [2, 8, 2], lossType: "{name}" }}' for name in ("bnpo", "dr_grpo", "dapo", "luspo")
    ],
    ("loss", "half"): ['{ lengths: [2, 6, 4], lossType: "dr_grpo" }'],
    ("policy", "fast"): [run(20, rate=1), run(60, rate=1), run(20, mu=4, size="32")],
    ("policy", "clip"): [run(5, mu=4)],
    ("policy", "leash"): [run(beta=0.6)],
    ("policy", "hard"): [run(question="hard", size="32", rate=1)],
    ("policy", "break"): [run(size="2", mu=4, epsilon=0.5, rate=1)],
    ("model", "agree"): [sampled("3+9+4+1=", 1)],
    ("model", "beyond"): [sampled("3+9+4+1+5=", 1)],
    ("model", "blurt"): [sampled("3+9+4+1=", 0.1)],
    ("model", "hot"): [sampled("3+9+4+1=", 2)],
}
MISSED = {
    ("group", "relative"): ["{ rewards: [0.75, 1, 1, 1, 1, 1, 1, 1] }", "{ rewards: Array(8).fill(1) }"],
    ("group", "lone"): [
        '{ rewards: [1, 0, 0, 0, 0, 0, 0, 0], scale: "none" }',
        "{ rewards: [1, 1, 0, 0, 0, 0, 0, 0] }",
    ],
    ("group", "close"): [
        "{ rewards: [0.75, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6] }",
        '{ rewards: [0.65, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6], scale: "none" }',
    ],
    ("group", "silent"): ["{ rewards: [0.65, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6] }"],
    ("clip", "good"): ["{ ratio: 1.2 }", '{ sign: "-1", ratio: 1.5 }'],
    ("clip", "bad"): ['{ sign: "-1", ratio: 0.8 }'],
    ("clip", "back"): ["{ ratio: 1.5 }"],
    ("clip", "room"): ["{ ratio: 1.25, high: 0.28, low: 0.3 }", '{ sign: "-1", ratio: 1.25, high: 0.28 }'],
    ("kl", "negative"): [f"{{ policy: {EQUAL}, drawn: 100 }}", "{ drawn: 5 }", f"{{ policy: {NEAR}, drawn: 0 }}"],
    ("kl", "calm"): [f"{{ policy: {FAR}, drawn: 30 }}", "{ drawn: 130 }"],
    ("kl", "opposite"): [f"{{ policy: {HALF_E} }}", f'{{ policy: {FAR}, view: "gradient" }}'],
    ("loss", "most"): ["{ lengths: [1, 8, 1] }", '{ lossType: "bnpo" }'],
    ("loss", "fair"): ['{ lengths: [4, 4, 4], lossType: "bnpo" }'],
    ("policy", "fast"): [run(60)],
    ("policy", "clip"): [run(60)],
    ("policy", "leash"): [run(59, beta=0.6), run(60), run(60, beta=1)],
    ("policy", "hard"): [run(question="hard"), run()],
    ("policy", "break"): [
        run(question="hard"),
        run(6, seed=3, size="2", mu=8, epsilon=0.5, rate=1),  # d is at 0.03 there, and at 0.99 in the end
        run(60, seed=3, size="2", mu=8, epsilon=0.5, rate=1),
    ],
    ("model", "agree"): [sampled("3+9+4+1=", 2)],
    ("model", "hot"): [sampled("3+9+4+1=", 1), sampled("3+9+4+1+5=", 1)],
}


def is_met(js, explorer, goal, change):
    one = f'classes["{explorer}-explorer"]'
    return js(f"{one}.goals.{goal}({{ ...{one}.start, ...{change} }})")


def test_every_explorer_has_goals_with_three_texts_each_and_none_is_met_at_the_start(js):
    for tag in js("Object.keys(classes)"):
        goals = js(f'Object.keys(classes["{tag}"].goals ?? {{}})')
        texts = js(f'words["{tag}"].goals ?? {{}}')
        assert sorted(goals) == sorted(texts), tag
        assert all(len(three) == 3 and all(three) for three in texts.values()), tag
        met = js(f'Object.entries(classes["{tag}"].goals ?? {{}}).filter(([, met]) => met(classes["{tag}"].start))')
        assert met == [], tag
    named = {(tag, goal) for tag in TAGS for goal in js(f'Object.keys(classes["{tag}-explorer"].goals)')}
    assert named == set(REACHED)


@pytest.mark.parametrize("goal", REACHED, ids=":".join)
def test_a_goal_is_reached_as_the_words_say_and_not_by_less(js, goal):
    for change in REACHED[goal]:
        assert is_met(js, *goal, change), change
    for change in MISSED.get(goal, []):
        assert not is_met(js, *goal, change), change


def test_what_the_explanations_say_holds(js):
    last = f"({run()}).run.trace.at(-1)"
    assert [f"{js(f'{last}.{key}'):.2f}" for key in ("right", "kl")] == ["0.98", "1.79"]
    far = f"grpo.logRatios({FAR}, {EQUAL}).map(grpo.ESTIMATORS.k3.value)"
    assert sorted(round(value) for value in js(far))[-2:] == [33, 2033]
    assert f"{js(f'grpo.expectedSpread({FAR}, {far})'):.2f}" == "12.83"
    text = js("Object.values(words['kl-explorer'].goals.calm).join(' ')")
    assert "33 or of 2,033" in text
    assert "± 12.83" in text
    signs = js(f"grpo.ESTIMATORS.k2.slope(0.3) === 0.3 && grpo.expectedGradient({FAR}, [1, 1, 1, 1, 1])")
    assert all(abs(slope) < 1e-12 for slope in signs)  # k1 pulls nowhere


def test_k3_pulls_down_what_the_exact_kl_pulls_up_and_never_the_other_way(js):
    """k3 pulls up only what is rarer than in the reference; that has a log-ratio below 0, so below the KL, too."""
    generator = torch.Generator().manual_seed(0)
    policies = (2 * torch.randn(300, 5, generator=generator, dtype=torch.float64)).softmax(1)
    reference = torch.tensor([2, 1, 0, 0, -1], dtype=torch.float64).softmax(0)
    k3, log_ratios = policies - reference, (policies / reference).log()
    exact = policies * (log_ratios - (policies * log_ratios).sum(dim=1, keepdim=True))
    assert not ((k3 < 0) & (exact > 0)).any()  # a penalty pulls against its gradient
    opposite = ((k3 > 0.02) & (exact < -0.02)).any(dim=1)
    met = """(policies, { start, goals } = classes["kl-explorer"]) =>
      policies.map((policy) => goals.opposite({ ...start, policy, view: "gradient" }))"""
    assert js(met, policies.tolist()) == opposite.tolist()
    assert 0 < opposite.sum() < 300
    assert "k3 pulls a token down that the exact KL pulls up" in js("words['kl-explorer'].goals.opposite[0]")


def test_a_run_that_breaks_ends_with_the_half_right_answer_in_one_luck_of_six(js):
    settings = {"question": "easy", "size": "2", "rate": 1, "mu": 4, "epsilon": 0.5, "beta": 0}
    ends = """(settings) => Array.from({ length: 100 }, (_, luck) => run.repeat({ ...settings, seed: luck + 1 }, 60))
      .map(({ logits }) => grpo.softmax(logits))"""
    probs = torch.tensor(js(ends, settings))
    broken = probs[:, 3] < 0.03
    assert broken[0]
    assert 14 <= broken.sum() <= 20
    assert (probs[broken, 1] > 0.9).all()


def test_a_small_learning_rate_reaches_the_goal_of_the_leash_for_a_while(js):
    assert is_met(js, "policy", "leash", run(size="32", rate=0.1))
    assert js(f"({run(120, size='32', rate=0.1)}).run.trace.at(-1).kl") > 1


# Links


def read(js, search, readers):
    return js(f"address.readState({json.dumps(search)}, {readers})")


READERS = """{
  size: address.oneOf(["2", "8"]),
  rate: address.numberIn({ min: 0.1, max: 1, step: 0.1 }),
  rewards: address.several(3, address.numberIn({ min: 0, max: 1, step: 0.05 })),
}"""


def test_a_link_gives_back_the_state_that_it_was_made_of(js):
    start = {"size": "8", "rate": 0.5, "rewards": [0, 0, 1], "run": None}
    state = {"size": "2", "rate": 0.3, "rewards": [0.15, 1, 0.5], "run": {"any": 1}}
    search = js("(state, start) => address.writeState(state, start, " + READERS + ")", state, start)
    assert search == "size=2&rate=0.3&rewards=0.15,1,0.5"
    assert read(js, "?" + search, READERS) == {"size": "2", "rate": 0.3, "rewards": [0.15, 1, 0.5]}
    assert js("(state) => address.writeState(state, state, " + READERS + ")", state) == ""
    sums = js('address.writeState({ prompt: "3+4=" }, { prompt: "" }, { prompt: (text) => text })')
    assert read(js, sums, "{ prompt: (text) => text }") == {"prompt": "3+4="}


@pytest.mark.parametrize(
    "search",
    [
        "size=4", "size=", "size=__proto__", "rate=2", "rate=0", "rate=NaN", "rate=1e0", "rate=0x1", "rate=", "rate= 1",
        "rate=1;2", "rewards=1,1", "rewards=1,1,1,1", "rewards=1,1,2", "rewards=1,,1", "constructor=1", "__proto__=1",
        "toString=1", "h=<script>", "", "&&&===",
    ],
)  # fmt: skip
def test_what_a_link_cannot_mean_is_left_out(js, search):
    assert read(js, search, READERS) == {}
    assert read(js, search + "&rate=0.7", READERS)["rate"] in (0.7, *([] if "rate" not in search else [0.7]))


def test_a_number_in_a_link_falls_on_the_scale_of_its_control(js):
    assert read(js, "rate=0.44&rewards=0.12,0.13,1.0", READERS) == {"rate": 0.4, "rewards": [0.1, 0.15, 1]}
