"""The recogniser `landmarks`: body and hands compared with those of known clips; nothing is trained on the corpus."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from calse.recognition.architectures.landmarks.settings import LandmarksSettings
from calse.recognition.registry import Recogniser
from calse.runtime.files import sha256_of, write_json

if TYPE_CHECKING:
    from calse.config.params import Params
    from calse.data.clips import Clip
    from calse.data.paths import Layout
    from calse.recognition.architectures.landmarks.examples import Example
    from calse.recognition.registry import Scores
    from calse.recognition.training.jobs import Job


class Landmarks(Recogniser):
    """A gloss is as near as its nearest training clip: the checkpoint is an index of these."""

    settings: ClassVar[Any] = LandmarksSettings
    needs: ClassVar[str] = "calse.recognition.architectures.landmarks.index"
    code: ClassVar[tuple[str, ...]] = ("landmarks/active.py", "landmarks/generated.py", "landmarks/record.py")

    def reads(self, params: "Params", layout: "Layout") -> list[Path]:
        """Return the landmarks of all filmed clips, and the encoder."""
        from calse.recognition.architectures.landmarks.examples import encoder_file

        folders = [layout.landmarks(source) for source in params.filmed]
        encoder = encoder_file(layout, cast(LandmarksSettings, params.train[self.name]))
        return [file for folder in folders for file in folder.glob("*.npz")] + ([encoder] if encoder else [])

    def facts(
        self, settings: LandmarksSettings, layout: "Layout", clips: "list[Clip]", equal_steps: bool
    ) -> dict[str, Any]:
        """Return the hash of the encoder; there are no steps."""
        from calse.recognition.architectures.landmarks.examples import encoder_file

        encoder = encoder_file(layout, settings)
        return {"steps": 0, "epochs": 1, "encoder_sha256": sha256_of(encoder) if encoder else None}

    def prepare(self, clips: "list[Clip]", layout: "Layout", settings: LandmarksSettings) -> list[Path]:
        """Return a file for each clip with its normalised landmarks and embeddings."""
        from calse.recognition.architectures.landmarks.examples import kept_examples

        return kept_examples(clips, layout, settings)

    def load(self, path: Path) -> "Example | None":
        """Return a clip as it is compared, nothing for one that shows no person."""
        from calse.recognition.architectures.landmarks.examples import read_example

        return read_example(path)

    def view(
        self, video: Path, fps: float, short_side: int, settings: LandmarksSettings
    ) -> "tuple[Example, list[str]]":
        """Return any video as it is compared, less the embeddings, which the scorer adds."""
        from calse.recognition.architectures.landmarks.view import example_of_video

        return example_of_video(video, fps, short_side, settings)

    def train(self, job: "Job", tell: Callable[..., None]) -> None:
        """Write the index of the training clips; the curve's one row says how well they know each other."""
        from calse.data.manifests import write_rows
        from calse.recognition.architectures.landmarks.index import made_index, validation
        from calse.recognition.architectures.landmarks.index_file import write_index

        tell("started", job.info)
        examples = [self.load(path) for path in job.inputs]
        glosses = [job.info["classes"][label] for label in job.labels]  # not the clips' own: a control permutes them
        index = made_index(examples, glosses, [clip.clip for clip in job.clips], job.info)
        # None where no other clip shows a gloss: no row then, for nothing could be right.
        row = validation(index, dict(zip(job.clips, examples, strict=True)))
        write_index(job.checkpoint, index)
        write_json(job.checkpoint.with_suffix(".json"), job.info)
        write_rows(job.curve, ["epoch", "loss", "accuracy", "lr"], [{"epoch": 1} | row] if row else [])
        if row:
            tell("epoch", 1, row)
        tell("finished")

    def scorer(self, checkpoint: Path) -> "Callable[[Iterable[Example | None]], list[Scores]]":
        """Return what scores clips: the negative distance of each class."""
        from calse.data.paths import Layout
        from calse.recognition.architectures.landmarks.examples import embedded
        from calse.recognition.architectures.landmarks.index import class_scores
        from calse.recognition.architectures.landmarks.index_file import encoder_of, read_index

        index = read_index(checkpoint)
        encoder = encoder_of(index, checkpoint, Layout())

        def score(example: "Example | None") -> "Scores":
            """Return scores and probabilities of one clip."""
            if example is not None and example.embeddings is None:
                example = embedded(example.signing, encoder)
            return class_scores(index, None if example is None else index.distances(example))

        return lambda examples: [score(example) for example in examples]


RECOGNISER = Landmarks("landmarks")
