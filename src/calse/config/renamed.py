"""Parameters that were called otherwise: whoever still writes an old name is told the new one."""

from pathlib import Path

from calse.runtime.errors import CalseError

# Under `train:` there was one network, whose settings had no sections.
SECTIONS = {
    "model": ("width", "pretrained", "dropout", "bn_momentum", "recompute"),
    "input": ("channel_order", "frames", "size", "sampling", "flip", "brightness"),
    "optim": ("loss", "label_smoothing", "optimiser", "lr", "weight_decay", "batch", "micro_batch", "precision"),
    "schedule": ("epochs",),
}
CALLED_NOW = {
    "affine": "augment (with `kind: affine` in each set)",
    "faces": "landmarks",
    "train.model": "by the name of its section (train.i3d, train.s3d, ...)",
    "train.input": "train.i3d.input.modality",
    "train.schedule": "train.i3d.schedule.kind",
    "train.threads": "train.i3d.threads",
    "train.seeds": "train.i3d.seeds",
} | {f"train.{name}": f"train.i3d.{section}.{name}" for section, names in SECTIONS.items() for name in names}
AUTOENCODER = (
    "size", "channels", "code", "iterations", "batch", "lr", "eyes_weight", "mouth_weight", "augment", "preview_every",
    "precision", "threads", "seed",
)  # fmt: skip
CALLED_NOW |= {f"swap-train.{name}": f"swap-train.autoencoder.{name}" for name in AUTOENCODER}
GONE = {
    "donors": "delete it; the donors are those that the sets of `swap` name",
    "face-models": "delete it; the models are fetched when landmarks.sources names a source",
    "swap-train.signers": "delete it; each set of `swap` names its `signers`",
}


def check_renamed(tree: object, path: Path) -> None:
    """Raise CalseError naming the first old name in params.yaml, and what it is called now."""
    sections = tree if isinstance(tree, dict) else {}
    inner = (f"{name}.{key}" for name, section in sections.items() if isinstance(section, dict) for key in section)
    for old in [*map(str, sections), *inner]:
        if old in CALLED_NOW:
            raise CalseError(f"{path}: {old}: this is called {CALLED_NOW[old]} now")
        if old in GONE:
            raise CalseError(f"{path}: {old}: {GONE[old]}")
