"""`python -m grpo_lite` is the command `grpo-lite`."""

from grpo_lite.cli import main

main()
