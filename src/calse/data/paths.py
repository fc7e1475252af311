"""Every path of the repository, in one place.

Paths are relative: a stage runs in the directory that DVC gives it.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Where everything lies below the repository's root."""

    root: Path = Path()

    def raw(self, corpus: str) -> Path:
        """Raw videos of a corpus, one folder a source; never edited."""
        return self.root / "data/raw" / corpus

    def glossary(self, corpus: str) -> Path:
        """The corpus's list of glosses, one a line under the header `gloss`."""
        return self.raw(corpus) / "glossary.csv"

    def consent(self, corpus: str) -> Path:
        """What single signers of a corpus allow; a folder of its own, for a corpus made of code is made anew."""
        return self.root / "data/consent" / f"{corpus}.csv"

    def forgotten(self) -> Path:
        """Certificates of who was forgotten; they name nobody, so they go into git."""
        return self.root / "data/forgotten"

    def clips(self, source: str) -> Path:
        """Ingested clips of a source."""
        return self.root / "data/clips" / source

    def source_manifest(self, source: str) -> Path:
        """One row an ingested clip."""
        return self.root / "data/manifests/sources" / f"{source}.csv"

    def augmented(self, set_name: str) -> Path:
        """Clips of an augmentation set."""
        return self.root / "data/augmented" / set_name

    def set_manifest(self, set_name: str) -> Path:
        """One row a generated clip."""
        return self.root / "data/manifests/sets" / f"{set_name}.csv"

    def omitted(self, source: str) -> Path:
        """Clips of a source with the face blurred: they only ever test."""
        return self.augmented(f"OMIT-{source}")

    def omitted_manifest(self, source: str) -> Path:
        """One row a clip with the face blurred; apart from the sets, so that no recipe can train on it."""
        return self.root / "data/manifests/omitted" / f"{source}.csv"

    def landmark_models(self) -> Path:
        """Published models of faces, hands and bodies."""
        return self.root / "models/published"

    def landmarks(self, source: str) -> Path:
        """Where face, hands and upper body are in every clip of a source: `<clip id>.npz`."""
        return self.root / "data/landmarks" / source

    def swap_model(self, set_name: str) -> Path:
        """What a face-swapped set is made with: the method's model of the donor beside `model.json`."""
        return self.root / "models/faceswap" / set_name

    def encoder(self) -> Path:
        """The encoder of signing; it ships with what tells where it comes from, `encoder.json`."""
        return self.root / "models/encoder/encoder.safetensors"

    def split(self, recipe: str) -> Path:
        """Which clips train and test, for every test source of a recipe."""
        return self.root / "data/splits" / f"{recipe}.csv"

    def inputs(self, recogniser: str) -> Path:
        """One row a file that a recogniser reads beside the clips."""
        return self.root / "data/inputs" / f"{recogniser}.csv"

    def models(self, recogniser: str, recipe: str) -> Path:
        """A recogniser's trained checkpoints of a recipe: `<TEST SOURCE>/seed-<n>.safetensors` beside `.json`."""
        return self.root / "models" / recogniser / recipe

    def metrics(self, stage: str) -> Path:
        """What a stage measured."""
        return self.root / "metrics" / stage

    def page(self) -> Path:
        """The report page; it may hold frames of clips, so it stays out of git."""
        return self.root / "data/report/index.html"

    def browser(self) -> Path:
        """The page on which every clip can be played; its folder says who signs what, so it stays out of git."""
        return self.root / "data/browse/index.html"
