"""The models that run in the page: the logits, tokens and rewards of the package, and what a reader does with them."""

import random
import re
from functools import partial

import pytest
import torch
from safetensors.torch import load_file

import grpo_lite
from grpo_lite.tasks import BASE_MODEL, RECIPE, accuracy, load_base_model, make_problems, think_rate
from grpo_lite.training.rollout import evaluate
from helpers.built import ROOT
from helpers.explorers import assert_same, mount_all, real, sentence, tab_to, until
from helpers.formulas import chances

NAMES = ("base", "trained")
FILES = {name: ROOT / f"docs/assets/models/{name}.safetensors" for name in NAMES}
TEXTS = ("3+9+4+1=", "9+0=", "1+2+3+4+5+6+7+8=<think>13", "8+7+6+4=<think>8515</think><answer>5</answer>")
SAMPLE = """(name, prompt, seed, temperature) =>
  transformer.sampleGroup(models[name], prompt, 8, grpo.generator(seed), temperature)"""
WORDS = {"base": "Base model", "trained": "Trained model"}


@pytest.fixture(scope="module")
def models():
    """The shipped numbers in PyTorch, in float64."""
    return {name: load(path).double() for name, path in FILES.items()}


@pytest.fixture(scope="module")
def tokenizer():
    return load_base_model()[1]


def load(path):
    model, _ = load_base_model()
    missing, unexpected = model.load_state_dict(load_file(path), strict=False)
    assert (missing, unexpected) == (["lm_head.weight"], [])  # tied to the embedding
    return model


# The files


def test_the_base_model_of_the_site_is_that_of_the_package_in_half_precision():
    packaged = load_file(BASE_MODEL / "model.safetensors")
    shipped = load_file(FILES["base"])
    assert shipped.keys() == packaged.keys() == load_file(FILES["trained"]).keys()
    for name, weights in packaged.items():
        assert torch.equal(shipped[name], weights.half()), name


@pytest.mark.slow
def test_the_trained_model_of_the_site_solves_what_it_has_not_seen(tokenizer):
    problems = make_problems("chain-sum", "test", 300)
    args = grpo_lite.GRPOConfig(**RECIPE)
    result = evaluate(load(FILES["trained"]), tokenizer, [accuracy, think_rate], problems, args)
    assert result["greedy_accuracy"] >= 0.95
    assert result["sampled_accuracy"] >= 0.95
    before = evaluate(load(FILES["base"]), tokenizer, [accuracy, think_rate], problems, args)
    assert 0.25 < before["sampled_accuracy"] < 0.42  # "one time in three"
    assert 0.3 < before["sampled_think_rate"] < 0.5  # "four times in ten"


@pytest.mark.slow
def test_with_a_fifth_digit_it_thinks_and_guesses(tokenizer):
    """As lesson Watch it learn, the explorers and the page for teachers say."""
    draw = random.Random(0)
    digits = [[draw.randrange(10) for _ in range(5)] for _ in range(400)]
    problems = [{"prompt": "+".join(map(str, row)) + "=", "ground_truth": str(sum(row) % 10)} for row in digits]
    model, args = load(FILES["trained"]), grpo_lite.GRPOConfig(**RECIPE)
    result = evaluate(model, tokenizer, [accuracy, think_rate], problems, args)
    assert result["sampled_think_rate"] > 0.95
    assert 0.05 < result["sampled_accuracy"] < 0.15


# The computation


def test_half_precision_is_read_as_pytorch_reads_it(js):
    codes = torch.arange(2**16)
    finite = (codes >> 10) & 31 < 31
    values = js("Array.from({ length: 2 ** 16 }, (_, code) => transformer.float16(code))")
    ours = codes.to(torch.uint16).view(torch.float16).double()
    assert torch.equal(torch.tensor(values, dtype=torch.float64)[finite], ours[finite])


def test_texts_become_the_tokens_of_the_package_and_come_back(js, tokenizer):
    for text in (*TEXTS, "0123456789+=><eos><pad>"):
        ids = tokenizer(text)["input_ids"]
        assert js("transformer.encode", text) == ids
        assert js("transformer.decode", ids) == tokenizer.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_pytorch(js, models, tokenizer, name):
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        theirs = js("(name, ids) => transformer.allLogits(models[name], ids)", name, ids)
        with torch.no_grad():
            assert_same(theirs, models[name](torch.tensor([ids])).logits[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("prompt", "temperature"), [("3+9+4+1=", 1), ("9+9=", 2), ("1+2+3+4+5+6=", 0.4)])
def test_the_same_chance_draws_the_tokens_that_pytorch_draws(js, models, tokenizer, name, prompt, temperature):
    luck = iter(chances(js, 7, 200))
    expected = []
    for _ in range(8):
        ids, completion = tokenizer(prompt)["input_ids"], []
        while len(completion) < RECIPE["max_completion_length"] and tokenizer.eos_token_id not in completion:
            with torch.no_grad():
                logits = models[name](torch.tensor([ids + completion])).logits[0, -1]
            shares = (logits / temperature).softmax(0).cumsum(0)
            completion.append(torch.searchsorted(shares, torch.tensor(next(luck)).double(), right=True).item())
        expected.append(completion)
    assert js(SAMPLE, name, prompt, 7, temperature) == expected


def test_completions_are_judged_as_by_the_package(js):
    texts = [
        "<think>3267</think><answer>7</answer>", "<answer>7</answer>", "<answer>7</answer>+", "<answer>07</answer>",
        "<answer>1<answer>7</answer>", "<answer></answer>", "<answer>7", "+<think>3267</think><answer>7</answer>", "",
        "<answer>3</answer><answer>7</answer>", "<answer>7+7</answer>", "<think><answer>7</answer>",
    ]  # fmt: skip
    rewards = js("texts => texts.map((text) => tasks.accuracy(text, '7'))", texts)
    assert rewards == accuracy(texts, ["7"] * len(texts))
    assert set(rewards) == {0, 1}
    assert list(map(float, js("texts => texts.map(tasks.thinks)", texts))) == think_rate(texts)


def test_sums_are_those_of_the_task_and_nothing_else(js):
    for problem in make_problems("chain-sum", "train", 50, seed=3):
        assert str(js("tasks.chainSum", problem["prompt"]) % 10) == problem["ground_truth"]
    assert js("tasks.chainSum", "9+9=") == 18
    assert js("tasks.chainSum", "+".join("12345678") + "=") == 36
    for wrong in ("", "3", "3=", "3+4", "3+=", "12+3=", "3+9+4+1=7", "3-1=", "3+x=", "+".join("123456789") + "="):
        assert js("tasks.chainSum", wrong) is None, wrong


# What a reader does


@pytest.fixture
def asked(page):
    """Addresses of the models that were requested."""
    seen = []
    page.on("request", lambda request: "/models/" in request.url and seen.append(request.url.rsplit("/", 1)[1]))
    return seen


@pytest.fixture
def explorer(page, asked):
    """The explorer, nothing loaded yet."""
    page.goto("explore/", wait_until="networkidle")
    mount_all(page)
    return page.locator("model-explorer")


@pytest.fixture
def loaded(explorer):
    explorer.get_by_role("button", name="Load the two models").click()
    explorer.get_by_role("button", name="Sample a group").wait_for()
    return explorer


say = partial(sentence, tag="model-explorer")


def written(explorer):
    """Wait until the worker has written the groups."""
    until(explorer.page, "!document.querySelector('model-explorer').state.writing")


def sample(explorer):
    explorer.get_by_role("button", name="Sample a group").click()
    written(explorer)


def write(explorer, prompt):
    explorer.get_by_role("textbox", name="Sum").fill(prompt)
    sample(explorer)


def shown(explorer, name):
    """Texts, rewards and advantages of one model, and the line above them."""
    table = explorer.get_by_role("table", name=WORDS[name])
    rows = [row.get_by_role("cell").all_text_contents() for row in table.locator("tbody tr").all()]
    texts, rewards, advantages = zip(*rows, strict=True)
    return list(texts), list(map(float, rewards)), list(map(real, advantages)), table.locator("caption").text_content()


@pytest.mark.site
def test_nothing_is_loaded_before_it_is_asked_for(page, explorer, asked):
    button = explorer.get_by_role("button", name=re.compile("Load the two models, .* MB"))
    size = sum(path.stat().st_size for path in FILES.values())
    assert f"{size / 1e6:.1f} MB" in button.text_content()
    assert size < 2.5e6
    explorer.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    assert asked == []
    button.click()
    explorer.get_by_role("button", name="Sample a group").wait_for()
    assert sorted(asked) == ["base.safetensors", "trained.safetensors"]
    assert "Now sample a group" in say(page)
    explorer.get_by_role("button", name="Sample a group").click()
    assert len(asked) == 2


@pytest.mark.site
def test_a_page_shows_what_the_package_makes_of_its_texts(page, loaded, js, tokenizer):
    temperature = loaded.get_by_role("slider", name="Temperature")
    seen, seed, old = [], 0, {}
    for prompt, truth, heat in [("3+9+4+1=", 17, 1), ("8+8=", 16, 1), ("9+8+7+6+5+4+3+2=", 44, 2), ("1+0+0+2=", 3, 2)]:
        temperature.fill(str(heat))
        write(loaded, prompt)
        seed, agreed = seed + 1, []
        for name in NAMES:
            texts, rewards, advantages, facts = shown(loaded, name)
            drawn = js(SAMPLE, name, prompt, seed, heat)
            assert texts == tokenizer.batch_decode(drawn, skip_special_tokens=True)
            assert rewards == accuracy(texts, [str(truth % 10)] * 8)
            expected = grpo_lite.group_advantages(torch.tensor(rewards, dtype=torch.float64), 8)
            torch.testing.assert_close(torch.tensor(advantages).double(), expected, atol=0.0051, rtol=0)
            told = re.fullmatch(r"\D+(\d) of 8, thinks (\d) of 8, mean length (\d+\.\d)(.*)", facts)
            right, thinks, length, before = told.groups()
            assert before == (f"before: right {old[name][0]}, thinks {old[name][1]}" if old.get(name) else "\u00a0")
            old[name] = [right, thinks]
            assert [int(right), int(thinks)] == [sum(rewards), sum(think_rate(texts))]
            assert float(length) == pytest.approx(sum(map(len, drawn)) / 8, abs=0.0501)
            seen += rewards
            agreed += [WORDS[name]] if len(set(rewards)) == 1 else []
        end = f" {', '.join(agreed)}: all rewards are equal. Every advantage is 0, and nothing is learnt."
        expected = f"{prompt}{truth}, so {truth % 10} is right (temperature {heat}.0)."
        assert say(page) == expected + (end if agreed else "")
    assert set(seen) == {0, 1}


WATCH = """() => {
  const host = document.querySelector("model-explorer");
  window.texts = new Set();
  window.turns = 0;
  const turn = () => { if (host.state.writing) window.turns += 1; setTimeout(turn); };
  turn();
  new MutationObserver(() => texts.add(host.querySelector("td")?.textContent))
    .observe(host, { childList: true, subtree: true });
}"""


@pytest.mark.site
def test_tokens_appear_as_they_are_written_and_the_page_stays_free(page, loaded):
    page.evaluate(WATCH)
    write(loaded, "3+9+4+1=")
    assert page.evaluate("turns") > 5  # the page had its turn while the models wrote: none if they wrote in the page
    first = shown(loaded, "base")[0][0]
    texts = page.evaluate("[...texts].filter(Boolean)")
    assert {"<answer>", first} <= set(texts) or {"<think>", first} <= set(texts)
    assert len(texts) >= 3


@pytest.mark.site
def test_what_is_being_written_when_the_reader_starts_again_is_for_nobody(page, loaded):
    page.evaluate("""() => {
      const host = document.querySelector("model-explorer");
      const press = (name) => [...host.querySelectorAll("button")].find((one) => one.textContent === name).click();
      press("Sample a group");
      press("Reset");
    }""")
    page.wait_for_timeout(1500)
    assert loaded.locator("tbody").count() == 0
    assert "Now sample a group" in say(page)
    sample(loaded)
    assert len(shown(loaded, "base")[0]) == 8


@pytest.mark.site
def test_a_wrong_sum_is_refused_by_name_and_the_last_groups_stay(page, loaded):
    write(loaded, "2+2+2+2=")
    before = [shown(loaded, name) for name in NAMES]
    cell = loaded.locator("td").first.element_handle()
    box = loaded.get_by_role("textbox", name="Sum")
    for wrong in ("12+3=", "3+9", "<b>"):
        write(loaded, wrong)
        assert f'Expected 2 to 8 digits with a + between them and = at the end, as in 3+9+4+1=, got "{wrong}".' == say(
            page
        )
        assert box.get_attribute("aria-invalid") == "true"
        assert [shown(loaded, name) for name in NAMES] == before
    assert cell.evaluate("cell => cell.isConnected")  # so that a selected text stays selected while one types
    write(loaded, " 3 + 9 + 4 + 1 = ")
    assert say(page).startswith("3+9+4+1=17, so 7 is right ")
    assert box.get_attribute("aria-invalid") == "false"


@pytest.mark.site
def test_a_failed_load_says_what_to_do_and_can_be_tried_again(page, explorer):
    button = explorer.get_by_role("button", name="Load the two models")
    faults = [
        ("Failed to fetch", lambda route: route.abort()),
        ("404", lambda route: route.fulfill(status=404)),
        ("", lambda route: route.fulfill(body="a page of a hotel's network")),
    ]
    for reason, fault in faults:
        page.route("**/trained.safetensors", fault)
        button.click()
        explorer.get_by_text("Check the connection and press the button again").first.wait_for()
        assert reason in say(page)
        page.unroute("**/trained.safetensors")
        explorer.get_by_role("button", name="Reset").click()
    button.click()
    sample(explorer)
    assert len(shown(explorer, "trained")[0]) == 8


@pytest.mark.site
def test_the_keyboard_is_enough(page, explorer):
    explorer.get_by_role("textbox", name="Sum").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").startswith("Load the two models")
    page.keyboard.press("Enter")
    explorer.get_by_role("button", name="Sample a group").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Sample a group"  # the focus has stayed
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("5+5+5+5=")
    page.keyboard.press("Enter")
    written(explorer)
    assert say(page).startswith("5+5+5+5=20, so 0 is right ")
    tab_to(page, "model-explorer input[type=range]")
    page.keyboard.press("Home")
    page.keyboard.press("Shift+Tab")  # Sample a group
    page.keyboard.press("Space")
    written(explorer)
    assert "temperature 0.1" in say(page)


@pytest.mark.site
def test_reset_starts_the_same_groups_again_and_loads_nothing(page, loaded, asked):
    groups = []
    for _ in range(3):
        sample(loaded)
        groups.append(shown(loaded, "base")[0])
    loaded.get_by_role("button", name="Reset").click()
    assert loaded.locator("tbody").count() == 0
    assert "Now sample a group" in say(page)
    sample(loaded)
    assert shown(loaded, "base")[0] == groups[0] != groups[1] != groups[2]
    assert len(asked) == 2


@pytest.mark.site
def test_a_lesson_asks_the_same_models(page):
    page.goto("lessons/watch_it_learn/")
    mount_all(page)
    page.get_by_role("button", name="Load the two models").click()
    sample(page.locator("model-explorer"))
    assert shown(page.locator("model-explorer"), "trained")[0].count("<think>3267</think><answer>7</answer>") >= 6


@pytest.mark.site
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_groups_fit_their_page_and_a_new_one_moves_nothing(page, loaded, width):
    page.set_viewport_size({"width": width, "height": 900})
    write(loaded, "3+9+4+1=")
    heights = set()
    for _ in range(4):
        sample(loaded)
        heights.add(loaded.locator("tbody").first.bounding_box()["height"])
    assert len(heights) == 1
    loaded.get_by_role("slider", name="Temperature").fill("2")
    write(loaded, "1+2+3+4+5+6+7+8=")
    frame = loaded.bounding_box()
    cells = loaded.locator(":is(td, th, caption, input, button)")
    assert cells.count() > 50
    for box in cells.evaluate_all("all => all.map((one) => one.getBoundingClientRect())"):
        assert frame["x"] < box["left"] < box["right"] < frame["x"] + frame["width"]
    tables = [table.bounding_box() for table in loaded.get_by_role("table").all()]
    assert (tables[0]["y"] == tables[1]["y"]) == (width >= 390)
    for box in loaded.locator(":is(input, button)").evaluate_all("all => all.map((e) => e.getBoundingClientRect())"):
        assert min(box["width"], box["height"]) >= 43.5


@pytest.mark.site
def test_colours_follow_the_scheme_and_on_paper_the_groups_stay(both_schemes):
    inks = []
    for tab in both_schemes:
        tab.goto("explore/")
        mount_all(tab)
        tab.get_by_role("button", name="Load the two models").click()
        sample(tab.locator("model-explorer"))
        for side in ("positive", "negative"):
            inks.append(tab.locator(f"td.{side}").first.evaluate("cell => getComputedStyle(cell).color"))
        tab.emulate_media(media="print")
        assert tab.get_by_role("table", name="Base model").is_visible()
        assert not tab.locator("model-explorer button").first.is_visible()
    assert len(set(inks)) == 4


@pytest.mark.site
def test_texts_of_any_tokens_are_shown_whole_and_only_tags_are_shortened(explorer):
    texts = ["3+4=5>", "+", "=", "<think>32+67</think><answer>7</answer>", "<answer>>"]
    fill = """async (host, [module, texts]) => {
      const { fillText } = await import(module);
      return texts.map((text) => {
        const cell = document.createElement("div");
        fillText(cell, text);
        return [cell.textContent, [...cell.querySelectorAll("i")].map((one) => one.textContent).join("")];
      });
    }"""
    shown = explorer.evaluate(fill, ["/assets/javascripts/explorers/model_table.js", texts])
    assert [whole for whole, _ in shown] == texts
    assert not any(re.search("[0-9+=]", hidden) for _, hidden in shown)  # what a phone leaves out
