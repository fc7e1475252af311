"""params.yaml changed by a command: comments, order and lines of what stays are kept."""

import io
from typing import Any, Literal

from ruamel.yaml import YAML


def loaded(text: str) -> Any:
    """Return a tree that can be changed, and written by `dumped`."""
    return _yaml().load(text)


def dumped(tree: Any) -> str:
    """Return the text of a tree."""
    out = io.StringIO()
    _yaml().dump(tree, out)
    return out.getvalue()


def without_part(part: Literal["landmarks", "swap", "augment"], text: str) -> str:
    """Return the text of a params.yaml without a part of the study: one word in the place of the edits that it takes.

    Recipes go that name a set of that part, and with landmarks also the recogniser that reads nothing else. The word
    cannot stand in params.yaml itself, as `landmarks: off`: DVC makes a stage for each entry of a list or mapping that
    is written there, and knows no condition.
    """
    tree = loaded(text)
    if part == "landmarks":
        tree["landmarks"]["sources"], tree["omit"] = [], []
        tree["train"].pop("landmarks", None)
    made = "augment" if part == "augment" else "swap"
    sets, tree[made] = set(tree[made]), {}
    for name, recipe in list(tree["recipes"].items()):
        if sets & set(recipe["sets"] if isinstance(recipe, dict) else recipe):
            del tree["recipes"][name]
    return dumped(tree)


def _yaml() -> YAML:
    """Return a reader and writer that keeps comments, quotes and long lines."""
    yaml = YAML(typ="rt", pure=True)
    yaml.width, yaml.preserve_quotes = 10_000, True
    return yaml
