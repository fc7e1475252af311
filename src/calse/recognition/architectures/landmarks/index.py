"""The index: known clips, of which a sign's nearest decides how near the sign is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from calse.data.clips import Clip
from calse.recognition.architectures.landmarks.examples import Example
from calse.recognition.architectures.landmarks.features import features
from calse.recognition.architectures.landmarks.signing import PARTS, Floats, Signing, mirrored, stacked
from calse.recognition.architectures.landmarks.warping import distances
from calse.recognition.inference import best_first
from calse.runtime.errors import CalseError

VALIDATED = 100  # clips
SHORTLIST = 500  # known clips, the nearest by embedding: warping onto all of them would take a study's clips squared

# Probabilities are a softmax of -distance / temperature: that of the least log loss on eight glosses of real signing.
TEMPERATURES = {"dtw": 0.12, "encoder": 0.07, "fused": 0.12}


class Sign(NamedTuple):
    """A gloss, its distance, and the known clip that is so near."""

    gloss: str
    distance: float
    clip: str


@dataclass(frozen=True)
class Index:
    """Known clips: the gloss and the name of each, their signings (N leading) and embeddings `N x D`, None for none.

    `info` says of it what a checkpoint's JSON does: `params`, `classes`, `clip`.
    """

    glosses: tuple[str, ...]
    clips: tuple[str, ...]
    signings: Signing
    embeddings: Floats | None
    info: dict[str, Any]

    def distances(self, example: Example) -> Floats:
        """Return the distance `N` of a clip to each known one, as it is or mirrored, whichever is less.

        When fused, clips beyond the SHORTLIST count as far by warping as the farthest in it: so they come after it, in
        the order of their embeddings.
        """
        how = self.info["params"]["distance"]
        if how == "dtw":
            return self._warped(example.signing)
        embedded = self._embedded(example.embeddings)
        if how == "encoder":
            return embedded
        near = np.sort(np.argsort(embedded, kind="stable")[:SHORTLIST])
        on_list = self._warped(example.signing, near)
        warped = np.full(len(embedded), on_list.max(), np.float32)
        warped[near] = on_list
        return fused(warped, embedded, near)

    def nearest(self, example: Example) -> list[Sign]:
        """Return every known sign with its nearest clip, nearest first."""
        to_clips = self.distances(example)
        best: dict[str, Sign] = {}
        for place in np.argsort(to_clips, kind="stable"):
            best.setdefault(self.glosses[place], Sign(self.glosses[place], float(to_clips[place]), self.clips[place]))
        return list(best.values())

    @cached_property
    def _features(self) -> Floats:
        return features(self.signings)

    @property
    def _both_ways(self) -> bool:
        return bool(self.info["params"]["mirror"])

    def _warped(self, signing: Signing, places: Any = slice(None)) -> Floats:
        """Return the distances by time warping to the known clips at some places, as it is or mirrored."""
        ways = [signing, mirrored(signing)] if self._both_ways else [signing]
        known = self._features[places]
        return np.asarray(np.min([distances(features(way), known) for way in ways], axis=0))

    def _embedded(self, embeddings: Floats | None) -> Floats:
        """Return the cosine distances to all known clips, as it is or mirrored."""
        if embeddings is None or self.embeddings is None:
            raise CalseError("a distance by the encoder needs embeddings")
        ways = embeddings if self._both_ways else embeddings[:1]
        return np.asarray(1 - (ways @ self.embeddings.T).max(axis=0), np.float32)


def fused(one: Floats, other: Floats, near: Any = slice(None)) -> Floats:
    """Return the mean of two distances to the same clips, the second brought to the spread of the first over `near`.

    Clips come in the same order as by the sum of both z-scores; unlike that sum it tells far from near.
    """
    spread = float(other[near].std())
    return np.asarray((one + other * (float(one[near].std()) / spread if spread > 0 else 0)) / 2, np.float32)


def class_scores(index: Index, to_clips: Floats | None) -> tuple[Floats, Floats]:
    """Return scores and probabilities of the index's classes, K each, from distances to its clips.

    A score is the negative distance of the nearest clip, -inf for a class without one. Without distances, of a clip
    that shows no person, no class is likelier than another.
    """
    classes: list[str] = index.info["classes"]
    if to_clips is None:
        return np.zeros(len(classes), np.float32), np.full(len(classes), 1 / len(classes), np.float32)
    number = {gloss: place for place, gloss in enumerate(classes)}
    nearest = np.full(len(classes), np.inf, np.float32)
    np.minimum.at(nearest, [number[gloss] for gloss in index.glosses], to_clips)
    weights = np.exp((nearest.min() - nearest.astype(float)) / TEMPERATURES[index.info["params"]["distance"]])
    return -nearest, (weights / weights.sum()).astype(np.float32)


def validation(index: Index, examples: dict[Clip, Example | None]) -> dict[str, float] | None:
    """Return log loss and accuracy of filmed training clips, each looked up in the other sources' clips alone.

    VALIDATED of them at most, evenly chosen; where there is one source only, in all but itself and its copies. A clip
    whose gloss none of those has counts for nothing; None where every clip is so, as with one source of a clip a gloss.
    """
    filmed = [clip for clip in examples if not clip.parent]
    chosen = filmed[:: ceil(len(filmed) / VALIDATED)]
    family = {clip.clip: (clip.source, clip.parent or clip.clip) for clip in examples}
    several = len({source for source, _ in family.values()}) > 1
    losses, right = [], []
    for clip in chosen:
        example, own = examples[clip], family[clip.clip]
        related = [family[name][0] == own[0] if several else family[name] == own for name in index.clips]
        if all(kin or gloss != clip.gloss for gloss, kin in zip(index.glosses, related, strict=True)):
            continue
        to_clips = None if example is None else index.distances(example)
        if to_clips is not None:
            to_clips[related] = np.inf
        scores, probabilities = class_scores(index, to_clips)
        truth = index.info["classes"].index(clip.gloss)
        losses.append(-float(np.log(max(probabilities[truth], 1e-6))))
        right.append(best_first(scores)[0] == truth)
    return {"loss": float(np.mean(losses)), "accuracy": float(np.mean(right)), "lr": 0.0} if losses else None


def made_index(
    examples: Sequence[Example | None], glosses: Sequence[str], clips: Sequence[str], info: dict[str, Any]
) -> Index:
    """Return the index of the examples that show a person. Raises CalseError when none does."""
    known = [place for place, example in enumerate(examples) if example is not None]
    shown = [example for example in examples if example is not None]
    if not shown:
        raise CalseError("no clip shows a person: there is nothing to compare with")
    embeddings = [example.embeddings[0] for example in shown if example.embeddings is not None]
    return Index(
        tuple(glosses[place] for place in known),
        tuple(clips[place] for place in known),
        stacked([example.signing for example in shown]),
        np.stack(embeddings) if embeddings else None,
        info,
    )


def joined(one: Index, other: Index) -> Index:
    """Return the clips of both indexes, a clip that both name as in the other, under what the other says of itself."""
    kept = [place for place, clip in enumerate(one.clips) if clip not in other.clips]
    parts = {name: np.concatenate([getattr(one.signings, name)[kept], getattr(other.signings, name)]) for name in PARTS}
    embeddings = None
    if one.embeddings is not None and other.embeddings is not None:
        embeddings = np.concatenate([one.embeddings[kept], other.embeddings])
    return Index(
        (*(one.glosses[place] for place in kept), *other.glosses),
        (*(one.clips[place] for place in kept), *other.clips),
        Signing(**parts),
        embeddings,
        other.info,
    )
