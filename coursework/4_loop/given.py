"""What students are given: it is put in the place of {{given}} in the starter and in each solution."""

CONTEXT = 6  # how many tokens back the policy sees
LENGTH = 4  # tokens of a completion at most, the end token included


class Policy(nn.Module):
    """A network over the last CONTEXT tokens. Called with ids [B, L] it gives logits [B, L, V] about the next token."""

    def __init__(self, seed: int):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.embedding = nn.Embedding(len(LETTERS) + 1, 16)
            self.layers = nn.Sequential(nn.Linear(16 * CONTEXT, 64), nn.Tanh(), nn.Linear(64, len(LETTERS) + 1))

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits [B, L, V]."""
        windows = nn.functional.pad(ids, (CONTEXT - 1, 0)).unfold(1, CONTEXT, 1)
        return self.layers(self.embedding(windows).flatten(2))


@torch.no_grad()
def sample(policy: nn.Module, prompts: list[str], generator: torch.Generator | None = None) -> tuple:
    """Complete each prompt: drawn with the generator, or without one by taking the likeliest token each time.

    Returns:
        texts: B completions, without their end.
        ids: [B, L] tokens.
        mask: [B, L] bools, True on the tokens of the completion up to and including its end token.
        logps: [B, L] the log-prob of each of these tokens when it was drawn, in nats; 0 elsewhere.
    """
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + [LETTERS.index(x) + 1 for x in p] for p in prompts])
    mask, logps = torch.zeros_like(ids, dtype=torch.bool), torch.zeros_like(ids, dtype=torch.float32)
    going = torch.ones(len(prompts), dtype=torch.bool)
    for _ in range(LENGTH):
        now = policy(ids[:, -CONTEXT:])[:, -1].log_softmax(dim=-1)
        drawn = now.argmax(dim=-1) if generator is None else now.exp().multinomial(1, generator=generator)[:, 0]
        drawn = torch.where(going, drawn, 0)
        logp = torch.where(going, now.gather(1, drawn[:, None])[:, 0], 0)
        ids, mask, logps = (
            torch.cat([so_far, new[:, None]], dim=1)
            for so_far, new in ((ids, drawn), (mask, going), (logps, logp))
        )  # fmt: skip
        going = going & (drawn != 0)
    texts = ["".join(LETTERS[x - 1] for x in row if x > 0) for row in ids[:, width:].tolist()]
    return texts, ids, mask, logps
