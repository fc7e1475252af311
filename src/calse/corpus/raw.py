"""The index of a source's raw videos: what import writes and ingest reads."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from calse.data.clips import clip_ids, normalise_gloss
from calse.data.manifests import read_rows, write_rows
from calse.runtime.errors import CalseError


@dataclass(frozen=True)
class RawVideo:
    """One raw video: `file` is its name in the source's folder, `sha256` is of its bytes."""

    file: str
    gloss: str
    signer: str
    take: int
    sha256: str


COLUMNS = [field.name for field in fields(RawVideo)]


def index_of(folder: Path) -> Path:
    """Return where a source's folder keeps its index."""
    return folder / "clips.csv"


def source_folders(corpus: Path) -> list[Path]:
    """Return the folders of a corpus's sources that have an index, sorted."""
    return sorted(index.parent for index in corpus.glob(f"*/{index_of(Path())}"))


def write_index(folder: Path, videos: Iterable[RawVideo]) -> None:
    """Write the index of a source's folder, sorted."""
    ordered = sorted(videos, key=lambda video: (video.gloss, video.take, video.file))
    write_rows(index_of(folder), COLUMNS, (asdict(video) for video in ordered))


def read_index(folder: Path) -> list[RawVideo]:
    """Read the index of a source's folder.

    Raises CalseError naming the row that is wrong, also when a signer has the same take of a gloss twice.
    """
    index, videos = index_of(folder), []
    for number, row in enumerate(read_rows(index, COLUMNS), start=2):
        if not re.fullmatch(r"\d{1,6}", row["take"]):
            raise CalseError(f"{index}:{number}: the take must be a number, not {row['take'][:20]!r}")
        if row["file"] in ("", ".", "..") or Path(row["file"]).name != row["file"] or "\0" in row["file"]:
            raise CalseError(f"{index}:{number}: {row['file'][:80]!r} must be the name of a file in that folder")
        video = RawVideo(row["file"], normalise_gloss(row["gloss"]), row["signer"], int(row["take"]), row["sha256"])
        videos.append(video)
    known: set[str] = set()
    for number, name in enumerate(ids_of(folder.name, videos), start=2):
        if name.casefold() in known:
            video = videos[number - 2]
            raise CalseError(
                f"{index}:{number}: gloss {video.gloss}, signer {video.signer} has take {video.take} twice; "
                "number them 1, 2, 3"
            )
        known.add(name.casefold())
    return videos


def ids_of(source: str, videos: Sequence[RawVideo]) -> list[str]:
    """Return the ids of the clips that a source's videos become."""
    return clip_ids(source, [(video.gloss, video.signer, video.take) for video in videos])
