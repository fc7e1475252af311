"""What a kill in a bad moment leaves behind, and how it is mended.

DVC writes two of its files in place: half of one stops every later dvc. An import that replaces a source moves the
former videos aside for a moment: they are put back.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from calse.runtime.errors import counted
from calse.runtime.files import FORMER, atomic_file, put_back


def unlock(root: Path = Path()) -> list[str]:
    """Mend what a killed dvc left half-written and a killed import left aside; return what was done, a line each."""
    done = []
    if _stays(_is_torn_lock, root / ".dvc/tmp/rwlock"):
        (root / ".dvc/tmp/rwlock").unlink(missing_ok=True)
        done.append("removed .dvc/tmp/rwlock: a killed dvc had left half of it")
    if _stays(_is_torn_record, root / "dvc.lock"):
        kept = _cut_to_whole_stages(root / "dvc.lock")
        done.append(
            f"cut dvc.lock to its {counted(kept, 'whole stage')}: a killed dvc had left half of it; "
            "the rest is in its cache"
        )
    for former in (root / "data/raw").glob(f"*/.*{FORMER}"):
        if _stays(Path.is_dir, former) and put_back(former):
            done.append(f"put back what a killed import had moved aside in {former.parent}")
    return done


def _stays(torn: Callable[[Path], bool], path: Path) -> bool:
    """Say whether a path is torn and stays so: a living process finishes such a step in less than a second."""
    if not torn(path):
        return False
    time.sleep(1)
    return torn(path)


def _is_torn_lock(path: Path) -> bool:
    """Say whether DVC's list of locks is there and is no JSON."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False


def _is_torn_record(path: Path) -> bool:
    """Say whether a dvc.lock is there and DVC would stop at it."""
    return path.is_file() and _whole_stages(path.read_text(encoding="utf-8")) is None


def _whole_stages(text: str) -> int | None:
    """Return how many stages a dvc.lock holds; None when DVC would stop at it, or its last line has no end."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        tree: Any = YAML(typ="safe").load(text)
        commands = [stage["cmd"] for stage in tree["stages"].values()]
    except (YAMLError, LookupError, AttributeError, TypeError):
        return None
    return len(commands) if tree.get("schema") and text.endswith("\n") else None


def _cut_to_whole_stages(path: Path) -> int:
    """Leave off the last stages of a torn dvc.lock until it is whole; return how many are left."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if line[:2] == "  " and line[2:3].strip()]
    for start in reversed(starts[1:]):
        text = "".join(lines[:start])
        kept = _whole_stages(text)
        if kept:
            with atomic_file(path) as aside:
                aside.write_text(text, encoding="utf-8")
            return kept
    path.unlink()
    return 0
