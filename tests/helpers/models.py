"""Models small enough to test with."""

import torch


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


def make_model_that_reads_images(vocab_size: int = 12) -> torch.nn.Module:
    """Gemma 3, whose settings of the text stand in a part of its config."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = sizes | {"num_key_value_heads": 1, "head_dim": 8, "vocab_size": vocab_size, "max_position_embeddings": 64}
    vision = sizes | {"image_size": 28, "patch_size": 14}
    torch.manual_seed(0)
    config = Gemma3Config(text_config=text | {"initializer_range": 0.5}, vision_config=vision, mm_tokens_per_image=4)
    assert not hasattr(config, "vocab_size")
    return Gemma3ForConditionalGeneration(config)
