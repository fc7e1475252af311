"""A toy repository: the real graph with everything as small as it goes."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
KEPT = tuple(
    f"{folder}/.gitkeep"
    for folder in (
        "metrics/reidentify",
        "metrics/swap",
        "data/manifests/omitted",
        "data/manifests/sets",
        "data/landmarks",
        "data/consent",
    )
)
COPIED = ("src", "presets", ".dvc/config", "dvc.yaml", ".dvcignore", ".gitignore", *KEPT)
COMPARED = (
    "data/clips",
    "data/manifests",
    "data/augmented",
    "data/landmarks",
    "data/inputs",
    "data/splits",
    "metrics",
    "models",
)
SMALL = {
    "synthesise": {"synthetic": {"glosses": 2, "short_side": 64, "donor_clips": 1}},
    "corpus": {"glosses": 2, "sources": {"DILSE": None, "DONOR-2": None, "DONOR-3": None}},
    "ingest": {"short_side": 64},
    "validate": {"min_side": 32},
    "train": {
        "i3d": {
            "model": {"width": 0.05},
            "input": {"size": 32, "frames": 9},
            "optim": {"batch": 6, "precision": "fp32"},
            "schedule": {"epochs": 3},
        }
    },
    "evaluate": {"topk": [1, 2]},
    "pretrain": {"signs": 2, "takes": 2, "steps": 2},
    "test_sources": ["SACU"],
    "omit": ["SACU"],
    "landmarks": {"sources": ["SACU", "STS", "INTERPRETER", "DONOR-1"]},
    "swap-train": {"autoencoder": {"size": 32, "channels": 4, "code": 8, "iterations": 6, "preview_every": 2}},
    "swap": {"DF-2": None, "DF-3": None},
    "augment": {"AF1": None},
    "recipes": {"AF1": None, "AF2": None, "DF2": None, "DF1-AF1": None, "Permuted": None},
}


def make_toy(root: Path, changes: dict[str, object] | None = None) -> Path:
    """Write a repository into an empty folder; its code is a copy of this one's, its models are fetched or ours.

    `changes` are those to its parameters.
    """
    for name in COPIED:
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(ROOT / name, target) if (ROOT / name).is_dir() else shutil.copy(ROOT / name, target)
    yaml = YAML(typ="safe", pure=True)
    params = yaml.load(ROOT / "presets/synthetic.yaml")
    shrink(params, SMALL)
    shrink(params, changes or {})
    yaml.dump(params, root / "params.yaml")
    fetched = ROOT / ".scratch/landmark-models/models/published"
    if fetched.is_dir():
        shutil.copytree(fetched, root / "models/published")
    return root


def shrink(tree: dict[str, object], changes: dict[str, object]) -> None:
    """Change a tree's values in place; None takes one out."""
    for key, value in changes.items():
        inner = tree.get(key)
        if value is None:
            del tree[key]
        elif isinstance(value, dict) and isinstance(inner, dict):
            shrink(inner, value)
        else:
            tree[key] = value


def environment(**more: str) -> dict[str, str]:
    """Return the environment in which a toy's commands run."""
    beside = Path(sys.executable).parent
    outside = {name: value for name, value in os.environ.items() if name not in ("DVC_ROOT", "MLFLOW_TRACKING_URI")}
    return outside | {"PATH": f"{beside}{os.pathsep}{os.environ['PATH']}", "CALSE_WORKERS": "2"} | more


def digests(root: Path) -> dict[str, str]:
    """Return the sha256 of every file that a study's result is made of."""
    files = [path for name in COMPARED for path in (root / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def differences(root: Path, expected: dict[str, str], below: str = "") -> list[str]:
    """Return a fault for every file, or those whose name starts with `below`, whose digest is not the expected one."""
    found = digests(root)
    names = sorted(name for name in expected.keys() | found.keys() if name.startswith(below))
    return [f"differs: {name}" for name in names if expected.get(name) != found.get(name)]


def leftovers(root: Path) -> list[str]:
    """Return the temporary files that nobody removed, and what was kept of stages for going on."""
    kept = [path for name in ("finished", "swap-train") for path in (root / ".scratch" / name).rglob("*")]
    return [str(path.relative_to(root)) for path in [*root.rglob(".*.part*"), *kept]]


def processes_in(root: Path) -> dict[int, str]:
    """Return the processes at work in a folder, by their id; Linux only."""
    found: dict[int, str] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink().is_relative_to(root) and entry.name != str(os.getpid()):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                found |= {int(entry.name): command} if command else {}
        except OSError:
            continue
    return found
