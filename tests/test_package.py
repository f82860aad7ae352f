"""The package as a whole: what it exports, what it loads, and that its documents agree with it."""

import inspect
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

import grpo_lite
from grpo_lite import GRPOConfig, GRPOTrainer
from helpers.built import ROOT, setting
from helpers.forked import python

SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))
PUBLIC = [getattr(grpo_lite, name) for name in grpo_lite.__all__ if name != "RewardFunc"]


def test_import_loads_torch_and_nothing_heavier():
    loaded = python(
        "import sys, torch; before = set(sys.modules); import grpo_lite; print(*(set(sys.modules) - before))"
    )
    packages = {name.split(".")[0] for name in loaded.split()}
    assert "grpo_lite" in packages
    heavy = {"transformers", "accelerate", "matplotlib", "IPython", "datasets", "trl", "beartype", "pandas",
             "math_verify", "sympy", "wasmtime", "componentize_py"}  # fmt: skip
    assert not packages & heavy


def test_all_is_sorted_complete_and_nothing_else_is_public():
    assert grpo_lite.__all__ == sorted(grpo_lite.__all__)
    shown = {name for name, x in vars(grpo_lite).items() if not (name.startswith("_") or inspect.ismodule(x))}
    assert shown == set(grpo_lite.__all__)


CONTRACT = {
    "length_reward": "(completions, **columns)",
    "format_reward": "(completions, *, prefill='', **columns)",
    "boxed_reward": "(completions, ground_truth, **columns)",
    "math_reward": "(completions, ground_truth, **columns)",
    "code_reward": "(completions, tests, entry_point=None, *, partial_credit=False, seconds=1.0, "
    "rel_tol=1e-06, **columns)",
    "score_completions": "(reward_funcs, prompts, completions, **columns)",
    "combine_rewards": "(rewards, weights=None)",
    "group_advantages": "(rewards, num_generations, *, scale_rewards='group', eps=0.0001)",
    "leave_one_out_advantages": "(rewards, num_generations)",
    "normalize_then_sum": "(rewards, num_generations, weights=None)",
    "soft_overlong_reward": "(max_completion_length, soft_punish_cache)",
    "repetition_penalty_reward": "(ngram_size=3, max_penalty=-1.0)",
    "tag_count_reward": "(completions, *, prefill='', **columns)",
    "language_consistency_reward": "(script)",
    "completion_mask": "(completion_ids, eos_token_id)",
    "masked_mean": "(x, mask, dim=None)",
    "mask_truncated": "(mask, completion_ids, eos_token_id)",
    "token_logps": "(logits, ids, *, temperature=1.0)",
    "token_entropies": "(logits, *, temperature=1.0)",
    "completion_logps": "(model, prompt_ids, completion_ids, *, prompt_mask=None, completion_mask=None, "
    "temperature=1.0)",
    "kl_k1": "(logps, ref_logps)",
    "kl_k2": "(logps, ref_logps)",
    "kl_k3": "(logps, ref_logps)",
    "importance_ratio": "(logps, old_logps, mask=None, *, level='token')",
    "clipped_surrogate": "(ratio, advantages, *, epsilon=0.2, epsilon_high=None, delta=None)",
    "grpo_loss": "(logps, old_logps, advantages, mask, *, ref_logps=None, beta=0.0, epsilon=0.2, epsilon_high=None, "
    "delta=None, loss_type='grpo', importance_sampling_level='token', use_bias_correction_kl=False, "
    "max_completion_length=None, num_items_in_batch=None, weight=None, **objective_settings)",
    "cispo_objective": "(ratio, advantages, logps, *, epsilon_high)",
    "sapo_objective": "(ratio, advantages, *, sapo_temperature_pos=1.0, sapo_temperature_neg=1.05)",
    "vespo_objective": "(logps, old_logps, advantages, mask, correction=None, *, vespo_k_pos=2.0, "
    "vespo_lambda_pos=3.0, vespo_k_neg=3.0, vespo_lambda_neg=2.0)",
    "gmpo_objective": "(logps, old_logps, advantages, mask, *, epsilon, epsilon_high=None)",
    "off_policy_mask": "(logps, sampling_logps, advantages, mask, *, threshold)",
    "high_entropy_mask": "(entropies, mask, *, top_entropy_quantile)",
    "sampler_correction": "(old_logps, sampling_logps, mask, *, mode='sequence_mask', cap=3.0, floor=None)",
    "aggregate": "(x, mask, *, loss_type='grpo', max_completion_length=None, num_items_in_batch=None)",
    "sample_group": "(model, prompt_ids, num_generations, *, max_new_tokens, eos_token_id, pad_token_id, "
    "temperature=1.0, prompt_mask=None, generator=None)",
    "greedy_decode": "(model, prompt_ids, *, max_new_tokens, eos_token_id, pad_token_id, prompt_mask=None)",
    "GRPOTrainer": "(model, reward_funcs, args, train_dataset, processing_class, eval_dataset=None, callback=None, "
    "environment=None)",
    "GRPOConfig": "(*, output_dir=None, max_steps=100, learning_rate=1e-06, lr_scheduler_type='linear', "
    "warmup_steps=0, weight_decay=0.0, max_grad_norm=1.0, per_device_train_batch_size=8, "
    "gradient_accumulation_steps=1, steps_per_generation=None, num_generations=8, max_completion_length=512, "
    "temperature=1.0, num_iterations=1, beta=0.0, epsilon=0.2, epsilon_high=None, delta=None, loss_type='grpo', "
    "importance_sampling_level='token', use_bias_correction_kl=False, scale_rewards='group', reward_weights=None, "
    "off_policy_mask_threshold=None, mask_truncated_completions=False, max_sampling_rounds=1, eval_steps=None, "
    "per_device_eval_batch_size=64, save_steps=500, save_total_limit=None, report_to='none', log_completions=False, "
    "bf16=False, gradient_checkpointing=False, seed=42, use_cpu=False, disable_tqdm=None)",
    "LossOutput": "(loss, policy_loss, kl, clip_fraction)",
    "Completions": "(ids, mask, logps)",
    "Episodes": "(ids, mask, logps, env_mask)",
    "sample_episodes": "(model, prompt_ids, num_generations, environment, *, max_new_tokens, eos_token_id, "
    "pad_token_id, temperature=1.0, prompt_mask=None, generator=None, max_tool_calling_iterations=None)",
}


def test_the_contract_speaks_of_every_public_name():
    assert set(CONTRACT) == {thing.__name__ for thing in PUBLIC}


@pytest.mark.parametrize("name", CONTRACT)
def test_signature(name):
    signature = inspect.signature(getattr(grpo_lite, name))
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    assert str(inspect.Signature(bare)) == CONTRACT[name]


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda thing: thing.__name__)
def test_docstring_is_complete(thing):
    parts = ["Attributes:"] if inspect.isclass(thing) else ["Args:", "Returns:", "Raises:", "Source:", ' in lesson "']
    for part in parts + ([] if inspect.isclass(thing) else ["Example:", ">>> "]):
        assert part in thing.__doc__, part
    for name in inspect.signature(thing).parameters:
        assert re.search(rf"^ +{name}: ", thing.__doc__, re.M), name


def test_the_trainer_and_its_settings_are_documented_like_functions():
    for thing, parts in ((GRPOTrainer, ["Args:", "Source:", 'Built in lesson "']), (GRPOConfig, [])):
        for part in [*parts, "Raises:", "Example:", ">>> "]:
            assert part in thing.__doc__, part
    methods = [x for name, x in vars(GRPOTrainer).items() if inspect.isfunction(x) and not name.startswith("_")]
    assert {method.__name__ for method in methods} == {
        "train", "sample", "select_groups", "add_advantages", "update", "gradient", "evaluate", "save", "record",
    }  # fmt: skip
    assert all(method.__doc__ for method in methods)


def test_a_docstring_names_the_lesson_that_builds_the_function():
    scripts = [path.read_text() for path in (ROOT / "notebooks").glob("*.py")]
    lessons = {re.search(r"^# # (.+)$", script, re.M)[1]: script for script in scripts}
    shows = {"Built": 'define-{}"', "Used": "grpo_lite.{}("}
    for thing in PUBLIC:
        for how, title in re.findall(r'(Built|Used) in lesson "(.+?)"', " ".join(thing.__doc__.split())):
            assert shows[how].format(thing.__name__) in lessons[title]


def test_every_public_name_has_a_place_in_the_api_pages():
    pages = "\n".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    for thing in PUBLIC:
        module = thing.__module__
        assert re.search(rf"::: {re.escape(module)}(\.{thing.__name__})?\s", pages), f"{module}.{thing.__name__}"


def test_the_address_of_the_repository_is_the_one_of_mkdocs_yml():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "mkdocs.yml" in files
    for file in files:
        if file.endswith((".py", ".md", ".yml", ".toml", ".html", ".ipynb", ".cff")):
            for address in re.findall(r"https://github\.com/grpo-lite[\w./-]*", (ROOT / file).read_text()):
                assert address.rstrip(".").removesuffix(".git").startswith(setting("repo_url")), file


def test_actions_are_named_by_commit():
    """A tag can be moved to other code, a commit cannot."""
    used = [line for file in (ROOT / ".github").rglob("*.yml") for line in re.findall(r"uses: (.*)", file.read_text())]
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v[\d.]+", line)] == []


def test_the_site_that_a_package_index_names_is_the_one_of_mkdocs_yml():
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"({setting('site_url')})" in about["readme"]["text"]
    assert about["urls"] == {
        "Repository": setting("repo_url"),
        "Documentation": setting("site_url"),
        "Changelog": setting("repo_url") + "/blob/main/CHANGELOG.md",
    }


def test_whatever_says_how_to_install_the_package_says_where_it_is():
    """The bare name on a package index is not ours."""
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("grpo_lite/**/*.py"), *SCRIPTS]
    texts = [file.read_text().replace(setting("site_url"), "") for file in files]
    found = [line for text in texts for line in re.findall(r".*install.*\bgrpo-lite\b.*", text)]
    assert len(found) > len(SCRIPTS)
    assert [line for line in found if "git+" not in line] == []


def test_the_readme_example_prints_what_the_readme_says():
    readme = (ROOT / "README.md").read_text()
    code, output = re.search(r"```python\n(.*?)```\s*```(?:text)?\n(.*?)```", readme, re.S).groups()
    assert python(code).strip() == output.strip()


@pytest.mark.slow
def test_the_copy_in_which_functions_are_changed_has_what_the_tests_look_into(tmp_path):
    """`make mutants` runs some tests in a copy of a few folders; a test that looks into another one would stop it."""
    (named,) = re.findall(r"cp -r (.+) build/mutants", (ROOT / "Makefile").read_text())
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    assert set(named.split()) == {"grpo_lite", "tests", "pyproject.toml", *settings["also_copy"]}
    for name in named.split():
        to = tmp_path / name
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        else:
            shutil.copy(ROOT / name, to)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *settings["pytest_add_cli_args"]]
    looking = [x for x in settings["pytest_add_cli_args_test_selection"] if "helpers.lessons" in (ROOT / x).read_text()]
    done = subprocess.run([*command, "-k", "lesson", *looking], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
