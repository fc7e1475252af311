"""dvc.lock: for every stage that ran, exactly which parameters and files it ran on and what came out."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import product
from operator import getitem
from types import NoneType
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from calse.runtime.errors import CalseError
from calse.tracking.trees import Tree


@dataclass(frozen=True)
class Stage:
    """One stage as it last ran. `params` have dotted names; `deps` and `outs` give the md5 of each path."""

    name: str
    params: dict[str, Any]
    deps: dict[str, str]
    outs: dict[str, str]

    @property
    def command(self) -> str:
        """The stage's command: `train` of `train@AF1`."""
        return self.name.partition("@")[0]

    @property
    def item(self) -> str:
        """What it ran for: `AF1` of `train@AF1`; empty for a stage without a matrix."""
        return self.name.partition("@")[2]

    @property
    def code(self) -> dict[str, str]:
        """The code it depends on."""
        return {path: md5 for path, md5 in self.deps.items() if path.startswith("src/")}

    @property
    def data(self) -> dict[str, str]:
        """The data it depends on."""
        return {path: md5 for path, md5 in self.deps.items() if not path.startswith("src/")}

    def out(self, folder: str, ending: str = "") -> str | None:
        """Return the first output below a folder, or None."""
        return next((path for path in self.outs if path.startswith(folder) and path.endswith(ending)), None)


def read_lock(tree: Tree) -> dict[str, Stage]:
    """Return the stages of dvc.lock that dvc.yaml and params.yaml still name. Raises CalseError when it is damaged."""
    entries = (_yaml(tree, "dvc.lock") or {}).get("stages", {})
    named = set(stage_names(tree))
    return {name: _stage(name, entry) for name, entry in entries.items() if name in named}


def _stage(name: str, entry: dict[str, Any]) -> Stage:
    deps, outs = (
        {file["path"]: file["md5"] for file in entry.get(part, []) if "md5" in file} for part in ("deps", "outs")
    )
    params = dict(flat({}, entry.get("params", {}).get("params.yaml", {})))
    return Stage(name, params, deps, outs)


def stage_names(tree: Tree) -> Iterator[str]:
    """Yield every stage's name: dvc.yaml's, multiplied by the items of params.yaml that its matrix or foreach names."""
    params = _yaml(tree, "params.yaml") or {}
    for name, stage in (_yaml(tree, "dvc.yaml") or {}).get("stages", {}).items():
        lists = [stage["foreach"]] if "foreach" in stage else list(stage.get("matrix", {}).values())
        items = product(*(_named(params, one.strip("${}")) for one in lists))
        yield from (f"{name}@{'-'.join(map(str, item))}" for item in items) if lists else (name,)


def _named(params: Any, section: str) -> Iterable[str]:
    """Return the names that a section of params.yaml lists. Raises CalseError when it is missing or lists none."""
    try:
        found = reduce(getitem, section.split("."), params)
    except (KeyError, TypeError):
        raise CalseError(f"params.yaml: {section}: this parameter is missing") from None
    if not isinstance(found, (list, dict, NoneType)):
        raise CalseError(f"params.yaml: {section}: must list names, not {found!r:.100}")
    return found or ()


def code_of(tree: Tree, stage: str, recogniser: str) -> list[str]:
    """Return the code that dvc.yaml lists for a stage, a recogniser's own included."""
    found = _yaml(tree, "dvc.yaml") or {}
    deps = found.get("stages", {}).get(stage, {}).get("deps", [])
    return [dep.replace("${item.recogniser}", recogniser) for dep in deps if dep.startswith("src/")]


def _yaml(tree: Tree, path: str) -> Any:
    content = tree.read(path)
    try:
        return YAML(typ="safe", pure=True).load(content) if content else None
    except (YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise CalseError(f"{path} is not YAML: {reason}; `git checkout {path}` restores it") from None


def flat(found: dict[str, Any], tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values under dotted names; an empty mapping is a value."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat(found, value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def as_text(value: Any) -> str:
    """Return a parameter as MLflow keeps it: text as it is, else JSON. Of an absolute path only the name is told."""
    if isinstance(value, str):
        return value.rsplit("/", 1)[-1] if value.startswith("/") else value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
