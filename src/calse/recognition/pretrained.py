"""Starting from somebody else's checkpoint: Kinetics and WLASL files as they are found in the wild."""

import pickle
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from calse.runtime.errors import CalseError

COUNTER = "num_batches_tracked"
# What training scripts leave beside or instead of tensors. Each is read by name only: none of it is called.
DATA = [f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")]
DATA += ["numpy.dtype", "numpy.ndarray", "argparse.Namespace", "types.SimpleNamespace"]
_PATHS = ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")
DATA += [f"{module}.{name}" for module in ("pathlib", "pathlib._local") for name in _PATHS]  # the latter: Python 3.13


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

    Takes dictionaries of tensors or numpy arrays, nested under any keys and with any prefix to their names, any float
    type, with or without batch counters (which restart at 0), and safetensors. The layer `head` is dropped when it has
    another number of classes. Nothing in the file is ever executed. Raises CalseError naming the file when it cannot be
    read, holds nothing of this network, or has a body of another shape.
    """
    state = named_as(read_state(path), model.state_dict().keys())
    found = {name: tensor for name, tensor in state.items() if not name.endswith(COUNTER)}
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith(COUNTER)}
    matched = [name for name in own if name in found and found[name].shape == own[name].shape]
    if not any(found[name].dim() > 1 and not name.startswith(f"{head}.") for name in matched):
        raise CalseError(f"{path} holds no layer of this network; give one of this recogniser and model.width")
    for name in own.keys() & found.keys() - set(matched):
        if not name.startswith(f"{head}."):
            shapes = f"{tuple(found[name].shape)}, not {tuple(own[name].shape)}"
            raise CalseError(f"{path}: {name} has the shape {shapes}: another width or number of input channels")
    missing = [name for name in own if name not in matched]
    model.load_state_dict({name: found[name] for name in matched}, strict=False)
    return LoadReport(path, matched, sorted(found.keys() - set(matched)), missing)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a checkpoint under their dotted names. Raises CalseError naming the file."""
    allowed: list[tuple[Callable[..., Any], str]] = [(Inert, name) for name in DATA]
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with torch.serialization.safe_globals(allowed):  # type: ignore[arg-type]
            content = torch.load(path, map_location="cpu", weights_only=True)
        return dict(tensors_of(content))
    except FileNotFoundError:
        raise CalseError(f"{path} is missing; put the checkpoint there, or set model.pretrained to null") from None
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        what = f" ({asked[1]})" if asked else ""
        raise CalseError(
            f"{path} asks to run code or is damaged{what}; only tensors are read: keep a network's state_dict()"
        ) from None
    except Exception as error:  # a damaged file may raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CalseError(f"{path} is not a checkpoint: {reason[:200]}") from None


class Inert:
    """Stands for a class or function that a checkpoint names: keeps what it is given and does nothing."""

    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any) -> "Inert":
        """Make one, however unpickling asks for it."""
        made = super().__new__(cls)
        made.arguments, made.state = arguments, None
        return made

    def __setstate__(self, state: Any) -> None:
        self.state = state


def tensors_of(content: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of nested dictionaries under dotted names, numpy's arrays of numbers as tensors."""
    if isinstance(content, Tensor):
        yield name, content
    elif isinstance(content, Inert) and isinstance(content.state, tuple) and len(content.state) == 5:
        _, shape, dtype, by_columns, data = content.state
        order, kind = dtype.state[1].replace("|", "="), dtype.arguments[0]
        if re.fullmatch(r"[fiu][1248]", kind):
            array = np.frombuffer(data, f"{order}{kind}").reshape(shape, order="F" if by_columns else "C")
            yield name, torch.tensor(array.astype(kind))
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from tensors_of(value, f"{name}.{key}" if name else str(key))


def named_as(state: dict[str, Tensor], own: Collection[str]) -> dict[str, Tensor]:
    """Return the tensors below the prefix under which most of a network's own names are found, without that prefix."""
    prefixes: Counter[str] = Counter()
    for name in state:
        parts = name.split(".")
        for start in range(len(parts)):
            if ".".join(parts[start:]) in own:
                prefixes["".join(f"{part}." for part in parts[:start])] += 1
    best = max(prefixes, key=lambda prefix: prefixes[prefix], default="")
    return {name.removeprefix(best): tensor for name, tensor in state.items() if name.startswith(best)}
