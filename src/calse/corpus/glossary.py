"""Glosses as people write them: which spellings are one gloss, and a corpus's list of them."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from calse.data.clips import normalise_gloss
from calse.data.tables import read_table
from calse.runtime.errors import CalseError

TURKISH = str.maketrans({"I": "ı", "İ": "i"})


def one_spelling(glosses: Iterable[str]) -> dict[str, str]:
    """Return for every normalised gloss the spelling that stands for it: the first one that is the same gloss.

    Two spellings are one gloss when Unicode's compatibility caseless match (definition D146) says so. Where a word is
    also written with ı or İ, its I and i are two letters, as in Turkish: `SINIR` is `sınır` then, and not `sinir`.
    """
    words: dict[str, list[str]] = defaultdict(list)
    for gloss in dict.fromkeys(glosses):
        words[folded(gloss).replace("ı", "i")].append(gloss)
    kept: dict[str, str] = {}
    for spellings in words.values():
        turkish = not set("ıİ").isdisjoint("".join(spellings))
        first: dict[str, str] = {}
        for gloss in spellings:
            kept[gloss] = first.setdefault(folded(gloss, turkish), gloss)
    return kept


def folded(gloss: str, turkish: bool = False) -> str:
    """Return what a gloss shares with its other spellings, without capitals, width and invisible characters."""
    text = gloss.translate(TURKISH) if turkish else gloss
    for _ in range(2):
        text = unicodedata.normalize("NFKD", text).casefold()
    text = unicodedata.normalize("NFKD", text).replace("i\u0307", "i")  # what is left of İ
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def read_glossary(path: Path) -> list[str]:
    """Read the glosses of a corpus, normalised, in the file's order. Raises CalseError on a repeated one."""
    glosses = [normalise_gloss(row["gloss"]) for row in read_table(path, ["gloss"])]
    kept, known = one_spelling(glosses), set()
    for gloss in glosses:
        if kept[gloss] in known:
            again = "" if gloss == kept[gloss] else f", the second time as {gloss!r}"
            raise CalseError(f"{path} lists the gloss {kept[gloss]!r} twice{again}; keep one line of it")
        known.add(kept[gloss])
    return glosses
