"""Starting from somebody else's checkpoint: Kinetics and WLASL files as they are found in the wild."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from calse.errors import CalseError

WRAPPERS = ("state_dict", "model", "model_state_dict")
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class LoadReport:
    """What became of a checkpoint's entries."""

    path: Path
    matched: list[str]
    dropped: list[str]
    missing: list[str]

    def __str__(self) -> str:
        text = f"{self.path}: {len(self.matched)} entries match"
        for what, names in (("dropped", self.dropped), ("missing, left at their start", self.missing)):
            if names:
                text += f"; {len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        return text


def load_pretrained(model: nn.Module, path: Path, head: str = "logits") -> LoadReport:
    """Copy what matches of a checkpoint into `model` and say what did.

    Takes plain and wrapped dictionaries, the `module.` prefix, any float type, with or without batch
    counters (which restart at 0), and safetensors. The layer `head` is dropped when it has another number of
    classes. Nothing in the file is ever executed. Raises CalseError naming the file when it cannot be
    read, holds nothing of this network, or has a body of another shape.
    """
    found = {name: tensor for name, tensor in read_state(path).items() if not name.endswith(COUNTER)}
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith(COUNTER)}
    matched = [name for name in own if name in found and found[name].shape == own[name].shape]
    if not any(found[name].dim() > 1 and not name.startswith(f"{head}.") for name in matched):
        raise CalseError(f"{path} holds no layer of this network; give a checkpoint of train.model and train.width")
    for name in own.keys() & found.keys() - set(matched):
        if not name.startswith(f"{head}."):
            shapes = f"{tuple(found[name].shape)}, not {tuple(own[name].shape)}"
            raise CalseError(f"{path}: {name} has the shape {shapes}: another width or number of input channels")
    missing = [name for name in own if name not in matched]
    model.load_state_dict({name: found[name] for name in matched}, strict=False)
    return LoadReport(path, matched, sorted(found.keys() - set(matched)), missing)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a checkpoint's tensors by name, unwrapped. Raises CalseError naming the file."""
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CalseError(f"train.pretrained: {path} is missing") from None
    except pickle.UnpicklingError:
        raise CalseError(f"{path} asks to run code or is damaged; only files of plain tensors are read") from None
    except Exception as error:  # a damaged file may raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CalseError(f"{path} is not a checkpoint: {reason[:200]}") from None
    return tensors_of(content)


def tensors_of(content: object) -> dict[str, Tensor]:
    """Unwrap a loaded checkpoint and take the `module.` prefix off its names."""
    while isinstance(content, Mapping):
        inner = next((content[name] for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping):
        return {}
    return {str(name).removeprefix("module."): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
