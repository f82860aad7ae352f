"""No term stands in a lesson of the core path before it has been explained, unless a link says where it will be.

Each term has one sentence that explains it, and all lessons are read in their order, paragraph by paragraph, up to that
sentence. What a lesson says of itself in its first cell, headings, and solutions are left out.
"""

import re
from itertools import chain

import jupytext
import pytest

from helpers.lessons import LINK, SCRIPTS, key, tags

CORE = [script for script in SCRIPTS if script.stem[:2] <= "10"]

# Term -> the lesson that explains it, the words by which it does, and others to which a link will do.
TERMS = {
    "held out": ("watch_it_learn", "These are **held out**"),
    "prompt": ("watch_it_learn", "The text that goes in is the **prompt**"),
    "completion": ("watch_it_learn", "a text that comes out is a **completion**"),
    "token": ("watch_it_learn", "A **token** is the unit in which a model reads and writes"),
    "greedy": ("watch_it_learn", "**Greedy** means that it always writes the most likely token"),
    "policy": ("the_map", "is called the **policy**"),
    "advantage": ("the_map", "how far it lies above or below is the **advantage**", "group_advantages"),
    "dropout": ("the_map", "Dropout, which would set a part of the network to 0 at random"),
    "reference": ("the_map", "a frozen copy of the policy as it was at the start, the **reference**", "the_leash"),
    "padding": ("the_map", "What stands behind it is padding"),
    "mask": ("the_map", "The **mask** says which tokens count, the end token among them"),
    "standard deviation": ("the_map", "divided by the group's spread, its standard deviation"),
    "log-prob": ("the_map", "the logarithm of its probability: the **log-prob**", "token_logprobs"),
    "nat": ("the_map", "The unit of a natural logarithm is the nat"),
    "ratio": ("the_map", r"The **ratio** $\rho_{i,t}$ says how much more likely", "ratio_and_clipping"),
    "clip": ("the_map", "The **clip** cuts the ratio off", "ratio_and_clipping"),
    "old policy": ("the_map", "| old policy |", "ratio_and_clipping"),
    "logits": ("why_it_works", "the **logits**"),
    "expected reward": ("why_it_works", "That is the **expected reward**"),
    "policy gradient": ("why_it_works", "That is the **policy gradient**"),
    "REINFORCE": ("why_it_works", "This method is **REINFORCE**"),
    "baseline": ("why_it_works", "Such a $b$ is a **baseline**"),
    "variance": ("why_it_works", "The **variance** is the mean squared distance"),
    "leave-one-out": ("why_it_works", "This **leave-one-out** baseline"),
    "reward function": ("rewards", "Each wish becomes a **reward function**"),
    "ground truth": ("rewards", "the **ground truth**"),
    "reward hacking": ("rewards", "is called **reward hacking**"),
    "critic": ("group_advantages", "PPO asks a second network, the critic", "ppo_and_grpo"),
    "temperature": ("sampling_a_group", "at three **temperatures**"),
    "end token": ("the_map", "For us token 0 means *end*"),
    "cache": ("sampling_a_group", "Keys and values that are kept are the **cache**"),
    "attention mask": ("sampling_a_group", "the **attention mask**, so that no token looks at the padding"),
    "normaliser": ("token_logprobs", "the **normaliser**"),
    "importance ratio": ("ratio_and_clipping", "by the **importance ratio**"),
    "surrogate": ("ratio_and_clipping", "The result is called the **surrogate**"),
    "clip fraction": ("ratio_and_clipping", "called the **clip fraction**"),
    "KL": ("the_leash", "The distance is the **Kullback-Leibler divergence**, KL"),
    "entropy": ("the_training_loop", "the entropy (how undecided the policy is)"),
    "gradient accumulation": ("the_training_loop", "This is **gradient accumulation**"),
    "micro-batch": ("the_training_loop", "in parts, **micro-batches**"),
}


def paragraphs(script):
    """The text of a lesson that a reader meets, in pieces that a blank line, a list or a table row parts."""
    for cell in jupytext.read(script).cells[1:]:
        if cell.cell_type == "markdown" and "solution" not in tags(cell):
            for part in re.split(r"\n\n|\n(?=[|\-*\d])", cell.source):
                if not part.startswith("#"):
                    yield part


READ = {key(script): list(paragraphs(script)) for script in CORE}


def words(paragraph):
    """Without code, formulas, the titles of links and the method's own name."""
    kept = re.sub(r"`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\[[^\]]*\]\([^)]*\)", " ", paragraph, flags=re.S)
    return kept.replace("Group Relative Policy Optimization", "")


def first_uses(term, home, sentence, *others):
    """The paragraphs that use a term before the one that explains it and link to no lesson that does."""
    pattern = re.compile(rf"\b{re.escape(term)}", 0 if term.isupper() else re.I)
    for name, paragraph in chain.from_iterable(((name, part) for part in parts) for name, parts in READ.items()):
        if name == home and sentence in paragraph:
            return
        if pattern.search(words(paragraph)) and not {home, *others} & {found for _, found in LINK.findall(paragraph)}:
            yield f"{name}: {paragraph[:150]}"
    yield f"{home} never says {sentence!r}"


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_explained_before_it_is_used(term):
    assert list(first_uses(term, *TERMS[term])) == []


def test_the_terms_come_in_the_order_of_the_lessons_and_from_nearly_all_of_them():
    homes = {home for home, *_ in TERMS.values()}
    assert {key(script) for script in CORE} - homes == {"the_loss"}  # puts together what the others have explained
