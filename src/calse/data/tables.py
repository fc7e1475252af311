"""Tables as people and spreadsheets write them: which delimiter, which encoding, how the columns are called."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calse.runtime.errors import CalseError

DELIMITERS = ",;\t|"
# Strict: a quote that is never closed would swallow the rows after it.
DIALECT: Any = {"skipinitialspace": True, "strict": True}


def read_table(path: Path, columns: list[str]) -> list[dict[str, str]]:
    """Read a table as text, by the names of its header in small letters; all cells are stripped, blank rows left out.

    The delimiter is a comma, semicolon, tab or bar, whichever gives a header with these columns; the encoding UTF-8
    or UTF-16. Raises CalseError naming the file, and the line where there is one, when it cannot be read so.
    """
    text = _decoded(path)
    excel = re.match(r'"?sep=(.)"?\r?\n?', text, re.IGNORECASE)  # a first line of Excel's
    delimiters = excel[1] if excel else DELIMITERS
    text = text[excel.end() :] if excel else text
    text = re.sub(r'((?:^|[,;\t|\n]) *"(?:[^"]|"")*") *(?=[,;\t|\r\n]|$)', r"\1", text)  # strict reading wants no blank
    lacking = columns
    for delimiter in delimiters:
        names = _header(text, delimiter)
        lacking = min(lacking, [name for name in columns if name not in names], key=len)
        if not lacking:
            return list(_rows(path, text, delimiter, names, skipped=1 if excel else 0))
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    some = f"lacks {', '.join(lacking)}: it " if len(lacking) < len(columns) else ""
    found = f"it {some}reads {first[:80]!r}" if first else "it is empty"
    parted = f", and the line {excel[0].strip()} above it says that {excel[1]!r} parts them" if excel and first else ""
    raise CalseError(
        f"{path} needs a first line that names its columns, among them {', '.join(columns)}; {found}{parted}"
    )


def _decoded(path: Path) -> str:
    """Return the text of a file in UTF-8 or UTF-16. Raises CalseError with the first line that is neither."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CalseError(f"{path} is missing; check its path, or `dvc checkout` it") from None
    except OSError as error:
        raise CalseError(f"{path} cannot be read: {error.strerror}") from None
    encoding = "utf-8"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in data[:2]:  # the header begins with a Latin letter, whose other byte is zero
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    try:
        return data.decode(encoding).lstrip("\ufeff")
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise CalseError(f"{path} is damaged UTF-16: {error.reason}; save it as UTF-8") from None
        number = len(data[: error.start + 1].splitlines())
        line = data.splitlines()[number - 1].decode("cp1252", "replace").strip()
    # Never guessed: a Turkish table in the Spanish encoding's letters would be a corpus of wrong labels.
    raise CalseError(
        f"{path}:{number} is not UTF-8; as cp1252 (Windows, Western Europe) the line reads {line[:80]!r}. If that "
        f"is right: iconv -f cp1252 -t utf-8 {path.name} > utf8-{path.name}; if not, save it as CSV UTF-8"
    )


def _header(text: str, delimiter: str) -> list[str]:
    """Return the names of the columns in small letters, as this delimiter parts them."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, **DIALECT)
    try:
        first = next((row for row in reader if any(cell.strip() for cell in row)), [])
    except csv.Error:  # quotes that make no sense with this delimiter
        return []
    return [cell.strip().casefold() for cell in first]


def _rows(path: Path, text: str, delimiter: str, names: list[str], skipped: int) -> Iterator[dict[str, str]]:
    """Yield the rows below the header. Raises CalseError naming a line that cannot be read."""
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise CalseError(f"{path} names the column {twice!r} twice; keep one")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, **DIALECT)
    header = True
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if any(cells[len(names) :]):
                raise CalseError(
                    f"{path}:{reader.line_num + skipped} has more cells than the header has names; put a cell that "
                    f"holds {delimiter!r} in quotes"
                )
            if not header:
                yield dict(zip(names, cells + [""] * len(names), strict=False))
            header = False
    except csv.Error as error:
        why = "a cell in quotes goes on after its closing quote; write a quote inside it twice"
        reason = why if "expected after" in str(error) else error
        raise CalseError(f"{path}:{reader.line_num + skipped} cannot be read: {reason}") from None
