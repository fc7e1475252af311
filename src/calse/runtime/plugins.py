"""Plugins: files that somebody may have added to the study; a fault in one is reported as the file's, in one line."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from calse.runtime.errors import CalseError


def load_plugins(folder: Path, package: str, stem: str, constant: str, kind: Any) -> dict[str, Any]:
    """Return what the files `<name>/<stem>.py` of a folder declare as `constant`, by name.

    Raises CalseError naming a file that declares nothing of this kind, or something that is not called as its folder.
    """
    found = {}
    for file in sorted(folder.glob(f"*/{stem}.py")):
        name = file.parent.name
        one = getattr(load_plugin(f"{package}.{name}.{stem}", file, constant), constant)
        if not isinstance(one, kind):
            raise CalseError(f"{file}: {constant} is no object of the class {kind.__name__}; see docs/extend.md")
        if one.name != name:
            raise CalseError(f"{file}: {constant} is called {one.name!r}; call it {name!r}")
        found[name] = one
    return found


def load_plugin(module: str, file: Path, *names: str) -> ModuleType:
    """Import a module that declares these names. Raises CalseError with its file and the reason why it cannot be."""
    try:
        found = import_module(module)
    except CalseError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CalseError(f"{file}: {reason}; see docs/extend.md") from error
    for name in names:
        if not hasattr(found, name):
            raise CalseError(f"{file}: `{name}` is missing; see docs/extend.md")
    return found
