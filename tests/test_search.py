"""The search as readers use it: what they type leads to the page that answers, and nothing is loaded before.

The queries are those of people who meet GRPO, in their words. The built index is asked in plain Node.js, through the
worker that a browser starts.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from helpers.built import ROOT
from helpers.formulas import NODE
from helpers.lessons import lesson
from helpers.missing import give_up

FIRST = {
    "the loop": "lessons/the_training_loop/",
    "ra": "lessons/ratio_and_clipping/",
    "loss zero": "questions/#loss-zero",
    "loss is 0": "questions/#loss-zero",
    "loss starts at 0": "questions/#loss-zero",
    "loss goes up": "questions/#loss-rises",
    "negative loss": "questions/#loss-negative",
    "nan loss": "lessons/when_a_run_is_sick/#break-it-one-nan",
    "ratio always 1": "questions/#ratio-one",
    "clip fraction 0": "questions/#ratio-one",
    "old policy vs reference": "questions/#old-and-ref",
    "pi_old pi_ref": "questions/#old-and-ref",
    "kl negative": "questions/#k3",
    "kl estimator": "lessons/the_leash/",
    "why is beta 0": "questions/#beta-zero",
    "k1 in the loss": "questions/#k1-penalty",
    "all rewards equal": "questions/#all-equal",
    "advantage is zero": "questions/#all-equal",
    "my reward is always 0": "questions/#reward-zero",
    "reward hacking": ("questions/#hacked", "lessons/when_rewards_lie/"),
    "several rewards": "lessons/the_family/#several-rewards",
    "divide by std": "questions/#std",
    "dr grpo": "lessons/the_family/",
    "dapo": "lessons/the_family/",
    "length bias": "lessons/bias_and_variance/",
    "group size": ("lessons/what_matters/#group-size", "questions/#sizes"),
    "num_generations": "questions/#sizes",
    "batch size": ("questions/#batch", "questions/#sizes"),
    "gradient accumulation": "questions/#accumulation",
    "off by one": "questions/#shift",
    "pad eos": "questions/#eos",
    "never stops": "questions/#eos",
    "left padding": "lessons/sampling_a_group/#prompts-of-different-length",
    "top-p": "questions/#temperature",
    "tokenize again": "questions/#token-ids",
    "chat template": "questions/#prefill",
    "cold start": "questions/#never",
    "not learning": "questions/#first",
    "out of memory": "questions/#memory",
    "gsm8k": "lessons/a_real_language_model/#the-same-on-a-gpu",
    "ppo vs grpo": "lessons/ppo_and_grpo/",
    "importance sampling": "lessons/ratio_and_clipping/",
    "policy gradient": "lessons/why_it_works/",
    "clip": "lessons/ratio_and_clipping/",
    "grpo": "summary/",
    "reward": ("lessons/rewards/", "lessons/when_rewards_lie/"),
    "code reward": "lessons/answers_and_programs/",
    "learning rate": "lessons/what_matters/#learning-rate",
    "model collapse": "lessons/when_a_run_is_sick/",
    "multi turn": "lessons/a_model_that_uses_a_tool/",
    "install": "lessons/#on-your-own-machine",
    "grpo_loss": "api/loss/",
    "kl_k3": "api/kl/",
    "advantge": "lessons/group_advantages/",
    "tempature": ("questions/#temperature", "lessons/sampling_a_group/"),
    "cliping": "lessons/ratio_and_clipping/",
    "importnce samplng": "lessons/ratio_and_clipping/",
}


@pytest.fixture(scope="module")
def asked(site):
    """What the search finds for each query, and what it has loaded for that."""
    if NODE is None:
        give_up("no node on the path")
    command = [NODE, ROOT / "tests" / "search.mjs", site, *FIRST]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.fixture
def index(site):
    return json.loads((site / "search" / "docs.json").read_text())["docs"]


@pytest.mark.site
def test_what_people_type_leads_to_the_page_that_answers(asked):
    found = {query: places[0] if places else None for query, places in asked["found"].items()}
    wrong = {query: found[query] for query, place in FIRST.items() if not str(found[query]).startswith(place)}
    assert wrong == {}


@pytest.mark.site
def test_nothing_is_loaded_before_a_reader_turns_to_the_search(asked, site):
    kinds = [name.split(".")[0] for name in asked["loaded"]]
    assert kinds == ["assets/javascripts/search", "assets/javascripts/workers/search", "search/docs"]
    assert asked["early"] == 1
    assert len((site / "search" / "search_index.json").read_bytes()) < 300


@pytest.mark.site
def test_titles_answer_until_the_index_is_made_and_a_lesson_has_its_number(asked):
    script = lesson("the_training_loop")
    number = script.stem[:2]
    assert [re.sub("</?mark>", "", title) for title in asked["shown"]] == [f"{number} The training loop"] * 2


@pytest.mark.site
def test_no_title_shows_tex_and_no_text_a_command(index):
    assert len(index) > 500
    assert [entry["title"] for entry in index if "$" in entry["title"] or "\\" in entry["title"]] == []
    assert [entry["location"] for entry in index if "\\theta" in entry["text"] or "\\log" in entry["text"]] == []


@pytest.mark.site
def test_every_alias_leads_somewhere(index, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "theme")
    from aliases import ALIASES as aliases

    assert set(aliases) <= {entry["location"] for entry in index}
    assert all(entry.get("tags") == aliases.get(entry["location"]) for entry in index)


@pytest.mark.parametrize(
    ("tex", "shown"),
    [
        (r"The ratio $\rho_{i,t} > 1$ costs $5", "The ratio ρ_i,t > 1 costs $5"),
        (r"What fires when $\mu &gt; 1$", "What fires when μ &gt; 1"),
        (
            r"\(\hat A_i = \frac{r_i - \mu}{\sigma}\) or \[\log \pi_\theta(o \mid q)\]",
            "Â_i = (r_i - μ)/σ or log π_θ(o | q)",
        ),
        (r"plain $\rho\hat A$", "plain ρÂ"),
        (r"$\operatorname{Var}(\text{reward})$", "Var(reward)"),
        ("from $5 to $6", "from $5 to $6"),
    ],
)
def test_a_formula_becomes_plain_signs(monkeypatch, tex, shown):
    monkeypatch.syspath_prepend(Path(ROOT, "docs", "theme"))
    from formulas import readable

    assert readable(tex) == shown
