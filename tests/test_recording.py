"""The recording that the home page plays back: it is the run of the lesson, and the page shows what it holds."""

import ast
import json
import re

import pytest
import torch

import grpo_lite
from grpo_lite import GRPOConfig, GRPOTrainer
from grpo_lite.tasks import accuracy, load_base_model, make_problems, think_rate
from grpo_lite.training.rollout import sample_groups
from helpers.built import ROOT
from helpers.explorers import SHIFT, assert_same, tab_to, until
from helpers.lessons import lesson, printed, stored

RECORDING = json.loads((ROOT / "grpo_lite/data/recording.json").read_text())
FRAMES, BATCH, TOKENS = (RECORDING[name] for name in ("frames", "batch", "tokens"))
ROW = {"prompt": RECORDING["prompt"], "ground_truth": RECORDING["answer"]}
WATCH = lesson("watch_it_learn")
THOUGHT = re.compile(r"<think>(\d*)</think>")


def settings():
    [text] = re.findall(r"^SETTINGS = (\{.*?^\})", WATCH.read_text(), re.M | re.S)
    return ast.literal_eval(text)


def text_of(ids):
    return "".join(TOKENS[i] for i in ids).removesuffix("<eos>")


# The run


def test_the_curves_are_those_that_the_lesson_shows():
    [cell] = [cell for cell in stored(WATCH).cells if cell.source.endswith("progress(trainer)")]
    rows = [[float(number) for number in line.split()] for line in printed(cell).splitlines()[1:]]
    assert [frame["step"] for frame in FRAMES] == list(range(0, 101, 5))
    for row, frame in zip(rows, FRAMES[::2], strict=True):
        assert row[0] == frame["step"]
        assert row[1] == pytest.approx(frame["right"], abs=0.0051)
        assert row[3] == pytest.approx(frame["thinks"], abs=0.0051)


def test_rewards_are_those_of_the_task():
    for frame in FRAMES:
        texts = [text_of(ids) for ids in frame["ids"]]
        assert accuracy(texts, [ROW["ground_truth"]] * 8) == frame["rewards"]


@pytest.mark.slow
def test_the_first_two_evaluations_can_be_had_again():
    seen = []

    def watch(record):
        if record.get("eval"):
            group = sample_groups(model, tokenizer, rewards, [ROW], args, torch.Generator().manual_seed(0))[0]
            ids = [row[mask].tolist() for row, mask in zip(group.ids, group.mask, strict=True)]
            seen.append((record["step"], record["sampled_accuracy"], record["sampled_think_rate"], ids))

    (model, tokenizer), rewards = load_base_model(), [accuracy, think_rate]
    args = GRPOConfig(**settings() | {"max_steps": 5})  # within the warm-up: the step sizes are the same
    problems, held_out = make_problems("chain-sum", "train", 5000), make_problems("chain-sum", "test", 200)
    GRPOTrainer(model, rewards, args, problems, tokenizer, held_out, callback=watch).train()
    assert TOKENS == tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    for frame, (step, right, thinks, ids) in zip(FRAMES[:2], seen, strict=True):
        assert (frame["step"], frame["ids"]) == (step, ids)
        assert [frame["right"], frame["thinks"]] == pytest.approx([right, thinks], abs=1e-4)


# The batch


def padded(rows, dtype=torch.long):
    width = max(map(len, rows))
    return torch.tensor([row + [0] * (width - len(row)) for row in rows], dtype=dtype)


IDS = padded(FRAMES[0]["ids"])
MASK = grpo_lite.completion_mask(IDS, TOKENS.index("<eos>"))
LOGPS = {name: padded(BATCH[name], torch.float64) for name in ("old_logps", "logps", "after")}


def test_the_batch_can_be_had_again_from_the_base_model():
    """Three updates by hand: AdamW in float64, without the trainer."""
    model, tokenizer = load_base_model()
    model.double()
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings()["learning_rate"], weight_decay=0.0)
    prompt = torch.tensor([tokenizer(ROW["prompt"])["input_ids"]] * 8)
    rewards = torch.tensor(FRAMES[0]["rewards"]).double()
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
    assert_near(BATCH["advantages"], advantages)
    seen, losses = [], []
    for _ in range(BATCH["pass"]):
        logps = grpo_lite.completion_logps(model, prompt, IDS, completion_mask=MASK)
        seen.append(logps.detach())
        out = grpo_lite.grpo_loss(logps, seen[0], advantages, MASK, epsilon=BATCH["epsilon"])
        losses.append(out.loss.item())
        optimizer.zero_grad()
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    after = grpo_lite.completion_logps(model, prompt, IDS, completion_mask=MASK).detach()
    for name, logps in (("old_logps", seen[0]), ("logps", seen[-1]), ("after", after)):
        assert_near(LOGPS[name][MASK], logps[MASK])
    assert losses[0] == pytest.approx(0, abs=1e-12)
    assert BATCH["loss"] == pytest.approx(losses[-1], abs=1e-6)


def assert_near(theirs, ours):
    torch.testing.assert_close(torch.as_tensor(theirs, dtype=torch.float64), ours.double(), atol=1e-6, rtol=0)


# What the page makes of it, in plain node


def kinds(js, ids):
    return [
        chip["kind"] for chip in js("recording.chips", ids, {name: RECORDING[name] for name in ("tokens", "prompt")})
    ]


def test_a_slip_is_a_running_sum_that_does_not_follow(js):
    def ids(text):
        return [TOKENS.index(token) for token in re.findall(r"<.*?>|.", text)]

    thought = ["think", *["thought"] * 4, "think", "tag", "answer", "tag", "end"]
    assert kinds(js, ids("<think>3267</think><answer>7</answer><eos>")) == thought
    assert kinds(js, ids("<answer>5</answer><eos>")) == ["tag", "answer", "tag", "end"]
    for written, slips in {"3047": [1, 3], "4378": [0], "3156": [1], "3289": [2]}.items():
        seen = kinds(js, ids(f"<think>{written}</think>"))[1:-1]
        assert [i for i, kind in enumerate(seen) if kind == "slip"] == slips


def test_each_phase_is_what_its_sentence_says(js):
    phases = [js("recording.phase", frame) for frame in FRAMES]
    order = ["guessing", "spreading", "slips"]
    assert phases == sorted(phases, key=order.index)
    assert set(phases) == set(order)
    of = {name: [f for f, phase in zip(FRAMES, phases, strict=True) if phase == name] for name in order}
    assert all(frame["thinks"] < 0.5 for frame in of["guessing"])
    shares = [frame["thinks"] for frame in of["guessing"][-1:] + of["spreading"]]
    assert shares == sorted(shares)
    assert all(frame["thinks"] >= 0.95 for frame in of["slips"])
    assert of["slips"][0]["right"] < 0.85 < 0.98 < of["slips"][-1]["right"]


def test_the_page_computes_the_advantages_that_the_trainer_gave(js):
    assert_near(js("grpo.groupAdvantages", FRAMES[0]["rewards"]), torch.tensor(BATCH["advantages"]))
    for frame in FRAMES:
        rewards = torch.tensor(frame["rewards"]).double()
        assert_same(js("grpo.groupAdvantages", rewards), grpo_lite.group_advantages(rewards, 8))


@pytest.fixture
def tokens(js):
    """Token by token as the page has it, laid out like the tensors of the batch; padding is nan."""
    rows = js("recording.tokensOf", {"frames": FRAMES[:1], "batch": BATCH})

    def of(name):
        table = torch.full(MASK.shape, torch.nan, dtype=torch.float64)
        table[MASK] = torch.tensor([float(token[name]) for row in rows for token in row], dtype=torch.float64)
        return table

    return of


def test_what_the_stations_show_of_each_token_is_what_the_package_computes(tokens):
    logps = LOGPS["logps"].clone().requires_grad_()
    advantages = torch.tensor(BATCH["advantages"], dtype=torch.float64)
    out = grpo_lite.grpo_loss(logps, LOGPS["old_logps"], advantages, MASK, epsilon=BATCH["epsilon"])
    out.loss.backward()
    for name, key in (("old", "old_logps"), ("now", "logps"), ("after", "after")):
        assert_same(tokens(name)[MASK].tolist(), LOGPS[key][MASK])
    ratio = grpo_lite.importance_ratio(LOGPS["logps"], LOGPS["old_logps"], MASK)
    assert_same(tokens("ratio")[MASK].tolist(), ratio[MASK])
    assert_same(tokens("push")[MASK].tolist(), -logps.grad[MASK])
    assert_same(-tokens("gain")[MASK].sum().item(), out.loss.detach())
    assert -tokens("gain")[MASK].sum().item() == pytest.approx(BATCH["loss"], abs=1e-6)
    assert tokens("clipped")[MASK].mean().item() == pytest.approx(out.clip_fraction.item())
    leaf = torch.zeros(MASK.shape, dtype=torch.float64, requires_grad=True)
    grpo_lite.aggregate(leaf, MASK, loss_type="grpo").backward()
    assert_same(tokens("weight")[MASK].tolist(), leaf.grad[MASK])


def test_what_the_sentences_say_of_the_eight_rows_holds(tokens):
    assert BATCH["epsilon"] == 0.2
    assert sorted(set(tokens("weight")[MASK].tolist())) == pytest.approx([1 / 80, 1 / 32])
    thinks, good = IDS[:, 0] == TOKENS.index("<think>"), torch.tensor(FRAMES[0]["rewards"]) == 1
    assert [i for i in range(8) if thinks[i] and not good[i]] == [5]  # the sixth row
    first = tokens("clipped")[:, 0] == 1
    assert torch.equal(first, thinks & good)
    assert tokens("push")[5, 0] < 0
    for i in range(8):  # up in good rows, down in bad ones, nothing where the clip acts
        sign = tokens("push")[i][MASK[i]].sign()
        assert torch.equal(
            sign, torch.where(tokens("clipped")[i][MASK[i]] == 1, 0.0, 1.0 if good[i] else -1.0).double()
        )
    moved = (LOGPS["after"] - LOGPS["logps"])[MASK]
    assert (moved[tokens("clipped")[MASK] == 1] != 0).all()  # they move without a push of their own


# What a reader does


@pytest.fixture
def scrub(page):
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto("", wait_until="networkidle")
    page.locator("scrub-explorer.explorer").wait_for()
    return page


def assert_shows(page, frame):
    rows = page.locator("scrub-explorer .rollouts .explorer-unseen").all_text_contents()
    assert [row.partition("<eos>")[0] for row in rows] == [text_of(ids) for ids in frame["ids"]]
    assert page.locator("scrub-explorer .rollouts li.right").count() == sum(frame["rewards"])


@pytest.mark.site
def test_the_run_is_played_back_by_keyboard(scrub):
    assert scrub.evaluate(SHIFT) < 0.01
    assert not [url for url in scrub.asked if "safetensors" in url]
    assert_shows(scrub, FRAMES[0])
    ahead = scrub.locator(".scrub-curves .ghost").first  # the whole run stands behind, before anything is played
    assert len(ahead.get_attribute("points").split()) == len(FRAMES)
    start, end = (int(100 * FRAMES[i]["right"] + 0.5) for i in (0, -1))
    assert scrub.get_by_role("img", name=f"right answers: {start} %, {end} % at the end of the run").is_visible()
    tab_to(scrub, "scrub-explorer input[type=range]")
    for _ in range(10):
        scrub.keyboard.press("ArrowRight")
    assert_shows(scrub, FRAMES[10])
    assert scrub.get_by_role("img", name="right answers: 94 %").is_visible()
    until(scrub, "document.querySelector('scrub-explorer .explorer-sentence').textContent.startsWith('Slips vanish')")
    scrub.keyboard.press("End")
    play = scrub.get_by_role("button", name="Play")
    play.press("Enter")
    until(scrub, "document.querySelector('scrub-explorer').state.step === 10")
    scrub.get_by_role("button", name="Pause").press("Enter")
    assert_shows(scrub, FRAMES[2])
    for box in scrub.locator(".scrub-controls :is(button, input), .hero .md-button").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect())"
    ):
        assert min(box["width"], box["height"]) >= 44


@pytest.mark.site
def test_on_a_phone_the_first_screen_has_the_promise_the_button_and_the_rows(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("")
    page.locator("scrub-explorer.explorer").wait_for()
    assert page.evaluate(SHIFT) < 0.01
    ends = [
        page.locator(what).first.evaluate("one => one.getBoundingClientRect().bottom")
        for what in (".hero h1", ".hero p", ".hero .md-button--primary", "scrub-explorer .rollouts li:nth-child(5)")
    ]
    assert ends == sorted(ends)
    assert ends[-1] < 844
    [title, rows] = (page.locator(what).bounding_box() for what in (".hero h1", "scrub-explorer .rollouts"))
    assert rows["x"] == pytest.approx(title["x"], abs=0.5)  # its edges are those of the text
    for tile in page.locator(".wrong .answer").evaluate_all("all => all.map((one) => one.getBoundingClientRect())"):
        assert tile["width"] == tile["height"]  # a circle
    page.set_viewport_size({"width": 320, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 320


@pytest.mark.site
def test_without_scripts_stands_the_figure_that_the_lesson_has_drawn(browser, server):
    [cell] = [cell for cell in stored(WATCH).cells if "figure-learning" in cell.metadata.get("tags", [])]
    plain = browser.new_context(base_url=server, viewport={"width": 390, "height": 844}, java_script_enabled=False)
    page = plain.new_page()
    page.goto("")
    picture = page.get_by_role("img", name=cell.metadata.alt, exact=True)
    assert picture.is_visible()
    assert 330 <= picture.bounding_box()["width"] <= 390
    kept = re.findall(r'<path (?:id="[^"]*" )?d="([^"]+)"', "".join(cell.outputs[0].data["image/svg+xml"]))
    drawn = re.findall(r'<path (?:id="[^"]*" )?d="([^"]+)"', page.locator("scrub-explorer").inner_html())
    assert [path.split() for path in drawn] == [path.split() for path in kept]
    plain.close()


@pytest.mark.site
def test_the_eight_rows_pass_the_stations_by_keyboard(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("lessons/the_map/", wait_until="networkidle")
    host = page.locator("stations-explorer")
    host.scroll_into_view_if_needed()
    page.locator("stations-explorer.explorer").wait_for()
    rows = host.locator(".rollouts .explorer-unseen")
    assert rows.all_text_contents() == [text_of(ids) + "<eos>" for ids in FRAMES[0]["ids"]]
    host.get_by_role("radio").first.focus()
    lit, said = [], []
    for _ in range(7):
        page.wait_for_timeout(550)
        lit.append(host.locator("svg .here").get_attribute("id").partition("loop-")[2])
        said.append(host.locator(".explorer-sentence").text_content())
        box, window = (host.locator(where).bounding_box() for where in ("svg .here", ".stations-window"))
        assert window["y"] <= box["y"] + 2
        assert box["y"] + box["height"] <= window["y"] + window["height"] + 2
        if lit[-1] == "clip":
            clipped = [text.count("clipped") for text in rows.all_text_contents()]
            assert clipped == [1] * 8
        page.keyboard.press("ArrowRight")
    assert lit == ["sample", "rewards", "advantages", "logprobs", "clip", "loss", "step"]
    assert "exp(−0.67 − (−0.92)) = 1.29" in said[4]
    assert "8 of 62 tokens" in said[4]
    assert f"the loss is {BATCH['loss']:.4f}".replace("-", "−") in said[5]
    links = host.locator("svg a")
    assert links.count() == 8
    assert all(url.startswith("../") for url in links.evaluate_all("all => all.map((a) => a.getAttribute('href'))"))
    for box in host.locator("fieldset label").evaluate_all("all => all.map((one) => one.getBoundingClientRect())"):
        assert min(box["width"], box["height"]) >= 44
