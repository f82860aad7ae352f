"""A tiny random policy whose tokens are whole answers, so that it answers right and wrong without having learnt to."""

from helpers.models import make_tiny_model

FORMATTED = "<think>two and two</think><answer>4</answer>"
ADD = "```python\ndef add(a, b):\n    return a + b\n```"
MULTIPLY = "```python\ndef multiply(a, b):\n    return a * b\n```"
ANSWERS = [r"\boxed{4}", r"\boxed{12}", FORMATTED, ADD, MULTIPLY]


def make_tokenizer():
    """One token an answer. Every prompt is the same unknown token, for which it is all one what was asked."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    vocab = {token: i for i, token in enumerate(["<pad>", "<bos>", "<eos>", "<unk>", *ANSWERS])}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(vocab, unk_token="<unk>")),
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        chat_template="{% for message in messages %}{{ message['content'] }}{% endfor %}",
    )


def save_policy(folder):
    """Write model and tokenizer; the weights in 16 bits, as those of large models come."""
    tokenizer = make_tokenizer()
    model = make_tiny_model("gpt2", vocab_size=len(tokenizer)).bfloat16()
    for weight in model.parameters():
        weight.data *= 0.1  # now every token is about as likely as any other
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
