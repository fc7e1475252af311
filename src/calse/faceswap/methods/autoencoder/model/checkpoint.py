"""A donor's trained model: safetensors weights beside a JSON that explains them.

No torch at the top: the stage `swap` looks a model up here, its workers load it.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calse.runtime.errors import CalseError
from calse.runtime.files import folder_written_aside, sha256_of, write_json

if TYPE_CHECKING:
    from calse.faceswap.methods.autoencoder.model.network import SwapNetwork

WEIGHTS, INFO = "model.safetensors", "model.json"


def save_model(folder: Path, network: "SwapNetwork", info: dict[str, Any]) -> None:
    """Write a model's folder in one step; equal weights and info give equal bytes."""
    import safetensors.torch

    state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    with folder_written_aside(folder) as aside:
        safetensors.torch.save_file(state, aside / WEIGHTS)
        write_json(aside / INFO, info)


def model_hash(folder: Path) -> str:
    """Return the sha256 of a model's weights. Raises CalseError naming what is missing of the model."""
    read_info(folder)
    try:
        return sha256_of(folder / WEIGHTS)
    except FileNotFoundError:
        raise _no_weights(folder) from None


def load_model(folder: Path) -> "tuple[SwapNetwork, dict[str, Any]]":
    """Return a trained network, ready to swap, and what its JSON says.

    Raises CalseError naming the file that is missing, damaged or of another size than its JSON says.
    """
    import safetensors.torch

    from calse.faceswap.methods.autoencoder.model.network import SwapNetwork

    info = read_info(folder)
    params = info["params"]
    network = SwapNetwork(params["size"], params["channels"], params["code"])
    try:
        network.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    except FileNotFoundError:
        raise _no_weights(folder) from None
    except (safetensors.SafetensorError, RuntimeError, OSError) as error:
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


def _no_weights(folder: Path) -> CalseError:
    return CalseError(f"{folder / WEIGHTS} is missing; {_mend(folder)}")


def _mend(folder: Path) -> str:
    return f"`dvc checkout` or `dvc repro swap-train@{folder.name}` brings it back"
