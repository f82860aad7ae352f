"""Make docs/assets/models again: `make models`, about a minute.

The two models that a reader can run in the page: the one that ships with the package, and the same one trained by the
recipe of the command line. Rounded to float16, they are half as much to load.
"""

import tempfile
from pathlib import Path

from safetensors.torch import load_file, save_file

from grpo_lite.cli import main
from grpo_lite.tasks import BASE_MODEL
from grpo_lite.training.checkpoint import newest_checkpoint

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "docs" / "assets" / "models"


def write(name: str, folder: Path) -> None:
    """Write one model for the site."""
    weights = load_file(folder / "model.safetensors")
    save_file({key: tensor.half() for key, tensor in weights.items()}, MODELS / f"{name}.safetensors")


if __name__ == "__main__":
    MODELS.mkdir(exist_ok=True)
    write("base", BASE_MODEL)
    with tempfile.TemporaryDirectory() as run:
        main(["train", "--task", "chain-sum", "--seed", "0", "--output-dir", run])
        write("trained", newest_checkpoint(run))
