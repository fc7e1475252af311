"""DVC writes its read-write lock in place: a kill in that moment leaves half a file, at which every later dvc stops."""

import json
import time
from pathlib import Path


def remove_torn_lock(root: Path = Path()) -> bool:
    """Remove DVC's lock file when it is torn and stays so; return whether it was. A whole one is DVC's own affair."""
    path = root / ".dvc/tmp/rwlock"
    if not _is_torn(path):
        return False
    time.sleep(1)  # a living dvc finishes its line in less
    if not _is_torn(path):
        return False
    path.unlink(missing_ok=True)
    return True


def _is_torn(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False
