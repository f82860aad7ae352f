import itertools
import re

import pytest
import torch
from tokenizers.processors import TemplateProcessing
from torch.testing import assert_close

import grpo_lite
from grpo_lite import GRPOConfig, GRPOTrainer, completion_logps, grpo_loss, sample_episodes, sample_group
from grpo_lite.algorithms import ALGORITHMS
from grpo_lite.training import records, rollout
from helpers.built import ROOT
from helpers.lessons import lesson, printed, stored, tags
from helpers.models import make_tiny_model
from helpers.runs import TOKENIZER, make_tokenizer, model_of
from helpers.trl_trainer import OLD_NAMES, make_trainer, trl_loss

EOS, PAD = 2, 0
SETTINGS = {"max_new_tokens": 12, "eos_token_id": [EOS, 3, 4, 5], "pad_token_id": PAD}
PROMPTS = torch.tensor([[0, 0, 6, 7], [8, 9, 10, 11], [0, 9, 8, 7]])
PROMPT_MASK = PROMPTS != PAD


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def echo(turn):
    """Say the length of the turn and its end token again; a turn that ends with 2 is the last one."""
    return None if turn[-1] == EOS else [6 + len(turn) % 6, turn[-1], 7]


def play(model, environment=echo, prompts=PROMPTS, group=5, seed=0, **settings):
    real = prompts != PAD
    return sample_episodes(
        model, prompts, group, environment, prompt_mask=real, generator=seeded(seed), **SETTINGS | settings
    )


def rows(episodes):
    """What was written in each row, as (token, by the model?) pairs."""
    for ids, mask, own in zip(episodes.ids.tolist(), episodes.mask.tolist(), episodes.env_mask.tolist(), strict=True):
        yield [pair for pair, real in zip(zip(ids, own, strict=True), mask, strict=True) if real]


def test_one_row_is_a_loop_of_full_forward_passes(tiny_model):
    tiny_model.eval()
    for seed in range(12):
        prompt = [6, 7, 8]
        episode = play(tiny_model, prompts=torch.tensor([prompt]), group=1, seed=seed, temperature=0.8)
        generator, said, own, logps, turn, answer = seeded(seed), [], [], [], [], []
        while len(said) < 12:
            p = (tiny_model(torch.tensor([prompt + said])).logits[0, -1] / 0.8).softmax(dim=0)
            drawn = int(torch.multinomial(p, 1, generator=generator))
            own.append(not answer)
            logps.append(0.0 if answer else p[drawn].log().item())
            said.append(answer.pop(0) if answer else drawn)
            turn = [*turn, said[-1]] if own[-1] else []
            if own[-1] and said[-1] in SETTINGS["eos_token_id"]:
                answer = echo(turn) or []
                if not answer or len(said) + len(answer) >= 12:
                    break
        assert episode.ids.tolist() == [said]
        assert episode.env_mask.tolist() == [own]
        assert episode.mask.all()
        assert_close(episode.logps, torch.tensor([logps], dtype=torch.float64), rtol=1e-9, atol=1e-9)


def test_each_row_of_a_batch_is_an_episode_by_the_rules(tiny_model):
    episodes, turns = play(tiny_model, group=40), set()
    for row in rows(episodes):
        said, count = [], 1
        while row:
            turn = [token for token, _ in itertools.takewhile(lambda pair: pair[1], row)]
            assert not set(turn[:-1]) & set(SETTINGS["eos_token_id"])
            said, row = said + turn, row[len(turn) :]
            answer = [token for token, _ in itertools.takewhile(lambda pair: not pair[1], row)]
            if row:
                assert answer == echo(turn)
                said, row, count = said + answer, row[len(answer) :], count + 1
                assert row  # the model has the last word
            else:  # over: it ended, there was no room for the answer, or no room at all
                assert turn[-1] == EOS or len(said) == 12 or (turn[-1] in (3, 4, 5) and len(said) + 3 >= 12)
        turns.add(count)
    assert turns >= {1, 2, 3}
    assert (episodes.ids[~episodes.mask] == PAD).all()
    assert (episodes.logps[~episodes.env_mask] == 0).all()
    assert (episodes.logps[episodes.env_mask] < 0).all()
    assert not (episodes.env_mask & ~episodes.mask).any()
    assert episodes.ids.shape[1] == int(episodes.mask.sum(dim=1).max())


def test_scoring_through_the_holes_gives_the_log_probs_of_sampling(tiny_model):
    episodes = play(tiny_model)
    assert (episodes.mask & ~episodes.env_mask).any()
    again = completion_logps(
        tiny_model.eval(), PROMPTS, episodes.ids, prompt_mask=PROMPT_MASK, completion_mask=episodes.mask
    ).detach()
    own = episodes.env_mask
    assert_close(again[own], episodes.logps[own], rtol=1e-9, atol=1e-9)
    for i, row in enumerate(rows(episodes)):  # alone, without padding
        ids = torch.tensor([[token for token, _ in row]])
        alone = completion_logps(tiny_model, PROMPTS[i // 5][PROMPT_MASK[i // 5]][None], ids).detach()
        assert_close(alone[0], again[i, : len(row)], rtol=1e-9, atol=1e-9)


def test_frequencies_are_the_probabilities_of_the_models_own_tokens():
    """All episodes of two tokens of the model, with an answer in between, against 4,000 samples."""
    model, n = make_tiny_model("gpt2").eval(), 4000
    prompt = torch.tensor([[6, 7, 8]])
    settings = {"max_new_tokens": 4, "eos_token_id": [EOS, 3, 4, 5]}
    episodes = play(model, lambda turn: [9, 9] if turn == [3] else None, prompt, n, 1, **settings)
    counts = {}
    for row in rows(episodes):
        key = tuple(token for token, _ in row)
        counts[key] = counts.get(key, 0) + 1
    called = sum(count for row, count in counts.items() if row[0] == 3)
    p = model(prompt).logits[0, -1].softmax(dim=0)
    assert abs(called / n - p[3]) < 5 * (p[3] * (1 - p[3]) / n) ** 0.5
    q = model(torch.tensor([[6, 7, 8, 3, 9, 9]])).logits[0, -1].softmax(dim=0)
    for token in range(12):
        count = counts.get((3, 9, 9, token), 0)
        assert abs(count / called - q[token]) < 5 * (q[token] * (1 - q[token]) / called) ** 0.5 + 1e-9
    assert all(len(row) == 4 for row in counts if row[0] == 3)


def test_without_an_answer_it_is_sample_group(tiny_model):
    episodes = play(tiny_model, lambda turn: None)
    group = sample_group(tiny_model, PROMPTS, 5, prompt_mask=PROMPT_MASK, generator=seeded(), **SETTINGS)
    for ours, theirs in zip(episodes, group, strict=False):
        assert torch.equal(ours, theirs)
    assert torch.equal(episodes.env_mask, episodes.mask)


def test_an_answer_to_one_row_changes_nothing_for_the_others(tiny_model):
    silent = play(tiny_model, lambda turn: None)
    spoken = play(tiny_model, lambda turn: [9] if turn[0] == 11 else None)
    same = [(a == b) for a, b in zip(rows(silent), rows(spoken), strict=True)]
    first = silent.ids[:, 0].tolist()
    assert [x for x, token in zip(same, first, strict=True) if token != 11] == [True] * (15 - first.count(11))


def test_limits():
    model = make_tiny_model("gpt2")
    every = {"eos_token_id": list(range(12))}  # each token ends a turn

    def lengths(answer, **settings):
        asked.clear()
        episodes = play(model, lambda turn: asked.append(turn) or answer, **every | settings)
        assert episodes.env_mask.any(dim=0)[-1]  # the model has the last word
        return set(episodes.mask.sum(dim=1).tolist()), set(episodes.env_mask.sum(dim=1).tolist())

    asked = []
    assert lengths([7, 7]) == ({10}, {4})  # 1 + 2 + 1 + 2 + 1 + 2 + 1; two more would leave no room for a token
    assert lengths([7, 7], max_new_tokens=13) == ({13}, {5})
    assert lengths([7] * 11) == ({1}, {1})
    assert lengths([7] * 10) == ({12}, {2})
    assert lengths([7, 7], max_new_tokens=1) == ({1}, {1})
    assert lengths([7, 7], max_tool_calling_iterations=2) == ({7}, {3})
    assert len(asked) == 2 * 15  # it is not asked a third time
    assert lengths([7, 7], max_tool_calling_iterations=0) == ({1}, {1})
    assert asked == []


def test_an_end_token_in_an_answer_ends_no_turn():
    episodes = play(make_tiny_model("gpt2"), lambda turn: [EOS, 7] if turn[-1] == 3 else None, group=40)
    answered = [row for row in rows(episodes) if (EOS, False) in row]
    assert answered
    assert all(row[row.index((EOS, False)) + 1] == (7, False) for row in answered)


def test_the_environment_is_shown_each_turn_alone():
    seen = []
    episodes = play(
        make_tiny_model("gpt2"), lambda turn: seen.append(turn) or ([9, 9] if turn[-1] == 3 else None), group=1
    )
    turns = []
    for row in rows(episodes):
        for own, part in itertools.groupby(row, key=lambda pair: pair[1]):
            tokens = [token for token, _ in part]
            if own and tokens[-1] in SETTINGS["eos_token_id"]:
                turns.append(tokens)
    assert sorted(seen) == sorted(turns)


def test_the_model_keeps_its_mode_and_gets_no_gradient(tiny_model):
    tiny_model.train()
    assert not play(tiny_model).logps.requires_grad
    assert tiny_model.training


def test_bad_answers_are_refused(as_user):
    model = make_tiny_model("gpt2")
    for answer in ("12", [], (7, 7), 7):
        with pytest.raises(
            ValueError, match=rf"environment must return a list of token ids or None, got {re.escape(repr(answer))}"
        ):
            play(model, lambda turn, answer=answer: answer)
    with pytest.raises(ValueError, match=r"environment's answer must lie in 0..11 \(the vocabulary\), got 12"):
        play(model, lambda turn: [7, 12])
    with pytest.raises(ValueError, match="environment's answer must hold integer token ids, got torch.float32"):
        play(model, lambda turn: [7.5])
    with pytest.raises(ZeroDivisionError):
        play(model, lambda turn: 1 // 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"max_tool_calling_iterations": -1},
            "max_tool_calling_iterations must be a whole number of at least 0, got -1",
        ),
        ({"max_tool_calling_iterations": 1.5}, "max_tool_calling_iterations must be a whole number of at least 0"),
        ({"temperature": 0.0}, "temperature must be a positive finite number"),
        ({"group": 0}, "num_generations must be a whole number of at least 1, got 0"),
        ({"max_new_tokens": 0}, "max_new_tokens must be a whole number of at least"),
        ({"eos_token_id": None}, "eos_token_id must be a token id or a list of token ids"),
        ({"pad_token_id": 12}, "pad_token_id must lie in 0..11"),
        ({"prompts": PROMPTS.flip(1)}, "every prompt must end with a real token"),
    ],
)
def test_bad_settings_are_refused(as_user, settings, message):
    with pytest.raises(ValueError, match=message):
        play(make_tiny_model("gpt2"), **settings)


class TestLoss:
    def batch(self, seed=0):
        generator = seeded(seed)
        logps = -torch.rand(4, 9, generator=generator, dtype=torch.float64) * 2
        old, ref = (logps + 0.3 * torch.randn(4, 9, generator=generator, dtype=torch.float64) for _ in range(2))
        mask = torch.arange(9) < torch.tensor([9, 7, 5, 8])[:, None]
        own = torch.rand(4, 9, generator=generator) < 0.6
        own[:, 0] = own[:, 3] = True
        return logps.requires_grad_(), old, ref, torch.tensor([1.0, -0.5, 0.25, -1.0]).double(), mask, own

    @OLD_NAMES
    @pytest.mark.filterwarnings("ignore:importance_sampling_level=:UserWarning")
    def test_holes_are_trls_product_of_masks(self, tmp_path):
        trainer = make_trainer(str(tmp_path))
        for seed, loss_type in enumerate(("grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo")):
            for level in ("token", "sequence"):
                logps, old, ref, advantages, mask, own = self.batch(seed)
                shared = {"loss_type": loss_type, "importance_sampling_level": level, "beta": 0.04}
                shared |= {"max_completion_length": 12} | ({"epsilon_high": 5.0} if loss_type == "cispo" else {})
                both = mask & own
                ours = grpo_loss(logps, old, advantages, both, ref_logps=ref, **shared).loss
                theirs, _ = trl_loss(
                    trainer, logps, old, advantages, mask, tool_mask=own.long(), ref_logps=ref,
                    num_items_in_batch=both.sum(), **shared,
                )  # fmt: skip
                (mine,), (its,) = torch.autograd.grad(ours, logps), torch.autograd.grad(theirs, logps)
                assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
                assert_close(mine, its, rtol=1e-9, atol=1e-9)
                assert (mine[~both] == 0).all()

    @pytest.mark.parametrize("loss_type", ALGORITHMS)
    def test_holes_are_as_if_they_were_cut_out(self, loss_type):
        logps, old, ref, advantages, mask, own = self.batch()
        both = mask & own
        settings = {"loss_type": loss_type, "beta": 0.04, "max_completion_length": 12}
        settings |= {"epsilon_high": 5.0} if loss_type == "cispo" else {}
        settings |= {"importance_sampling_level": "sequence"} if loss_type == "luspo" else {}

        def cut(x):
            return torch.nn.utils.rnn.pad_sequence([row[keep] for row, keep in zip(x, both, strict=True)], True)

        whole = grpo_loss(logps, old, advantages, both, ref_logps=ref, **settings)
        short = grpo_loss(cut(logps), cut(old), advantages, cut(both), ref_logps=cut(ref), **settings)
        for a, b in zip(whole, short, strict=True):
            assert_close(a, b, rtol=1e-12, atol=1e-12)
        (a,), (b,) = torch.autograd.grad(whole.loss, logps), torch.autograd.grad(short.loss, logps)
        assert_close(a, b, rtol=1e-12, atol=1e-12)


def calls(turn):
    """Say the digits of a turn backwards; a turn without digits is the last one."""
    return "".join(re.findall("[0-9]", turn))[::-1] or None


ENDS = [1, 2, 3, 4, 5]  # end token and tags


def talker():
    """A model whose turns are short."""
    model = model_of()
    model.generation_config.eos_token_id = ENDS
    return model


class TestTrainer:
    ARGS = {"max_completion_length": 12, "num_generations": 8, "per_device_train_batch_size": 16, "use_cpu": True}

    def groups(self, environment=calls, tokenizer=TOKENIZER, **settings):
        args = GRPOConfig(**self.ARGS | settings)
        rows = [{"prompt": "12"}, {"prompt": "345"}, {"prompt": "6"}]
        return rollout.sample_groups(
            talker(), tokenizer, [reward], rows, args, torch.Generator().manual_seed(0), environment
        )

    def test_answers_are_the_tokens_of_what_the_environment_says(self):
        answered = 0
        for group in self.groups():
            assert torch.equal(group.loss_mask, group.env_mask)
            for text, ids, mask, own in zip(group.completions, group.ids, group.mask, group.env_mask, strict=True):
                assert TOKENIZER.decode(ids[mask], skip_special_tokens=True) == text
                parts = [
                    (k, [int(i) for i, _ in part])
                    for k, part in itertools.groupby(zip(ids[mask], own[mask], strict=True), lambda x: bool(x[1]))
                ]
                for (_, turn), (_, answer) in zip(parts[::2], parts[1::2], strict=False):
                    said = TOKENIZER.decode(turn, skip_special_tokens=True)
                    assert TOKENIZER.decode(answer) == calls(said)
                    answered += 1
        assert answered > 9

    def test_no_token_that_begins_a_text_stands_before_an_answer(self):
        tokenizer = make_tokenizer()
        begin = tokenizer.eos_token_id  # it may be the same, as in GPT-2
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing("<eos> $A", special_tokens=[("<eos>", begin)])
        assert tokenizer("7")["input_ids"][0] == begin
        answered = torch.cat([g.ids[g.mask & ~g.env_mask] for g in self.groups(tokenizer=tokenizer)])
        assert len(answered) > 9
        assert begin not in answered

    def test_the_end_token_of_a_turn_ends_no_completion(self):
        for group in self.groups(mask_truncated_completions=True):
            for ended, ids, mask, own, counted in zip(
                group.ended, group.ids, group.mask, group.env_mask, group.loss_mask, strict=True
            ):
                last = int(ids[mask][-1])
                assert bool(ended) == (last in ENDS)
                assert torch.equal(counted, own & ended)

    def test_lengths_and_entropy_count_the_models_own_tokens(self):
        groups = self.groups()
        own = torch.cat([group.env_mask.sum(dim=1) for group in groups]).float()
        real = torch.cat([group.mask.sum(dim=1) for group in groups]).float()
        described = records.describe(groups, [reward], 1.0)
        assert own.sum() < real.sum()
        assert described["completions/mean_length"] == pytest.approx(own.mean().item())
        total = sum(group.logps.sum().item() for group in groups)
        assert described["entropy"] == pytest.approx(-total / own.sum().item())

    @pytest.mark.parametrize("answer", ["", 7])
    def test_an_answer_that_is_no_text_is_refused(self, answer):
        with pytest.raises(ValueError, match=rf"environment must return a text or None, got {answer!r}"):
            self.groups(lambda turn: answer)

    def test_an_update_follows_the_tokens_that_the_model_wrote(self):
        """The gradient of the trainer is that of a loop over rows with the answers cut out of the loss."""
        model = talker()
        rows = [{"prompt": "12"}, {"prompt": "34"}]
        trainer = GRPOTrainer(model, reward, GRPOConfig(**self.ARGS, max_steps=1), rows, TOKENIZER, environment=calls)
        groups = trainer.add_advantages(trainer.sample())
        assert any((group.mask & ~group.env_mask).any() for group in groups)
        assert any(group.advantages.any() for group in groups)
        batch = [group for group in groups for _ in range(8)]
        total = 0.0
        for k, group in enumerate(batch):
            i = k % 8
            own = group.env_mask[i]
            whole = torch.cat([group.prompt_ids, group.ids[i][group.mask[i]]])[None]
            logps = model(whole).logits[0, len(group.prompt_ids) - 1 : -1].log_softmax(dim=-1)
            chosen = logps.gather(1, group.ids[i][group.mask[i]][:, None])[:, 0]
            total = total - group.advantages[i] * chosen[own[group.mask[i]]].mean() / len(batch)
        expected = torch.autograd.grad(total, list(model.parameters()), allow_unused=True)
        trainer.gradient(groups)
        for p, g in zip(model.parameters(), expected, strict=True):
            assert_close(p.grad, torch.zeros_like(p) if g is None else g, rtol=1e-6, atol=1e-9)

    def test_evaluation_is_answered_too_and_counts_the_models_own_tokens(self, monkeypatch):
        drawn, draw = [], rollout._draw
        monkeypatch.setattr(rollout, "_draw", lambda *args: drawn.append(draw(*args)) or drawn[-1])
        rows = [{"prompt": "12"}, {"prompt": "34"}] * 4
        trainer = GRPOTrainer(talker(), reward, GRPOConfig(**self.ARGS), rows, TOKENIZER, rows, environment=calls)
        result = trainer.evaluate()
        assert (result["step"], result["eval"]) == (0, True)
        greedy, sampled = drawn
        own, real = (mask.sum(dim=1).float().mean().item() for mask in (sampled.env_mask, sampled.mask))
        assert own < real
        assert result["mean_length"] == pytest.approx(own)
        assert len(greedy.ids[::2].unique(dim=0)) == 1  # one prompt, one greedy episode

    def test_without_answers_greedy_evaluation_is_greedy_decoding(self):
        args, rows = GRPOConfig(**self.ARGS), [{"prompt": "12"}, {"prompt": "345"}]
        with_silence = rollout.evaluate(talker(), TOKENIZER, reward, rows, args, environment=lambda turn: None)
        without = rollout.evaluate(talker(), TOKENIZER, reward, rows, args)
        assert with_silence["greedy_reward"] == without["greedy_reward"]


def reward(completions, **columns):
    return [sum(map(int, re.findall("[0-9]", text))) / 10 for text in completions]


@OLD_NAMES
@pytest.mark.filterwarnings("ignore:You are using 'rollout_func':UserWarning")
def test_the_rollout_of_the_lesson_reaches_trls_loss_with_its_holes(tmp_path):
    """The code that lesson "To TRL" shows trains one step; what the environment wrote is masked, the rest is scored."""
    text = lesson("to_trl").read_text()
    code = re.search(r"^# ```python\n(# def rollout_func.*?)^# ```$", text, re.M | re.S)[1]
    seen, asked = [], []
    trainer = make_trainer(str(tmp_path), max_steps=1, per_device_train_batch_size=4, max_completion_length=9)

    def in_tokens(turn):
        asked.append(turn)
        return [5, 6] if len(turn) < 4 else None

    names = {"grpo_lite": grpo_lite, "torch": torch, "tokenizer": trainer.processing_class, "in_tokens": in_tokens}
    exec(re.sub("^# ?", "", code, flags=re.M), names)

    def rollout_func(prompts, trainer):
        out = names["rollout_func"](prompts, trainer)
        seen.append((prompts, out))
        return out

    compute = trainer._compute_loss
    trainer._compute_loss = lambda model, inputs: seen.append(inputs) or compute(model, inputs)
    trainer.rollout_func = rollout_func
    trainer.train()
    (prompts, out), inputs = seen
    assert len(prompts) == 4
    assert prompts[0] == prompts[1] != prompts[2] == prompts[3]
    assert asked
    width = max(map(len, out["env_mask"]))
    masks = sorted(row + [1] * (width - len(row)) for row in out["env_mask"])
    assert sorted(inputs["tool_mask"].tolist()) == masks
    assert inputs["num_items_in_batch"] == sum(map(sum, out["env_mask"]))


@pytest.mark.slow
def test_the_example_of_the_page_learns_to_ask(capsys):
    page = (ROOT / "docs" / "training.md").read_text()
    (example,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "environment=" in block)
    exec(example, {})
    before, after = map(float, capsys.readouterr().out.split())
    assert before < 0.55
    assert after > before + 0.2


def ends_of(call):
    """What the lesson shows of its trainings: a row for the model before, and one for each seed."""
    (cell,) = [cell for cell in stored(lesson("a_model_that_uses_a_tool")).cells if cell.source.endswith(call)]
    return [tuple(map(float, line.split()[1:])) for line in printed(cell).splitlines()[1:]]


def test_the_lessons_model_learns_to_ask_on_five_seeds_and_where_it_has_to_under_a_price():
    """The numbers of its prose: right, asked and invented on small sums, then on large ones."""
    base, *free = ends_of("table(free)")
    assert len(free) == 5
    assert base[3] < 0.35
    for small_right, small_asked, _, large_right, large_asked, _ in free:
        assert 0.85 <= large_right <= 0.95  # about nine times in ten
        assert large_asked >= 0.95
        assert small_asked > 0.5  # the habit spreads
        assert small_right < base[0]
    same, *priced = ends_of("table(priced)")
    assert same == base
    assert len(priced) == 5
    for _, small_asked, _, large_right, large_asked, _ in priced:
        assert 0.05 <= small_asked <= 0.10
        assert large_asked > 0.9
        assert large_right > 0.85
    _, *leaky = ends_of("table(leaky)")
    assert len(leaky) == 3
    kept = [sum(run[5] for run in runs) / 3 / base[5] for runs in (free[:3], leaky)]
    assert kept[0] < 0.25
    assert 0.55 < kept[1] < 0.75  # falls by about a third


@pytest.mark.long
@pytest.mark.slow
def test_the_lessons_model_learns_to_ask_with_another_seed_too():
    names = {}
    for cell in stored(lesson("a_model_that_uses_a_tool")).cells:
        if cell.source.startswith("SEEDS"):
            break
        if cell.cell_type == "code" and not any(tag.startswith("same-") for tag in tags(cell)):
            exec(cell.source, names)
    for price, steps in ((0.0, 30), (0.3, 40)):
        _, curve = names["train"](5, price, steps)
        (_, small_asked, _), (large_right, large_asked, _) = curve[-1].tolist()
        assert large_right > 0.8
        assert large_asked > 0.9
        assert (small_asked < 0.2) == (price > 0)


def test_under_a_price_calls_fall_at_first_and_come_back_once_copies_succeed():
    """The question of lesson "A model that uses a tool", exactly.

    The policy has two choices, to ask and to copy rightly, which is right 2 times in 10 at first. Both climb the
    expected reward. A guess earns 0, asking 0.7 or -0.3.
    """
    for asked in (0.05, 0.5, 0.95):
        choices = torch.tensor([asked, 0.2], dtype=torch.float64).logit().requires_grad_()
        way = []
        for _ in range(2000):
            ask, copy = choices.sigmoid()
            way.append((ask.item(), copy.item()))
            (gradient,) = torch.autograd.grad(ask * (0.7 * copy - 0.3 * (1 - copy)), choices)
            choices = (choices + gradient).detach().requires_grad_()
        assert way[1][0] < way[0][0]
        turn = way.index(min(way))
        assert way[turn - 1][1] < 0.3 < way[turn][1]
        assert way[-1][0] > 0.99
