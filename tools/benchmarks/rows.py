"""A study of many rows and no pictures: manifests and predictions, for the stages that read nothing else."""

from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from calse.data.clips import Clip, clip_id, compact_json, seed_of
from calse.data.manifests import write_manifest, write_rows
from calse.data.paths import Layout
from calse.evaluation.evaluate import COLUMNS, FILMED, per_source
from calse.evaluation.measures import confusion, mean_of
from calse.recognition.inference import BEST
from calse.runtime.files import write_json

PER_GLOSS = {"SACU": 4, "STS": 4, "DILSE": 4, "INTERPRETER": 20}  # clips
RAW = compact_json({"raw_frames": 40, "raw_fps": 25.0, "raw_width": 640, "raw_height": 480})
RECIPES = {"Baseline": [], "AF1": ["AF1"]}


def prepare_rows(root: Path, count: int, tree: dict[str, Any]) -> None:
    """Write a repository whose manifests list so many filmed clips, with curves and predictions of its trainings.

    `tree` are parameters with one recogniser and one set, of which sources and recipes are changed.
    """
    glosses = [f"G{number}" for number in range(count // sum(PER_GLOSS.values()))]
    kinds = {"INTERPRETER": "interpreter"}
    tree["corpus"]["glosses"] = len(glosses)
    tree["corpus"]["sources"] = {
        source: {"kind": kinds.get(source, "public"), "clips_per_gloss": takes} for source, takes in PER_GLOSS.items()
    }
    tree["train"] = {"i3d": tree["train"]["i3d"]}
    tree["landmarks"]["sources"] = []
    tree |= {"report": {"show_faces": False}, "swap": {}, "recipes": RECIPES, "test_sources": ["SACU", "STS", "DILSE"]}
    write_json(root / "params.yaml", tree)  # JSON is YAML
    (root / "dvc.yaml").write_text("stages: {}\n")
    layout = Layout(root)
    write_rows(layout.glossary("synthetic"), ["gloss"], [{"gloss": gloss} for gloss in glosses])
    for source, takes in PER_GLOSS.items():
        clips = [filmed(root, source, gloss, take + 1) for gloss, take in product(glosses, range(takes))]
        write_manifest(layout.source_manifest(source), clips)
        write_json(layout.metrics("ingest") / f"{source}.json", {"dropped": []})
        if source == "INTERPRETER":
            write_manifest(layout.set_manifest("AF1"), [copied(clip) for clip in clips if clip.take <= 2])
    for recipe in RECIPES:
        write_results(layout, recipe, glosses)


def filmed(root: Path, source: str, gloss: str, take: int) -> Clip:
    """Return a clip's record, with a file of a few bytes."""
    name = clip_id(source, gloss, take)
    path = Path("data/clips") / source / f"{name}.mp4"
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(name)
    digest = f"{seed_of(0, name):064x}"
    return Clip(name, gloss, source, source, take, "", "", str(path), digest, digest, 64, 64, 25.0, 40, RAW)


def copied(clip: Clip) -> Clip:
    """Return the record of a clip's copy."""
    name = f"AF1-{clip.clip}"
    digest = f"{seed_of(0, name):064x}"
    changes = {"clip": name, "set": "AF1", "parent": clip.clip, "sha256": digest, "content": digest}
    return Clip(**(asdict(clip) | changes))


def write_results(layout: Layout, recipe: str, glosses: list[str]) -> None:
    """Write a training's curve and predictions for each test source, drawn by chance."""
    predictions: list[dict[str, Any]] = []
    sources = [source for source in PER_GLOSS if source != "INTERPRETER"]
    for source in sources:
        curve = [{"epoch": epoch, "loss": 1.0, "accuracy": 0.5, "lr": 0.001} for epoch in range(1, 5)]
        path = layout.metrics("train") / "i3d" / recipe / f"{source}-seed-1.csv"
        write_rows(path, list(curve[0]), curve)
        for number, take in product(range(len(glosses)), range(PER_GLOSS[source])):
            name = clip_id(source, glosses[number], take + 1)
            rank = 1 + seed_of(1, recipe, name) % min(BEST, len(glosses))
            row = {"test_source": source, "seed": 1, "test_set": FILMED, "clip": name, "gloss": glosses[number]}
            best = {f"gloss_{place}": glosses[(number + place - rank) % len(glosses)] for place in range(1, BEST + 1)}
            predictions.append(row | {"rank": rank} | best | {f"probability_{n}": "0.1" for n in range(1, BEST + 1)})
    folder = layout.metrics("evaluate") / "i3d" / recipe
    write_rows(folder / "predictions.csv", COLUMNS, predictions)
    write_rows(folder / "confusion.csv", ["gloss", "predicted", "clips"], confusion(predictions))
    measured = per_source(predictions, (1, 5, 10))
    mean = {test_set: mean_of(list(scores.values())) for test_set, scores in measured.items()}
    write_json(folder / "metrics.json", measured | {"mean": mean, "steps": dict.fromkeys(sources, 4)})
