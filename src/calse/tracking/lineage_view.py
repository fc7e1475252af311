"""A lineage as a person reads it, and as JSON."""

import json
from collections import Counter
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.tree import Tree

from calse.runtime.errors import counted
from calse.tracking.content import as_text
from calse.tracking.lineage import Node

SHORT = 12


def print_lineage(found: dict[str, Any]) -> None:
    """Print a lineage as a tree, hashes shortened, clips counted."""
    head = found["git"]
    tree = Tree(_line(found["file"]["path"], _hash("sha256", found["file"].get("sha256"))))
    tree.add(_line("git", head["commit"][:SHORT] or "none", f"dvc.lock {head['dvc.lock']}"))
    for clip in _the_clip(found["node"], found["file"]["path"]):
        tree.add(_line(f"clip {clip['clip']}", f"from {clip['parent']}" if "parent" in clip else "", _made(clip)))
    _grow(tree, found["node"])
    Console(highlight=False, markup=False).print(tree)


def to_json(found: dict[str, Any]) -> str:
    """Return a lineage as JSON with everything in full."""
    return json.dumps(found | {"node": asdict(found["node"])}, indent=2, ensure_ascii=False)


def _grow(tree: Tree, node: Node) -> None:
    """Add a node to a tree, and below it what it was made from."""
    stage = "" if node.made_from else "raw"
    if node.stage:
        stage = f"by {node.stage}"
    branch = tree.add(_line(node.path, _hash("md5", node.md5), stage, node.note))
    if node.params:
        branch.add("params " + " ".join(f"{key}={as_text(value)}" for key, value in node.params.items()))
    if node.code:
        branch.add(f"code {counted(len(node.code), 'path')} of src/")
    if node.clips:
        sets = Counter(clip.get("set") or clip["source"] for clip in node.clips)
        branch.add(
            f"{counted(len(node.clips), 'clip')}: " + ", ".join(f"{count} {name}" for name, count in sets.items())
        )
    for dep in node.made_from:
        _grow(branch, dep)


def _the_clip(node: Node, path: str) -> list[dict[str, Any]]:
    """Return the row of the clip whose file this is, and those of its ancestors, from the nodes below."""
    rows = {row["path"]: row for row in _all_clips(node)}
    by_name = {row["clip"]: row for row in rows.values()}
    chain = []
    row = rows.get(path)
    while row:
        chain.append(row)
        row = by_name.get(row.get("parent", ""))
    return chain


def _all_clips(node: Node) -> list[dict[str, Any]]:
    return node.clips + [clip for dep in node.made_from for clip in _all_clips(dep)]


def _made(clip: dict[str, Any]) -> str:
    """Return how a clip came to be: the raw file, or the drawn values."""
    made = clip["made"]
    if "raw" in made:
        return f"from {made['raw']}, {_hash('sha256', made['raw_sha256'])}"
    return " ".join(f"{key}={as_text(value)}" for key, value in made.items() if not isinstance(value, list))


def _hash(kind: str, value: str | None) -> str:
    return f"{kind} {value[:SHORT]}" if value else ""


def _line(*parts: str) -> str:
    return "  ".join(part for part in parts if part)
