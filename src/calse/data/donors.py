"""Donors: nobody who is tested on may be one. The gate checks this before a model is trained, the split again."""

import unicodedata
from collections.abc import Sequence

from calse.data.clips import Clip
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.runtime.errors import CalseError


def check_donors(layout: Layout, donors: Sequence[str], test_sources: Sequence[str]) -> None:
    """Refuse donors whose face a test clip shows. Raises CalseError naming both."""
    tested = [clip for source in test_sources for clip in read_manifest(layout.source_manifest(source))]
    for donor in donors:
        refused = tested_on(read_manifest(layout.source_manifest(donor)), tested)
        for why in refused.values():
            raise CalseError(
                f"donor {donor}: {why}, and swapped clips would show a face that is tested on; take another donor"
            )


def tested_on(donated: Sequence[Clip], tested: Sequence[Clip]) -> dict[str, str]:
    """Return why a donor's clips must not be used, by clip id: the same person's name, or the same recording.

    A donor whose signers are not named goes by the name of the source.
    """
    people = {person(clip.signer): clip for clip in tested}
    recordings = {digest: clip for clip in tested for digest in (clip.content, clip.sha256) if digest}
    refused = {}
    for clip in donated:
        for name in (clip.signer, clip.source):
            if person(name) in people:
                refused[clip.clip] = f"{name} signs in the test source {people[person(name)].source} too"
        twin = recordings.get(clip.content) or recordings.get(clip.sha256)
        if twin is not None:
            refused[clip.clip] = f"{clip.clip} is the test clip {twin.clip}"
    return refused


def person(signer: str) -> str:
    """Return a signer's name as it is compared: no matter how it is spaced, punctuated, capitalised or composed."""
    text = unicodedata.normalize("NFKC", signer)
    # Marks stay: without its vowel signs one Indic name is another.
    letters = "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in text)
    return " ".join(letters.split()).casefold() or text
