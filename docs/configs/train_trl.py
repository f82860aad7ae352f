"""Train a model with TRL, paid by the reward functions of grpo_lite.

    accelerate launch --config_file ddp.yaml train_trl.py --config grpo.yaml

The fields of `Script` and of TRL's GRPOConfig are the keys of the second file. They are
options here too, and those go first: `--max_steps 10`. The script is short so that you
can change it, for example to add a reward function of your own.
"""

from dataclasses import dataclass

from datasets import load_dataset
from trl import GRPOConfig, GRPOTrainer, TrlParser

import grpo_lite


@dataclass
class Script:
    """What TRL's settings leave open.

    Attributes:
        model: a folder, or a name on the Hugging Face Hub.
        data: a file of JSON lines: "prompt", and the columns that the rewards read.
        rewards: functions of grpo_lite, in the order of `reward_weights`.
    """

    model: str
    data: str
    rewards: list[str]


def main() -> None:
    """Read the settings, train, and save the model."""
    script, args = TrlParser((Script, GRPOConfig)).parse_args_and_config()
    trainer = GRPOTrainer(
        model=script.model,
        reward_funcs=[getattr(grpo_lite, name) for name in script.rewards],
        args=args,
        train_dataset=load_dataset("json", data_files=script.data, split="train"),
    )
    trainer.train(resume_from_checkpoint=args.resume_from_checkpoint)
    if trainer.state.global_step == 0:  # TRL leaves out what does not fill a batch
        raise SystemExit("nothing was trained: the data holds fewer prompts than one batch of all processes")
    trainer.save_model()


if __name__ == "__main__":
    main()
