"""A donor's trained model: safetensors weights beside a JSON that explains them."""

import json
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError

from calse.errors import CalseError
from calse.faceswap.network import SwapNetwork
from calse.files import folder_written_aside, write_json

WEIGHTS, INFO = "model.safetensors", "model.json"


def save_model(folder: Path, network: SwapNetwork, info: dict[str, Any]) -> None:
    """Write a model's folder in one step; equal weights and info give equal bytes."""
    state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    with folder_written_aside(folder) as aside:
        safetensors.torch.save_file(state, aside / WEIGHTS)
        write_json(aside / INFO, info)


def load_model(folder: Path) -> tuple[SwapNetwork, dict[str, Any]]:
    """Return a trained network, ready to swap, and what its JSON says.

    Raises CalseError naming the file that is missing, damaged or of another size than its JSON says.
    """
    info = read_info(folder)
    params = info["params"]
    network = SwapNetwork(params["size"], params["channels"], params["code"])
    try:
        network.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    except FileNotFoundError:
        raise CalseError(f"{folder / WEIGHTS} is missing; {_mend(folder)}") from None
    except (SafetensorError, RuntimeError, OSError) as error:
        what = " ".join(str(error).split())[:160]
        raise CalseError(
            f"{folder / WEIGHTS} is not the network that {INFO} describes: {what}; {_mend(folder)}"
        ) from None
    return network.eval(), info


def read_info(folder: Path) -> dict[str, Any]:
    """Return a model's JSON. Raises CalseError when it is missing or describes no model."""
    path = folder / INFO
    try:
        info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = [int(info["params"][name]) for name in ("size", "channels", "code")], info["donor"]
    except FileNotFoundError:
        raise CalseError(f"{path} is missing; {_mend(folder)}") from None
    except (ValueError, KeyError, TypeError):
        raise CalseError(f"{path} describes no face-swap model; {_mend(folder)}") from None
    return info


def _mend(folder: Path) -> str:
    return f"`dvc checkout` or `dvc repro swap-train@{folder.name}` brings it back"
