"""This project's own checkpoints: safetensors weights beside a JSON that explains them.

Not every recogniser needs torch, and its import takes longer than many an evaluation: it waits for a network.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from calse.recognition.network import find_network
from calse.recognition.registry import parsed_settings
from calse.runtime.errors import CalseError
from calse.runtime.files import atomic_file, write_json

if TYPE_CHECKING:
    from torch import Tensor, nn

ABOUT = "calse"  # what a file without a JSON beside it says of itself: an entry of its header


def save_checkpoint(path: Path, model: "nn.Module", info: dict[str, Any]) -> None:
    """Write `<name>.safetensors` and, beside it, `<name>.json`; equal weights and info give equal bytes."""
    from safetensors.torch import save_file

    state: dict[str, Tensor] = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_json(path.with_suffix(".json"), info)
    with atomic_file(path) as aside:
        save_file(state, aside)


def read_info(path: Path) -> dict[str, Any]:
    """Read the JSON beside a checkpoint, or what its own header says. Raises CalseError when missing or damaged."""
    beside = path.with_suffix(".json")
    try:
        text = beside.read_text(encoding="utf-8") if beside.is_file() else _header(path)
        info: dict[str, Any] = json.loads(text)
        _ = settings_of(info), info["classes"], info["fingerprint"], info["split_sha256"]
    except SafetensorError:
        raise CalseError(f"{path} is neither a checkpoint nor an index; those end in .safetensors") from None
    except OSError:
        raise CalseError(f"{beside} is missing; `dvc repro` or `dvc checkout` brings it back") from None
    except (ValueError, KeyError, TypeError, CalseError):
        raise CalseError(f"{beside} does not describe a checkpoint; train again") from None
    return info


def _header(path: Path) -> str:
    """Return what a file's header says of itself. Raises FileNotFoundError when it says nothing."""
    with safe_open(path, "np") as file:
        about = (file.metadata() or {}).get(ABOUT)
    if about is None:
        raise FileNotFoundError
    return str(about)


def settings_of(info: dict[str, Any]) -> Any:
    """Return the settings that a checkpoint was trained with, less its seed. Raises ValueError or CalseError."""
    return parsed_settings(info["recogniser"], info["params"])


def load_checkpoint(path: Path) -> "tuple[nn.Module, dict[str, Any]]":
    """Return a trained network, ready to evaluate, and what its JSON says. Raises CalseError naming the file."""
    from safetensors.torch import load_file

    info = read_info(path)
    model = find_network(info["recogniser"]).built(settings_of(info).model, len(info["classes"]))
    try:
        model.load_state_dict(load_file(path))
    except FileNotFoundError:
        raise CalseError(f"{path} is missing; `dvc repro` or `dvc checkout` brings it back") from None
    except (SafetensorError, RuntimeError, OSError) as error:
        raise CalseError(f"{path} does not hold the network that its JSON describes: {str(error)[:200]}") from None
    return model.eval(), info
