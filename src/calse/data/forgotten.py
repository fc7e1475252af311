"""Who was forgotten: certificates hold hashes of names and of raw videos, so that nobody comes back by an import."""

import hashlib
import json

from calse.data.paths import Layout
from calse.runtime.errors import CalseError


def name_digest(what: str, name: str) -> str:
    """Return the hash by which a certificate knows a signer, a source or a clip."""
    return hashlib.sha256(f"{what} {name}".encode()).hexdigest()


def read_forgotten(layout: Layout) -> frozenset[str]:
    """Return the hashes of all names and raw videos that were forgotten. Raises CalseError for a damaged one."""
    found: set[str] = set()
    for file in sorted(layout.forgotten().glob("*.json")):
        try:
            certificate = json.loads(file.read_text(encoding="utf-8"))
            found |= {*certificate["forgotten"], *certificate["raw videos"]}
        except (ValueError, LookupError, TypeError):
            raise CalseError(f"{file} is no certificate of `calse forget`; restore it: git checkout {file}") from None
    return frozenset(found)
