"""An index as one safetensors file, whose header says what it is."""

import hashlib
import json
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from calse.data.paths import Layout
from calse.recognition.architectures.landmarks.examples import encoder_file
from calse.recognition.architectures.landmarks.index import Index
from calse.recognition.architectures.landmarks.settings import LandmarksSettings
from calse.recognition.architectures.landmarks.signing import PARTS, Floats, Signing
from calse.recognition.checkpoint import ABOUT
from calse.runtime.errors import CalseError
from calse.runtime.files import atomic_file, sha256_of


def write_index(path: Path, index: Index) -> None:
    """Write an index in one step; equal indexes give equal bytes."""
    tensors = {name: np.ascontiguousarray(getattr(index.signings, name), np.float32) for name in PARTS}
    if index.embeddings is not None:
        tensors["embeddings"] = np.ascontiguousarray(index.embeddings, np.float32)
    about = index.info | {"glosses_of_clips": index.glosses, "clip_names": index.clips, "sha256": _digest(tensors)}
    # One entry: of several the library writes the order by chance.
    header = {ABOUT: json.dumps(about, sort_keys=True, ensure_ascii=False)}
    with atomic_file(path) as aside:
        safetensors.numpy.save_file(tensors, aside, metadata=header)


def read_index(path: Path) -> Index:
    """Read an index. Raises CalseError naming the file when it is missing, something else or damaged."""
    if path.is_dir():
        raise CalseError(f"{path} is a folder; name an index in it")
    try:
        with safe_open(path, "np") as file:
            about = json.loads((file.metadata() or {})[ABOUT])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about.pop("sha256") != _digest(tensors):
            raise ValueError("its numbers are not those that were written")
        signings = Signing(**{name: tensors[name] for name in PARTS})
        glosses, clips = tuple(about.pop("glosses_of_clips")), tuple(about.pop("clip_names"))
        return Index(glosses, clips, signings, tensors.get("embeddings"), about)
    except FileNotFoundError:
        raise CalseError(f"{path} is missing; calse enrol makes an index") from None
    except KeyError:
        raise CalseError(f"{path} is no index of signs; calse enrol makes one") from None
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise CalseError(f"{path} is no index of signs, or damaged: {str(error)[:200]}; make it again") from None


def encoder_of(index: Index, path: Path, layout: Layout) -> Path | None:
    """Return the encoder that an index was made with, None for one without. Raises CalseError when it is another."""
    encoder = encoder_file(layout, LandmarksSettings(**index.info["params"]))
    if encoder and sha256_of(encoder) != index.info["encoder_sha256"]:
        raise CalseError(f"{path} was made with another encoder than {encoder}; make it again")
    return encoder


def _digest(tensors: dict[str, Floats]) -> str:
    """Return a hash of arrays, with their names and shapes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].shape}".encode() + np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()
