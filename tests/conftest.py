"""What test files share: tiny models, the package as a user sees it (no shape checker), the built site, a browser."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import built
import hypothesis
import jaxtyping
import pytest
import torch

torch.set_num_threads(1)
# No deadline: a busy machine is not a failure. The same examples on every run: a red test stays red until it is mended.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture
def as_user():
    """Switch off the shape checker that pytest adds, so that the package's own errors are seen."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(params=["gpt2", "llama"])
def tiny_model(request):
    """A model with absolute positions and one with rotary positions, in float64, dropout left on where there is any."""
    return make_tiny_model(request.param)


def make_tiny_model(kind: str, vocab_size: int = 12, seed: int = 0) -> torch.nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    special = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    if kind == "gpt2":
        config = GPT2Config(vocab_size=vocab_size, n_embd=16, n_layer=2, n_head=2, n_positions=64, **special)
        config.initializer_range = 0.5
        return GPT2LMHeadModel(config).double()
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        initializer_range=0.5,
        **special,
    )
    return LlamaForCausalLM(config).double()


def give_up(reason):
    """What is missing is a gap on a laptop and a failure where it is what is tested."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def site():
    """The folder of the built site."""
    if not (built.SITE / "sitemap.xml").exists():
        give_up("site/ is not built: run `make site` first")
    return built.SITE


@pytest.fixture(scope="session")
def server(site):
    """The address at which the built site is served."""
    with built.served() as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    if built.CHROMIUM is None:
        give_up("no Chromium on the path")
    with built.chromium() as started:
        yield started


@pytest.fixture
def page(browser, server):
    """A page of laptop size that resolves addresses against the site."""
    context = browser.new_context(base_url=server, viewport={"width": 1280, "height": 900}, color_scheme="light")
    yield context.new_page()
    context.close()


@pytest.fixture
def both_schemes(browser, server):
    """One page in the light scheme, one in the dark."""
    contexts = [browser.new_context(base_url=server, color_scheme=scheme) for scheme in ("light", "dark")]
    yield [context.new_page() for context in contexts]
    for context in contexts:
        context.close()
