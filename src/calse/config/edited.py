"""params.yaml changed by a command: comments, order and lines of what stays are kept."""

import io
from typing import Any

from ruamel.yaml import YAML


def loaded(text: str) -> Any:
    """Return a tree that can be changed, and written by `dumped`."""
    return _yaml().load(text)


def dumped(tree: Any) -> str:
    """Return the text of a tree."""
    out = io.StringIO()
    _yaml().dump(tree, out)
    return out.getvalue()


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.width, yaml.preserve_quotes = 10_000, True
    return yaml
