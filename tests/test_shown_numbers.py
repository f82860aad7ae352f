"""The package, called here, gives the numbers that the stored lessons show.

The inputs are written out once more on purpose: if a lesson or a function drifts, the two no longer meet.
"""

import re

import pytest
import torch

import grpo_lite as gl
from grpo_lite.masking import position_ids
from helpers.lessons import NUMBER, lesson, results, stored
from helpers.models import make_tiny_model

T, F, nan = True, False, float("nan")


def shown(name, tag):
    """The numbers in the stored output of the cell `result-TAG` of a lesson; types and names of estimators are not."""
    text = re.sub(r"dtype=[\w.]+|grad_fn=\S+|\bk\d\b", "", results(stored(lesson(name)))[f"result-{tag}"])
    return [float(n) for n in NUMBER.findall(text.replace("nan", "77777"))]


def numbers(*values):
    """Flatten tensors and numbers to a list, nan as it is read back above."""
    flat = torch.cat([torch.as_tensor(value).detach().double().flatten() for value in values])
    return flat.nan_to_num(nan=77777.0).tolist()


def assert_shown(name, tag, *values, skip=0):
    """Compare with what a lesson shows, to the four decimals that it prints; `skip` numbers belong to labels."""
    assert shown(name, tag)[skip:] == pytest.approx(numbers(*values), abs=6e-5)


class TestMap:
    def test_loss_by_hand(self):
        ratios, old = torch.tensor([[1.1, 1.3], [0.9, 1.0]]), torch.full((2, 2), -1.0)
        out = gl.grpo_loss(old + ratios.log(), old, torch.tensor([0.7071, -0.7071]), torch.ones(2, 2).bool())
        assert_shown("the_map", "by-hand", out.loss)

    def test_advantages_of_the_first_group(self):
        rewards = [0.0, 2.0, 0.0, 1.0]
        assert shown("the_map", "rewards")[::6] == rewards  # behind each completion of five digits, but the first
        assert_shown("the_map", "advantages", gl.group_advantages(torch.tensor(rewards), 4))

    def test_parameters_of_the_originals_config(self):
        from transformers import GPT2Config, GPT2LMHeadModel

        model = GPT2LMHeadModel(GPT2Config(vocab_size=10, n_embd=128, n_inner=256, n_layer=2, n_head=4, bos_token_id=0))
        assert_shown("the_map", "parameters", model.num_parameters())


class TestRewards:
    def test_format_and_boxed_tables(self):
        think = "<think>3 + 4 = 7</think>"
        texts = [f"{think}<answer>7</answer>", "<think>3 + 4\n= 7</think><answer>7</answer>"]
        texts += [f"{think}\n<answer>7</answer>", f"{think}<answer>7</answer> or 9 or 3</answer>"]
        texts += ["<think></think><answer></answer>"]
        texts += ["<think>Hm</think><answer>9</answer><think>No</think><answer>7</answer>"]
        assert_shown("rewards", "format-repaired", gl.format_reward(texts))
        answers = [r"So \boxed{\frac{1}{2}}.", r"First \boxed{9}, no: \boxed{7}", r"\boxed{ 7 }", r"\boxed{7.0}"]
        answers += [r"\boxed{7}", "I do not know."]
        truths = [r"\frac{1}{2}", "7", "7", "7", 7, ""]
        assert_shown("rewards", "boxed-repaired", gl.boxed_reward(answers, truths))

    def test_sums(self):
        two = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
        three = torch.tensor([[1.0, nan], [1.0, 0.0], [nan, nan]])
        assert_shown("rewards", "combine", gl.combine_rewards(two, [0.2, 1.0]), gl.combine_rewards(three, [0.2, 1.0]))

    def test_two_tasks(self):
        judged = torch.tensor([[1.0, nan], [0.0, nan], [nan, 1.0], [nan, 0.0]])
        rewards = torch.tensor([1.0, 0.0, 1.0, 0.0])
        for tag in ("two-tasks", "misspelt-task"):
            rows = torch.column_stack([judged, rewards, gl.group_advantages(rewards, 2)])
            assert_shown("answers_and_programs", tag, rows)
            judged[2:], rewards[2:] = nan, nan

    def test_shaping(self):
        honest = r"<think>3 + 4 = 7</think><answer>\boxed{7}</answer>"
        mixed = "<think>three и четыре</think><answer>7</answer>"
        texts = [honest, "<think>a</think><answer></answer>", "<think>" + " seven" * 20, mixed]
        functions = [gl.tag_count_reward, gl.repetition_penalty_reward(8), gl.language_consistency_reward("LATIN")]
        ids = [[ord(character) for character in text] for text in texts]
        pay = gl.score_completions(functions, [""] * 4, texts, completion_ids=ids)
        assert shown("answers_and_programs", "shaping") == pytest.approx(pay.T.flatten().tolist(), abs=0.0051)


class TestSampling:
    def test_temperatures(self):
        logits = torch.tensor([[[0.7, 0.3]]], dtype=torch.float64).log().expand(2, 1, 2)
        temperatures = [0.25, 0.5, 1.0, 2.0, 4.0]
        ids = torch.tensor([[0], [1]])
        rows = [[t, *gl.token_logps(logits, ids, temperature=t).exp().flatten().tolist()] for t in temperatures]
        assert_shown("sampling_a_group", "temperature", rows)

    def test_positions_of_padded_prompts(self):
        mask = torch.tensor([[0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]]).bool()
        assert_shown("sampling_a_group", "position-ids", torch.stack([mask.long(), position_ids(mask)], dim=1))

    def test_what_a_model_reads(self):
        """One prompt of 20 tokens, 8 completions of 6: the prompt once, then all but the last token of each row.

        No row ends before the limit, since the end token cannot be drawn: rows that have ended are not read on. Of
        tokens that begin several rows the package reads only one.
        """
        model, read = make_tiny_model("gpt2"), []
        model.transformer.wte.register_forward_hook(lambda layer, inputs, output: read.append(inputs[0].numel()))
        model.lm_head.register_forward_hook(
            lambda layer, inputs, logits: logits.index_fill(-1, torch.tensor([2]), -torch.inf)
        )
        prompt = torch.full((1, 20), 3)
        group = gl.sample_group(model, prompt, 8, max_new_tokens=6, eos_token_id=2, pad_token_id=2)
        assert group.ids.shape == (8, 6)
        assert shown("sampling_a_group", "tokens-read")[2] == 20 + 8 * 5
        assert sum(read) == 20 + sum(len({tuple(row[:n]) for row in group.ids.tolist()}) for n in range(1, 6))


class TestLogProbs:
    def test_two_by_two(self):
        logits = torch.tensor([[[0.0, 0.0], [0.0, 3.0]]])
        assert_shown("token_logprobs", "token-logps", gl.token_logps(logits, torch.tensor([[0, 1]])))

    def test_masked_means(self):
        x = torch.tensor([[1.0, 3.0, 100.0], [5.0, 5.0, 5.0]])
        mask = torch.tensor([[T, T, F], [F, F, F]])
        assert_shown("token_logprobs", "masked-mean", gl.masked_mean(x, mask, dim=1), gl.masked_mean(x, mask))

    def test_mask_by_position(self):
        rows = torch.tensor([[7, 5, 2, 2], [4, 4, 4, 4], [2, 2, 2, 2]])
        masks = rows, rows != 2, gl.completion_mask(rows, 2)
        assert_shown("token_logprobs", "mask-by-id", torch.stack([mask.long() for mask in masks], dim=1))


class TestAdvantages:
    def test_groups(self):
        assert_shown("group_advantages", "two-prompts", gl.group_advantages(torch.tensor([3.0, 1.0, 10.0, 4.0]), 2))
        assert_shown("group_advantages", "unscored", gl.group_advantages(torch.tensor([1.0, 0.0, nan, 1.0]), 4))
        one = torch.tensor([1.0] + [0.0] * 7)
        both = gl.group_advantages(one, 8)[:2], gl.group_advantages(one, 8, scale_rewards="none")[:2]
        assert_shown("group_advantages", "one-right-of-eight", torch.stack([one[:2], *both], dim=1))

    def test_leave_one_out(self):
        rewards = torch.tensor([1.0, 0.0, 0.0, 0.0])
        assert_shown("group_advantages", "leave-one-out", gl.leave_one_out_advantages(rewards, 4))

    def test_cost_of_eps(self):
        rows = [(eps, gl.group_advantages(torch.tensor([0.05, 0.06]), 2, eps=eps)) for eps in (0.01, 1e-4)]
        assert_shown("group_advantages", "eps-cost", *(value for row in rows for value in row))


class TestKL:
    policy = torch.tensor([[0.75, 0.25], [0.5, 0.5]], dtype=torch.float64)
    reference = torch.tensor([[0.5, 0.5], [0.75, 0.25]], dtype=torch.float64)
    logps = torch.tensor([1.5, 1.0, 0.0, -1.0, 0.5], dtype=torch.float64).log_softmax(0)
    ref_logps = torch.tensor([2.0, 1.0, 0.0, 0.0, -1.0], dtype=torch.float64).log_softmax(0)

    @pytest.mark.parametrize("kl", [gl.kl_k1, gl.kl_k2, gl.kl_k3])
    def test_by_hand(self, kl):
        k = kl(self.policy.log(), self.reference.log())
        tag = f"{kl.__name__.removeprefix('kl_')}-by-hand"
        assert_shown("the_leash", tag, k, (self.policy * k).sum(dim=1))

    def test_value_and_spread(self):
        p, rows = self.logps.exp(), []
        for kl in (gl.kl_k1, gl.kl_k2, gl.kl_k3):
            k = kl(self.logps, self.ref_logps)
            mean = (p * k).sum()
            rows += [mean, (p * (k - mean) ** 2).sum().sqrt(), k.min()]
        assert_shown("the_leash", "value-and-spread", *rows)

    def test_expected_gradients(self):
        def pull(k):
            logits = torch.tensor([1.5, 1.0, 0.0, -1.0, 0.5], dtype=torch.float64, requires_grad=True)
            logps = logits.log_softmax(0)
            return torch.autograd.grad((logps.exp().detach() * k(logps, self.ref_logps)).sum(), logits)[0]

        # Below k2 and k3 the lesson shows the exact gradient of the KL that each of them pulls along.
        assert_shown("gradients_of_kl", "gradients", *map(pull, (gl.kl_k1, gl.kl_k2, gl.kl_k2, gl.kl_k3, gl.kl_k3)))


class TestRatio:
    def test_case_table(self):
        rows = []
        for advantage in (1.0, -1.0):
            for r in (0.5, 1.0, 1.5):
                logp = torch.tensor([[r]]).log().requires_grad_()
                value = gl.clipped_surrogate(gl.importance_ratio(logp, torch.zeros(1, 1)), torch.tensor([advantage]))
                rows += [advantage, r, value, torch.autograd.grad(value.sum(), logp)[0]]
        assert_shown("ratio_and_clipping", "case-table", *rows)

    def test_refinements(self):
        objective = [
            gl.clipped_surrogate(torch.tensor([[r]]), torch.tensor([a]), **settings).item()
            for r, a, settings in (
                (1.25, 1.0, {}),
                (1.25, 1.0, {"epsilon_high": 0.28}),
                (10.0, -1.0, {}),
                (10.0, -1.0, {"delta": 4.0}),
            )
        ]
        rows = results(stored(lesson("the_family")))["result-refinements"].splitlines()[1:]
        assert [float(row.split()[-2]) for row in rows] == pytest.approx(objective)

    def test_sequence_ratio(self):
        ratios = torch.tensor([[1.5, 1.0, 0.9, 0.8]])
        sequence = gl.importance_ratio(ratios.log(), torch.zeros(1, 4), level="sequence")
        assert_shown("the_family", "sequence-ratio", ratios, sequence)


class TestLoss:
    mask = torch.tensor([[T, T, F, F], [T, T, T, T]])
    logps = torch.tensor([[-0.9, -0.2, 0.0, 0.0], [-1.6, -0.7, -1.4, -0.4]])
    old = torch.tensor([[-1.2, -0.3, 0.0, 0.0], [-1.4, -0.6, -1.0, -0.5]])
    ref = torch.tensor([[-1.3, -0.3, 0.0, 0.0], [-1.4, -0.7, -0.9, -0.6]])
    advantages = torch.tensor([1.0, -1.0])

    def test_loss(self):
        out = gl.grpo_loss(self.logps, self.old, self.advantages, self.mask, ref_logps=self.ref, beta=0.04)
        assert_shown("the_loss", "vectorised", *out)
        assert_shown("the_loss", "loop", out.loss)

    def test_gradient_of_the_first_step(self):
        leaf = self.logps.clone().requires_grad_()
        out = gl.grpo_loss(leaf, None, self.advantages, self.mask)
        out.loss.backward()
        assert_shown("the_loss", "first-step", out.loss, leaf.grad)

    def test_four_averages(self):
        for loss_type, row in zip(
            ("grpo", "bnpo", "dapo", "dr_grpo"), shown_pairs("the_loss", "four-averages"), strict=True
        ):
            for sign, value in zip((1, -1), row, strict=True):
                settings = {"loss_type": loss_type, "max_completion_length": 4}
                out = gl.grpo_loss(self.logps, None, sign * self.advantages, self.mask, **settings)
                assert out.loss.item() == pytest.approx(value, abs=6e-5)

    def test_who_is_pushed(self):
        """Weight times advantage times ratio; nothing for the four that the clip stops, nor for padding."""
        rows = [[0, 1.08], [0.92, 0, 1.30, 0.97, 1.02], [0, 0.95], [0.74, 0, 1.12]]
        pushes = torch.zeros(4, 5)
        for i, (ratios, sign) in enumerate(zip(rows, (1, -1, -1, 1), strict=True)):
            advantage = sign * 0.5 / (3**-0.5 + 1e-4)
            pushes[i, : len(ratios)] = torch.tensor(ratios) * advantage / (4 * len(ratios))
        *shown_pushes, clipped = shown("the_loss", "who-is-pushed")
        assert shown_pushes == pytest.approx(numbers(pushes), abs=6e-5)
        assert clipped == pytest.approx(4 / 12, abs=6e-4)


def shown_pairs(lesson, tag):
    flat = shown(lesson, tag)
    return list(zip(flat[::2], flat[1::2], strict=True))


class TestOriginal:
    """The numbers that the original notebook printed, typed from it, against the package in its order of calls."""

    def test_everything_it_printed(self):
        from transformers import GPT2Config, GPT2LMHeadModel

        torch.manual_seed(1)
        config = GPT2Config(vocab_size=10, n_embd=128, n_inner=256, n_layer=2, n_head=4)
        models = GPT2LMHeadModel(config), GPT2LMHeadModel(config)
        torch.randint(0, 10, (2, 5))
        response = torch.randint(0, 10, (2, 10))
        assert response.tolist() == [[9, 2, 7, 8, 7, 5, 5, 9, 3, 3], [4, 3, 8, 6, 8, 7, 6, 1, 6, 7]]

        def read(model):  # its own way: token t scored by the logits at t, dropout on
            return gl.token_logps(model(input_ids=response).logits, response)

        first = read(models[0])
        assert first[0].tolist() == pytest.approx(
            [-1.6183, -1.3673, -1.5195, -1.5547, -1.4089, -1.3429, -1.2517, -1.3878, -1.3432, -1.1901], abs=6e-5
        )
        policy, reference = read(models[0]), read(models[1])
        kl = gl.kl_k3(policy, reference)
        assert kl[1].tolist() == pytest.approx(
            [0.013051, 1.5891e-4, 0.041568, 7.6652e-5, 1.7810e-4, 0.10834, 4.0960e-4, 0.040464, 0.029019, 0.073563],
            abs=6e-5,
        )
        advantages = gl.group_advantages(torch.tensor([100.0, 66.0]), 2, eps=0.01)
        ratio = gl.importance_ratio(policy, reference)  # its own demonstration divides by the reference
        surrogate = gl.clipped_surrogate(ratio, advantages, epsilon=0.01)
        assert surrogate[0].tolist() == pytest.approx(
            [0.5672, 0.7138, 0.6428, 0.7139, 0.6496, 0.7139, 0.6903, 0.5616, 0.5596, 0.7139], abs=6e-5
        )
        masked_loss = (surrogate - 0.01 * kl)[:, 5:]
        assert masked_loss.flatten().tolist() == pytest.approx(
            [0.7138, 0.6903, 0.5614, 0.5593, 0.7136, -0.7008, -0.7274, -0.7001, -0.9087, -0.7005], abs=6e-5
        )
        losses = []
        for _ in range(6):
            policy, old, reference = (read(m)[:, 5:] for m in (models[0], models[0], models[1]))
            mask = torch.ones_like(policy, dtype=torch.bool)
            out = gl.grpo_loss(policy, old, advantages, mask, ref_logps=reference, beta=0.01, epsilon=0.01)
            losses.append(out.loss.item())
        assert losses[-1] == pytest.approx(0.0352, abs=6e-5)
        assert shown("the_original_replayed", "repetitions")[1::2] == pytest.approx(losses, abs=6e-5)
        assert shown("the_original_replayed", "final-loss")[1] == 0.0352

    def test_its_advantages(self):
        assert_shown(
            "the_original_replayed", "length-advantages", *[gl.group_advantages(LENGTHS, 4, eps=0.01)] * 2, 0.0
        )
        formats = torch.tensor([1.0, 0.0, 1.0, 0.0])
        assert_shown(
            "the_original_replayed", "format-advantages", *[gl.group_advantages(formats, 4, eps=0.01)] * 2, 0.0
        )


LENGTHS = torch.tensor(
    gl.length_reward(
        [
            "<think>The sum of 1 and 2 is 3, which we multiply by 4 to get 12.</think>"
            "<answer>(1 + 2) * 4 = 12</answer>",
            "The sum of 3 and 1 is 4, which we multiply by 2 to get 8. So (3 + 1) * 2 = 8.",
            "<think>The product of 3 and 4 is 12.</think><answer>3 * 4 = 12</answer>",
            "The product of 3 and 4 is 12. So 3 * 4 = 12.",
        ]
    )
)
