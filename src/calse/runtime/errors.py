"""What reaches a user as a plain line: the one exception that does instead of a traceback, and warnings."""

import sys
from collections.abc import Iterable


class CalseError(Exception):
    """What is wrong, where (file, clip or parameter), and what to do about it, in one line."""


def one_line(text: str) -> str:
    """Return text of which what is not printable is escaped: a file's name may hold a line's end, or colours."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 clip`, `2 clips`, `0 glosses`."""
    plural = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else plural}"


MEMORY = ("allocate memory", "out of memory", "Insufficient memory", "failed to map segment")


def lacks_memory(error: BaseException) -> bool:
    """Say whether an error means that no more memory was to be had; libraries have many words for it."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in MEMORY)


class StarvedError(CalseError):
    """The machine fell short, not the input: disk, quota, permission. Never a reason to leave a clip out."""


def print_warnings(warnings: Iterable[str]) -> None:
    """Print warnings to the standard error, a line each."""
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
