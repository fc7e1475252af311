"""What the study stands on: the gate's outcome, every parameter, the hash of every clip's manifest and split."""

import json
from typing import Any

from calse.config.params import Params, flat, without_folder
from calse.config.sections import adapter_of
from calse.data.paths import Layout
from calse.report.read import read_figures
from calse.runtime.files import sha256_of


def gate(params: Params, layout: Layout) -> list[dict[str, Any]]:
    """Return the validation gate's outcome on the glossary and on every source, as far as it was written."""
    found = [read_figures(layout, "validate", name) for name in ("glossary", *params.corpus.sources)]
    return [figures for figures in found if figures]


def parameters(params: Params) -> dict[str, list[tuple[str, str]]]:
    """Return every parameter by section, named and written as `dvc exp run -S` takes it."""
    tree = adapter_of(Params).dump_python(params, mode="json", by_alias=True)
    return {
        section: [
            (name, json.dumps(without_folder(value), ensure_ascii=False)) for name, value in flat({section: values})
        ]
        for section, values in tree.items()
    }


def hashes(params: Params, layout: Layout) -> list[dict[str, Any]]:
    """Return the sha256 of manifests and splits, which hold those of their clips in turn.

    Weights stay out: the page would depend on gigabytes that no table needs; dvc.lock holds their hashes.
    """
    groups = {
        "manifests of sources": [layout.source_manifest(name) for name in params.corpus.sources],
        "manifests of sets": [layout.set_manifest(name) for name in params.sets],
        "manifests of clips with the face blurred": [layout.omitted_manifest(name) for name in params.omit],
        "splits": [layout.split(name) for name in params.recipes],
    }
    shown = {name: [path for path in paths if path.is_file()] for name, paths in groups.items()}
    return [
        {
            "name": name,
            "files": [{"path": p.relative_to(layout.root).as_posix(), "sha256": sha256_of(p)} for p in paths],
        }
        for name, paths in shown.items()
        if paths
    ]
