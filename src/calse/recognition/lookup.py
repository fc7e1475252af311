"""The commands `enrol` and `lookup`: signs known from one video each, and found again in others."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from rich.table import Table
from rich.text import Text

from calse.config.params import Params, as_dict
from calse.data.paths import Layout
from calse.recognition.architectures.landmarks.examples import embedded, encoder_file
from calse.recognition.architectures.landmarks.index import Index, Sign, joined, made_index
from calse.recognition.architectures.landmarks.index_file import encoder_of, read_index, write_index
from calse.recognition.architectures.landmarks.settings import LandmarksSettings
from calse.recognition.inference import BEST
from calse.recognition.predict import InputRequest, Result, VideoInput, complain, printable, read_input
from calse.runtime.errors import CalseError, counted
from calse.runtime.files import sha256_of
from calse.runtime.sandbox import Refused, map_sandboxed

LANDMARKS = "landmarks"
SHOWN = 12  # names of signs on the screen
Refusal = tuple[str, str]  # a video's name, and why it is not taken


@dataclass(frozen=True)
class Enrolment:
    """A video to be enrolled: where it is, what it is called in the index, which sign it shows."""

    path: Path
    name: str
    gloss: str


@dataclass(frozen=True)
class Found(Result):
    """A video's nearest known signs, nearest first."""

    signs: list[Sign] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return what JSON says of it."""
        signs = [sign._asdict() | {"distance": round(sign.distance, 4)} for sign in self.signs]
        return super().plain() | {"signs": signs}

    def table(self) -> Table:
        """Return a table of the signs."""
        table = Table("", "sign", "distance", "its clip")
        for place, sign in enumerate(self.signs, start=1):
            table.add_row(str(place), Text(sign.gloss), f"{sign.distance:.3f}", Text(sign.clip))
        return table


@dataclass(frozen=True)
class KnownSigns:
    """An index, loaded, and the encoder that it was made with."""

    index: Index
    encoder: Path | None

    def request(self, video: Path) -> InputRequest:
        """Return what is to be read of a video."""
        return _request(video, self.index.info, LandmarksSettings(**self.index.info["params"]))

    def results(self, videos: Sequence[Path], found: Sequence[VideoInput | Refused]) -> list[Found]:
        """Return the known signs nearest to each video, of which that was read."""
        return [
            Found(printable(video), refused=one.reason)
            if isinstance(one, Refused)
            else Found(printable(video), doubts=one.doubts, signs=self._signs(one))
            for video, one in zip(videos, found, strict=True)
        ]

    def _signs(self, read: VideoInput) -> list[Sign]:
        """Return the signs nearest to a video."""
        return self.index.nearest(embedded(read.input.signing, self.encoder))[:BEST]

    def warm_up(self) -> None:
        """Look up one of its own clips: what the first call loads and compiles is there for the next."""
        self.index.nearest(embedded(self.index.signings.take(0), self.encoder))


def load_signs(path: Path, layout: Layout) -> KnownSigns:
    """Load an index. Raises CalseError when it is missing or damaged, or its encoder is another one now."""
    index = read_index(path)
    return KnownSigns(index, encoder_of(index, path, layout))


def enrol(
    params: Params,
    layout: Layout,
    offers: Sequence[Enrolment],
    path: Path,
    seconds: float,
    refused: Sequence[Refusal] = (),
) -> tuple[Index, list[Refusal]]:
    """Add videos to an index, which is made when it is not there; one of a name that it knows takes its place.

    Return the index and the videos that were refused, behind those that were `refused` before. Raises CalseError
    when none can be taken, or an index that is there was made with other settings; it is then left as it is.
    """
    if not offers:
        raise _none_taken(refused)
    settings = cast(LandmarksSettings, params.train.get(LANDMARKS, LandmarksSettings("fused")))
    encoder = encoder_file(layout, settings)
    known = read_index(path) if path.exists() else None
    info: dict[str, Any] = {
        "recogniser": LANDMARKS,
        "params": as_dict(settings),
        "clip": {"fps": params.ingest.fps, "short_side": params.ingest.short_side},
        "encoder_sha256": sha256_of(encoder) if encoder else None,
        "fingerprint": None,
        "split_sha256": None,
    }
    if known is not None and any(known.info.get(name) != value for name, value in info.items()):
        raise CalseError(f"{path} was made with other settings or another encoder; name another file, or remove it")
    requests = [_request(offer.path, info, settings) for offer in offers]
    found = map_sandboxed(read_input, requests, "landmarks", seconds)
    pairs = list(zip(offers, found, strict=True))
    refused = [*refused, *((offer.name, one.reason) for offer, one in pairs if isinstance(one, Refused))]
    taken = [(offer, one) for offer, one in pairs if isinstance(one, VideoInput)]
    if not taken:
        raise _none_taken(refused)
    examples = [embedded(one.input.signing, encoder) for _, one in taken]
    index = made_index(examples, [offer.gloss for offer, _ in taken], [offer.name for offer, _ in taken], info)
    index = joined(known, index) if known is not None else index
    index = replace(index, info=info | {"classes": sorted(set(index.glosses))})
    write_index(path, index)
    return index, refused


def _none_taken(refused: Sequence[Refusal]) -> CalseError:
    reasons = "".join(f"; {name}: {why}" for name, why in refused[:3])
    return CalseError(f"no video could be enrolled{reasons}{f'; and {len(refused) - 3} more' * (len(refused) > 3)}")


def lookup(layout: Layout, path: Path, videos: Sequence[Path], seconds: float) -> list[Found]:
    """Return the known signs nearest to each video. Raises CalseError when the index itself is wrong."""
    known = load_signs(path, layout)
    return known.results(
        videos, map_sandboxed(read_input, [known.request(video) for video in videos], "landmarks", seconds)
    )


def _request(video: Path, info: dict[str, Any], settings: LandmarksSettings) -> InputRequest:
    """Body and hands are found at the rate and size that an index names."""
    return InputRequest(video, info["clip"]["fps"], info["clip"]["short_side"], LANDMARKS, settings)


def print_enrolled(index: Index, refused: Sequence[Refusal], path: Path) -> None:
    """Say what was refused and what the index holds now, with its signs: a wrong gloss is best seen at once."""
    for name, why in refused:
        complain("refused", name, why)
    glosses = sorted(set(index.glosses))
    more = f" and {len(glosses) - SHOWN} more" if len(glosses) > SHOWN else ""
    held = f"{counted(len(index.clips), 'clip')} of {counted(len(glosses), 'sign')}"
    print(f"{path}: {held}: {', '.join(glosses[:SHOWN])}{more}")
