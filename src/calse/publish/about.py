"""What a publication says of itself: whose it is, from which commit, under which licences, what is in it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from calse.config.params import Params
from calse.data.clips import Clip
from calse.data.consent import Consent
from calse.data.paths import Layout
from calse.publish.contents import Contents
from calse.runtime.errors import CalseError, counted
from calse.runtime.repository import git
from calse.video.marks.mark import Origin

CITATION = Path("CITATION.cff")
SOURCE_KINDS, SPLIT = ("public", "interpreter", "donor"), "split"
STATE = ("dvc.lock", "dvc.yaml", "params.yaml", "data", "metrics", "src")  # what decides what is published
# How people write the licences of data, in SPDX's spelling: with it, archives know a licence by its address.
SPDX = re.compile(
    r"(CC0|CC[- ]BY(?:[- ](?:NC|SA|ND))*)[- ](\d\.\d)|(Apache-2\.0|MIT|ODbL-1\.0|ODC-By-1\.0|PDDL-1\.0)", re.I
)


@dataclass(frozen=True)
class Part:
    """A table of clips: a source, an augmentation set, a source with the face blurred, or the split of a recipe.

    `made_from` names the tables that its clips come from. `consent` is what its source says of it, for people.
    """

    name: str
    table: str
    kind: str
    clips: int
    glosses: int
    signers: int
    licence: str
    consent: str
    made_from: tuple[str, ...]

    @property
    def words(self) -> str:
        """What the table lists, for a person."""
        counts = {"clip": self.clips, "gloss": self.glosses, "signer": self.signers}
        held = ", ".join(counted(count, what) for what, count in counts.items())
        of = f" of {', '.join(self.made_from)}" if self.made_from else ""
        return f"{self.name}: {self.kind}{of}; {held}; {self.licence}"


@dataclass(frozen=True)
class Study:
    """What is known of the publication; `date` is the commit's, `changed` whether files differ from that commit."""

    title: str
    abstract: str
    authors: list[dict[str, Any]]
    keywords: list[str]
    code_licence: str
    code_version: str
    address: str
    commit: str
    date: str
    changed: bool
    corpus: str
    synthetic: bool
    parts: list[Part]
    people: int
    words: int
    left_out: dict[str, str]

    @property
    def version(self) -> str:
        """A version that tells commits apart, and says when nobody can get at the state that was published."""
        return f"{self.code_version}+{self.commit[:12]}" + (".changed" if self.changed else "")

    @property
    def licences(self) -> list[str]:
        """The licences of the clips, each once."""
        return sorted({licence for part in self.parts for licence in part.licence.split(" AND ")})

    @property
    def filmed(self) -> list[Part]:
        """The sources; what synthetic signers do counts as filmed."""
        return [part for part in self.parts if part.kind in SOURCE_KINDS]

    @property
    def generated(self) -> list[Part]:
        """The sets, and the sources with the face blurred."""
        return [part for part in self.parts if part.kind not in (*SOURCE_KINDS, SPLIT)]

    @property
    def missing(self) -> str:
        """What is not part of it, in a sentence."""
        out = "; ".join(f"{path}: {how}" for path, how in self.left_out.items())
        return f"left out, for somebody in it does not allow sharing: {out}" if out else "nothing"


def about(params: Params, layout: Layout, consent: Consent, contents: Contents) -> Study:
    """Return what a publication says of itself.

    Raises CalseError outside git, without a readable CITATION.cff, and naming a source without a licence.
    """
    commit, date = git("rev-parse", "HEAD"), git("log", "-1", "--format=%cs")
    if not commit:
        raise CalseError("there is no commit yet, from which a publication has its version and date: git commit")
    cited = citation(layout)
    synthetic = params.corpus.name in params.synthesise
    drawn = cited["license"] if synthetic else ""
    return Study(
        title=f"{cited['title']} ({params.corpus.name})",
        abstract=str(cited.get("abstract", "")),
        authors=cited["authors"],
        keywords=cited.get("keywords", []),
        code_licence=cited["license"],
        code_version=str(cited.get("version", "0.0.0")),
        address=str(cited.get("url") or cited.get("repository-code") or ""),
        commit=commit,
        date=date,
        changed=bool(git("status", "--porcelain", "--", *STATE)),
        corpus=params.corpus.name,
        synthetic=synthetic,
        parts=[_part(params, consent, table, clips, drawn) for table, clips in contents.tables.items() if clips],
        people=len({(clip.source, clip.signer) for clip in contents.clips}),
        words=len({clip.gloss for clip in contents.clips}),
        left_out=contents.left_out,
    )


def citation(layout: Layout) -> dict[str, Any]:
    """Return the repository's CITATION.cff. Raises CalseError when it is missing or lacks title, authors or licence."""
    file = layout.root / CITATION
    try:
        tree = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError):
        raise CalseError(f"{CITATION} is missing or no YAML; a publication has its title and authors from it") from None
    for name in ("title", "authors", "license"):
        if not isinstance(tree, dict) or not tree.get(name):
            raise CalseError(f"{CITATION} lacks {name!r}, which a publication has from it")
    return dict(tree)


def author_name(author: dict[str, Any]) -> str:
    """Return the name of an author of CITATION.cff: an entity has one, a person has parts of one."""
    parts = ("given-names", "name-particle", "family-names", "name-suffix")
    return str(author.get("name") or " ".join(str(author[part]) for part in parts if part in author))


def licence_of(consent: Consent, clip: Clip) -> str:
    """Return the licence of a clip: its signer's own, else the source's; in SPDX's spelling where it is known."""
    said = [grant.licence for grant in consent.grants_of(clip.source, clip.signer) if grant.licence]
    text = said[-1] if said else ""
    known = SPDX.fullmatch(text.strip())
    if not known:
        return text
    return known[3] or f"{known[1].upper().replace(' ', '-')}-{known[2]}"


def address_of(licence: str) -> str:
    """Return where a licence stands; nothing for one that is not known by its name."""
    if licence.startswith(("http://", "https://")):
        return licence
    return f"https://spdx.org/licenses/{licence}" if SPDX.fullmatch(licence) else ""


def _part(params: Params, consent: Consent, table: str, clips: list[Clip], drawn: str) -> Part:
    """Return what is known of a table's clips; `drawn` is the licence of those that code has drawn."""
    for clip in clips:
        if not (drawn or licence_of(consent, clip)):
            raise CalseError(
                f"corpus.sources.{clip.source}.licence is empty: nobody could use what is published; say it there, or "
                "set share: false"
            )
    sources = {clip.source for clip in clips}
    if table.startswith("data/splits/"):
        name, kind, consented = f"{SPLIT}-{Path(table).stem}", SPLIT, ""
        made_from = sources | {clip.set for clip in clips if clip.set}
    elif clips[0].set:
        name, kind, consented = clips[0].set, Origin(clips[0].details).words, ""
        made_from = sources | {clip.details["donor"] for clip in clips if "donor" in clip.details}
    else:
        source = params.corpus.sources[clips[0].source]
        name, kind, consented = Path(table).stem, source.kind, source.consent
        made_from = set()
    return Part(
        name=name,
        table=table,
        kind=kind,
        clips=len(clips),
        glosses=len({clip.gloss for clip in clips}),
        signers=len({(clip.source, clip.signer) for clip in clips}),
        licence=" AND ".join(sorted({licence_of(consent, clip) or drawn for clip in clips})),
        consent=consented,
        made_from=tuple(sorted(made_from)),
    )
