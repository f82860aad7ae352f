"""What counts as equal for `math_reward`, and what TRL's `accuracy_reward` says of the same pairs:

    python tests/answers_table.py

The pairs stand in grpo_lite/rewards/judges/writing.toml, the table in docs/answers.md. tests/test_math_reward.py
computes it again and compares.
"""

import tomllib
from importlib.resources import files
from pathlib import Path

from grpo_lite import math_reward

PAGE = Path(__file__).parents[1] / "docs" / "answers.md"
START, END = "<!-- from here on: tests/answers_table.py -->\n", "<!-- to here -->"
PIECES = tomllib.loads((files("grpo_lite.rewards.judges") / "writing.toml").read_text("utf-8"))["piece"]
PAIRS = [
    (*pair, wanted) for piece in PIECES for wanted in (1.0, 0.0) for pair in piece["equal" if wanted else "different"]
]


def trl(pairs):
    """Ask TRL as its documentation calls it: the truth as LaTeX, the answer in a box."""
    from trl.rewards import accuracy_reward

    return accuracy_reward(
        [[{"content": rf"\boxed{{{pair[1]}}}"}] for pair in pairs], [f"${pair[0]}$" for pair in pairs]
    )


def ours(pairs):
    """Ask `math_reward` the same."""
    return math_reward([rf"\boxed{{{pair[1]}}}" for pair in pairs], [pair[0] for pair in pairs])


def table():
    """Write one table a piece."""
    lines = []
    for piece in PIECES:
        name = piece["name"]
        pairs = [pair for key in ("equal", "different") for pair in piece[key]]
        lines += [
            f"### {name[0].upper()}{name[1:]}",
            "",
            "| Truth | Answer | `math_reward` | TRL |",
            "| --- | --- | --- | --- |",
        ]
        for (truth, answer), reward, other in zip(pairs, ours(pairs), trl(pairs), strict=True):
            theirs = "None" if other is None else f"{other:.0f}" if other == reward else f"**{other:.0f}**"
            lines.append(f"| `{truth}` | `{answer}` | {reward:.0f} | {theirs} |")
        lines.append("")
    verdicts = list(zip(ours(PAIRS), trl(PAIRS), strict=True))
    more = sum(mine == 1.0 and other != 1.0 for mine, other in verdicts)
    less = sum(mine == 0.0 and other == 1.0 for mine, other in verdicts)
    lines.append(
        f"Of these {len(PAIRS)} pairs, TRL's `accuracy_reward` pays {less} that are different, and does not pay {more} "
        "that are equal. They were picked to show where a judge goes wrong, so this says nothing about a usual "
        "data set.\n"
    )
    return "\n".join(lines)


def with_table(text):
    """Put the table into the page."""
    before, _, rest = text.partition(START)
    return f"{before}{START}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
