"""The stage `inputs`: what a recogniser reads beside the clips, by hash, so that only its own trainings follow it."""

from calse.config.params import Params
from calse.data.manifests import write_rows
from calse.data.paths import Layout
from calse.recognition.registry import find_recogniser
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from calse.runtime.fingerprint import PACKAGE, meaning_of

COLUMNS = ["path", "sha256"]


def inputs(params: Params, layout: Layout, recogniser: str) -> None:
    """List the files that a recogniser reads and code of its own; its trainings follow this table, no other's do.

    Raises CalseError for an unknown recogniser or a missing file.
    """
    if recogniser not in params.train:
        raise CalseError(f"train.{recogniser} is not in params.yaml; its recognisers are: {', '.join(params.train)}")
    found = find_recogniser(recogniser)
    hashes = {file.relative_to(layout.root).as_posix(): sha256_of(file) for file in found.reads(params, layout)}
    hashes |= {f"src/calse/{name}": meaning_of([PACKAGE / name]) for name in found.code}
    rows = [{"path": path, "sha256": digest} for path, digest in sorted(hashes.items())]
    write_rows(layout.inputs(recogniser), COLUMNS, rows)
