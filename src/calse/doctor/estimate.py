"""What a study will take, before it starts: hours and disk, from the cost of each unit of work."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from calse.config.params import Params, SwapSet
from calse.faceswap.reidentify.stage import GALLERY, PROBES
from calse.recognition.settings import NetworkSettings
from calse.runtime.errors import CalseError

MACHINE = "two cores of an AMD EPYC with AVX2, no GPU"
# Seconds of both cores together, once measured on the embedded corpus, less each stage's start: clips of about 40
# frames and 256 pixels, an I3D of width 0.25 on 16 frames of 48 pixels, a swap network of 64 pixels. They make 15
# minutes of a rebuild that takes 8 to 12 today (docs/pipeline.md): an estimate should rather be long.
START = 4.0  # a stage's item, whatever it works on
SYNTHESISED, INGESTED, LANDMARKED = 0.5, 0.05, 0.65  # a clip
COPIED, SWAPPED, BLURRED, REIDENTIFIED = 0.05, 0.6, 0.25, 0.12  # a clip
SWAP_STEP, TRAINED, SCORED = 0.065, 0.009, 0.04  # an iteration; a clip in an epoch; a test clip
SIZE, CHANNELS, FRAMES, SIDE, WIDTH = 64, 16, 16, 48, 0.25
# Bytes: a clip of 256 pixels, which DVC's cache may hold once more; a frame's pixel; a checkpoint of width 1.
CLIP, PIXEL, CHECKPOINT, MODELS = 165_000 * 2, 3, 50_000_000, 150_000_000
CLIP_FRAMES, MARGIN = 40, 1.35  # decoded frames are larger than the crop: both sides together


def check_space(params: Params, name: str, folder: Path) -> None:
    """Print what a study takes of time and disk. Raises CalseError when its files would not fit on the disk."""
    hours, bytes_needed = sum(seconds_of(params).values()) / 3600, bytes_of(params)
    free = shutil.disk_usage(folder).free
    took = f"{hours:.1f} hours" if hours < 72 else f"{hours / 24:.0f} days"
    if hours < 1:
        took = f"{hours * 60:.0f} minutes" if hours * 60 >= 1.5 else "a minute"
    print(
        f"{name} takes about {took} on {MACHINE}, and {bytes_needed / 1e9:.1f} GB of disk; {free / 1e9:.1f} GB are free"
    )
    if bytes_needed > free:
        raise CalseError(
            f"{name} needs about {bytes_needed / 1e9:.1f} GB, and {folder.resolve()} has {free / 1e9:.1f} GB free; "
            "free some, or lower corpus.glosses"
        )


def seconds_of(params: Params) -> dict[str, float]:
    """Return how long each stage takes, in seconds."""
    filmed = sum(_clips(params, source) for source in params.filmed)
    synthesis = params.synthesise.get(params.corpus.name)
    donors = len(params.sources_of("donor")) * (synthesis.donor_clips if synthesis else 1)
    copied = sum(sum(_copies(params, name).values()) for name in params.augment)
    swapped = sum(sum(_copies(params, name).values()) for name in params.swap)
    blurred = sum(_clips(params, source) for source in params.omit)
    clips = filmed + donors
    probes = min(params.corpus.glosses, PROBES)  # a swapped clip takes as long as four: its landmarks are found anew
    tested = (sum(_clips(params, source) for source in params.test_sources) + blurred) / len(params.test_sources)
    found = clips if params.landmarks.sources else 0
    return {
        "synthesise": SYNTHESISED * clips if synthesis else 0,
        "ingest": START * len(params.corpus.sources) + INGESTED * clips,
        "landmarks": START * len(params.landmarks.sources) + LANDMARKED * found,
        "augment": START * len(params.augment) + COPIED * copied,
        "swap-train": _swap_training(params),
        "swap": START * len(params.swap) + SWAPPED * swapped,
        "reidentify": len(params.swap) * (START + REIDENTIFIED * (GALLERY * len(params.filmed) + 4 * probes)),
        "omit": START * len(params.omit) + BLURRED * blurred,
        "train": sum(_training(params, name, settings) for name, settings in params.train.items()),
        "evaluate": sum(START * len(params.recipes) + SCORED * tested * _runs(params, name) for name in params.train),
    }


def bytes_of(params: Params) -> int:
    """Return how many bytes clips, decoded frames and checkpoints take."""
    filmed = sum(_clips(params, source) for source in [*params.filmed, *params.omit])
    made = filmed + sum(sum(_copies(params, name).values()) for name in params.sets)
    total = MODELS + CLIP * (made + filmed)
    for name, settings in params.train.items():
        if isinstance(settings, NetworkSettings):
            total += made * CLIP_FRAMES * round((settings.input.size * MARGIN) ** 2) * PIXEL
            total += 3 * round(CHECKPOINT * settings.model.width**2) * _runs(params, name)
    return total


def training_clips(params: Params, sets: Iterable[str], test_source: str) -> int:
    """Return how many clips a recipe of these sets trains on when a source is held out."""
    kept = [source for source in params.filmed if source not in (test_source, params.validation_source)]
    copies = [_copies(params, name) for name in sets]
    return sum(_clips(params, source) + sum(counts.get(source, 0) for counts in copies) for source in kept)


def _training(params: Params, recogniser: str, settings: object) -> float:
    """Return the seconds of a recogniser's trainings on all recipes."""
    if not isinstance(settings, NetworkSettings):
        return START * len(params.recipes)
    shown = settings.input
    each = TRAINED * shown.frames / FRAMES * (shown.size / SIDE) ** 2 * settings.model.width / WIDTH
    passes = sum(
        training_clips(params, () if recipe.equal_steps else recipe.sets, source)
        * settings.schedule.epochs
        * len(params.seeds_of(recogniser, name))
        for name, recipe in params.recipes.items()
        for source in params.test_sources
    )
    return START * len(params.recipes) + each * passes


def _runs(params: Params, recogniser: str) -> int:
    """Return how many trainings a recogniser has."""
    return sum(len(params.seeds_of(recogniser, recipe)) for recipe in params.recipes) * len(params.test_sources)


def _swap_training(params: Params) -> float:
    """Return the seconds of all sets' models: those of the method mesh take no more than a start."""
    trained = sum(one.method == "autoencoder" for one in params.swap.values())
    if not trained:
        return START * len(params.swap)
    settings = params.swap_train["autoencoder"]
    step = SWAP_STEP * (settings.size / SIZE) ** 2 * settings.channels / CHANNELS
    return float(START * (len(params.swap) - trained) + trained * step * settings.iterations)


def _clips(params: Params, source: str) -> int:
    """Return how many clips a source has, at least."""
    return params.corpus.glosses * (params.corpus.sources[source].clips_per_gloss or 1)


def _copies(params: Params, set_name: str) -> dict[str, int]:
    """Return how many clips a set makes of each source."""
    settings = params.sets[set_name]
    if isinstance(settings, SwapSet):
        sources, copies = [settings.signers], 1
    else:
        sources, copies = params.sources_of(settings.of), settings.copies
    takes = {source: params.corpus.sources[source].clips_per_gloss or 1 for source in sources}
    most = settings.clips_per_gloss
    return {source: params.corpus.glosses * min(count, most or count) * copies for source, count in takes.items()}
