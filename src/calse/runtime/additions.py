"""Files that somebody may have added to the study: a fault in one is reported as the file's, in one line."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from calse.runtime.errors import CalseError


def imported(module: str, file: Path, *names: str) -> ModuleType:
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
