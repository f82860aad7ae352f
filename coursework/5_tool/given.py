"""What is given in assignment 5: it stands in the starter and in each solution."""

VOCABULARY = ["<end>", *"0123456789+=[]?", "13", "49"]  # token 0, 1, 2 ...
END = 0

Segment = tuple[str, list[int]]  # who wrote it, "user", "policy" or "tool", and its tokens


def encode(text: str) -> list[int]:
    """Turn a text into tokens: from left to right, each time the longest that fits."""
    ids = []
    while text:
        word = max((word for word in VOCABULARY if text.startswith(word)), key=len)
        ids.append(VOCABULARY.index(word))
        text = text[len(word) :]
    return ids


def decode(ids: list[int]) -> str:
    """Turn tokens into a text."""
    return "".join(VOCABULARY[i] for i in ids)


def calculator(text: str) -> str | None:
    """Answer a call such as [4+9]; None if it is none, a question mark if it cannot be answered."""
    text = text.removesuffix("<end>")
    if not (text.startswith("[") and text.endswith("]")):
        return None
    parts = text[1:-1].split("+")
    return str(sum(map(int, parts))) if all(part.isdecimal() for part in parts) else "?"


def babble(ids: list[int]) -> Tensor:
    """Return logits [V] for the next token; this policy sees the last token alone."""
    last = ids[-1]
    return torch.tensor([(7 * last + 3 * v + last * v) % 11 / 3 for v in range(len(VOCABULARY))], dtype=torch.float64)
