"""Make docs/assets/models again: `make models`, about a minute.

The two models that a reader can run in the page: the one that ships with the package, and the same one trained by the
recipe of the command line. Rounded to float16, they are half as much to load.
"""

from pathlib import Path

from safetensors.torch import load_file, save_file

from grpo_lite.checkpoint import newest_checkpoint
from grpo_lite.cli import main
from grpo_lite.tasks import BASE_MODEL

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / "build" / "trained"
MODELS = ROOT / "docs" / "assets" / "models"

if __name__ == "__main__":
    main(["train", "--task", "chain-sum", "--seed", "0", "--output-dir", str(RUN)])
    MODELS.mkdir(exist_ok=True)
    for name, folder in {"base": BASE_MODEL, "trained": newest_checkpoint(RUN)}.items():
        weights = load_file(folder / "model.safetensors")
        save_file({key: tensor.half() for key, tensor in weights.items()}, MODELS / f"{name}.safetensors")
