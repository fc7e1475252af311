"""The filmed clips of a study with their versions, and what speaks against their quality."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from calse.config.params import Params
from calse.data.clips import Clip
from calse.data.manifests import verify
from calse.data.paths import Layout
from calse.report.read import read_figures, read_manifests

OMITTED = "face blurred"  # names the set of clips with the face blurred, whatever their source
FOUND = {  # what metrics/landmarks lists, in words
    "clips_without_person": "no person found",
    "clips_without_face": "no face found",
    "clips_without_hands": "no hands found",
    "clips_with_several_persons": "several persons",
}


@dataclass(frozen=True)
class Shown:
    """A filmed clip, the clips that were made of it by the name of their set, and its quality flags, in words."""

    clip: Clip
    versions: list[tuple[str, Clip]]
    flags: list[str]


def shown_clips(params: Params, layout: Layout) -> list[Shown]:
    """Return every filmed clip whose manifest is there, donors' included, in the order of sources and ids.

    Raises CalseError when there is none, and naming a clip that is missing or has changed.
    """
    filmed = read_manifests({name: layout.source_manifest(name) for name in params.corpus.sources})
    made = read_manifests({name: layout.set_manifest(name) for name in params.sets})
    blurred = read_manifests({name: layout.omitted_manifest(name) for name in params.omit})
    versions = defaultdict(list)
    for name, clips in [*made.items(), *((OMITTED, clips) for clips in blurred.values())]:
        for clip in clips:
            versions[clip.parent].append((name, clip))
    flags = quality_flags(params, layout, {one.clip: one.parent for each in versions.values() for _, one in each})
    found = []
    for clips in filmed.values():
        for clip in clips:
            for one in (clip, *(version for _, version in versions[clip.clip])):
                verify(one, layout.root)
            doubts = [f"ingest: {doubt}" for doubt in clip.details.get("doubts", [])]
            found.append(Shown(clip, versions[clip.clip], doubts + flags[clip.clip]))
    return found


def quality_flags(params: Params, layout: Layout, parents: Mapping[str, str]) -> dict[str, list[str]]:
    """Return what the gate, the landmarks and the swaps found wrong with a filmed clip, by its id.

    `parents` are the filmed clips of generated ones.
    """
    flags: dict[str, list[str]] = defaultdict(list)
    for source in params.corpus.sources:
        found = read_figures(layout, "landmarks", source)
        for key, words in FOUND.items():
            for clip in found.get(key, []):
                flags[clip].append(words)
        for outcome in read_figures(layout, "validate", source).get("outcomes", []):
            for clip in dict.fromkeys(row.get("clip") for row in outcome["offenders"]):
                flags[clip].append(f"gate: {outcome['text']}")
    for name in params.swap:
        for clip in read_figures(layout, "swap", name).get("least_kept", []):
            flags[parents.get(clip, clip)].append(f"{name}: expression kept least")
    return flags
