"""Every parameter counts: another value changes what a stage makes, or is refused. No ablation changes nothing unsaid.

Each section is tried on the function of its stage that makes the output, on tiny data. Not covered: two parameters
that count only together; sets made of code (their options are tried beside each kind); the commands themselves, which
`test_all_stages.py` runs.
"""

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from calse.config.params import as_dict, check_params
from calse.corpus.gate.suites import parameters_of
from calse.corpus.ingest import ingest
from calse.corpus.raw import RawVideo, write_index
from calse.corpus.synthesise import record, recordings
from calse.data.clips import choose
from calse.data.consent import read_consent, terms_of
from calse.data.manifests import write_manifest
from calse.data.paths import Layout
from calse.data.splits import read_split, split
from calse.evaluation.measures import summary
from calse.faceswap.convert import swap_frames
from calse.faceswap.methods.autoencoder.model.augmentation import MARGIN
from calse.faceswap.methods.autoencoder.model.training import SwapTraining
from calse.faceswap.methods.autoencoder.model.training_faces import aligned_crops
from calse.faceswap.methods.mesh.model.library import cut, library_of, spread
from calse.faceswap.methods.mesh.model.train import topology
from calse.faceswap.quality.quality import failures
from calse.landmarks.following import follow, landmarks_of_frames, load_networks
from calse.landmarks.record import no_landmarks
from calse.recognition.architectures.landmarks.examples import Example, signing_of
from calse.recognition.architectures.landmarks.index import made_index
from calse.recognition.architectures.landmarks.pretrain import random_signings, trained
from calse.recognition.architectures.landmarks.signing import PARTS, mirrored
from calse.recognition.registry import find_recogniser
from calse.recognition.training.fit import Training
from calse.recognition.training.jobs import jobs_of, learned_clips, runs_of
from calse.report.page.pictures import Pictures
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from cartoons import PEOPLE, any_network, cartoon, openings
from faces import FACES, filmed, with_models
from signers.signers import DONORS, SOURCES
from toys import make_repository, toy_tree
from videos import write_clip
from waving import film

# Other values than the study's; without one a number is halved, a yes becomes a no, a list loses its first entry.
OTHER = {
    "name": "mine", "kind": "interpreter", "INTERPRETER.kind": "public", "licence": "CC0", "consent": "in writing",
    "until": "2999-12-31",
    "clips_per_gloss": 2, "on_bad_clip": "fail", "fps": 12.5, "detect_every": 1, "min_presence": 1.0, "min_width": 0.9,
    "signers": "OTHER", "autoencoder.size": 64, "precision": "bf16", "method": "none", "donor": "DONOR-3",
    "smoothing": 5.0, "eyes": "donor", "mouth": "donor", "validation_source": "INTERPRETER",
    "min_moved": 0.9, "min_kept": 0.9, "Baseline": ["AF1"], "sets": ["DF-1"], "seeds": [3],
    "pretrained": "nowhere.pt", "modality": "rgb", "channel_order": "bgr", "frames": 10, "input.size": 33,
    "sampling": "consecutive", "micro_batch": 2, "clip_norm": 0.01, "crop": 0.0, "loss": "bce-localisation",
    "optimiser": "adam", "schedule.kind": "constant", "topk": [2], "distance": "dtw", "hands": "leading",
}  # fmt: skip
# What by design changes no result.
NO_RESULT = {
    "ingest.seconds_per_clip": "how long a file may take before it is refused",
    "swap-train.autoencoder.preview_every": "how often a state is kept and a picture drawn",
    "swap-train.autoencoder.threads": "speed; sums may depend on it, results need not",
    "train.i3d.threads": "speed; sums may depend on it, results need not",
    "train.i3d.model.recompute": "less memory for the same bits",
}
ELSEWHERE = "augment"  # options of a set are tried beside its kind
PRETRAIN = {"signs": 4, "takes": 4, "steps": 4, "seed": 2}
SMALL = {"size": 32, "channels": 4, "code": 8, "iterations": 3, "batch": 2, "precision": "fp32", "threads": 1}
FADES = (0, 0, 0, 0.8, 0.93)  # of a picture to grey: faces that are hard to be sure of
MATRICES = [stage.get("matrix", {}) for stage in YAML(typ="safe", pure=True).load(Path("dvc.yaml"))["stages"].values()]


def study():
    """The toy study with a value that is read for every parameter."""
    tree = toy_tree(flip=0.5, dropout=0.2, label_smoothing=0.1)
    tree["corpus"]["sources"]["OTHER"] = {"kind": "public", "clips_per_gloss": None}
    for source in tree["corpus"]["sources"].values():
        source |= {"licence": "", "consent": "", "share": True, "train": True}
        source |= {"swap": True, "show": True, "until": ""}
    tree["ingest"] |= {"on_bad_clip": "drop", "short_side": 64}
    tree["swap-train"]["autoencoder"] |= SMALL
    tree["swap-train"]["mesh"] = {"frames": 4}
    tree["pretrain"] = PRETRAIN
    tree["landmarks"]["sources"].append("OTHER")
    tree["train"]["landmarks"] = {"distance": "fused", "hands": "both", "body": True, "mirror": True}
    tree["swap"] = {name: tree["swap"][name] | {"clips_per_gloss": 1} for name in ("DF-1", "DF-2")}
    tree["recipes"]["Even"] = {"sets": ["AF1"], "equal_steps": True, "permute": False, "seeds": [1]}
    return tree


def leaves(node, path=""):
    """The dotted name of every parameter."""
    if not (isinstance(node, dict) and node):
        return [path]
    return [leaf for name, inner in node.items() for leaf in leaves(inner, f"{path}.{name}" if path else name)]


LEAVES = [leaf for leaf in leaves(study()) if not leaf.startswith(ELSEWHERE)]


def changed(leaf):
    """The study with one parameter changed."""
    tree = study()
    *parents, last = leaf.split(".")
    node = tree
    for name in parents:
        node = node[name]
    old = node[last]
    known = [OTHER[name] for name in (".".join([*parents[-1:], last]), last) if name in OTHER]
    usual = not old if isinstance(old, bool) else old[1:] if isinstance(old, list) else None
    new = known[0] if known else usual if usual is not None else type(old)(old / 2)
    assert new != old, "OTHER needs another value"
    node[last] = new
    return tree


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A repository with clips, a raw source of one good and one damaged video, and the models that find faces."""
    with pytest.MonkeyPatch.context() as patch:
        layout = with_models(tmp_path_factory.mktemp("toy"))
        patch.setenv("DVC_ROOT", str(layout.root))
        patch.setenv("CALSE_WORKERS", "1")
        patch.chdir(layout.root)
        torch.set_num_threads(1)
        make_repository(layout.root)
        raw = Layout(layout.root / "raw").raw("synthetic") / "SACU"
        raw.mkdir(parents=True)
        write_clip(raw / "NO.mp4")
        (raw / "SUR.mp4").write_bytes(b"no video")
        write_index(raw, [RawVideo(f"{n}.mp4", n, "ANN", 1, sha256_of(raw / f"{n}.mp4")) for n in ("NO", "SUR")])
        yield layout


def corpus(params, layout):
    sources = params.corpus.sources.values()
    gate = [parameters_of(source, params.validate, ["NO"]) for source in sources]
    terms = [terms_of(source) for source in sources]
    kinds = [params.sources_of(kind) for kind in ("public", "interpreter", "donor")]  # whose clips a set copies
    return layout.raw(params.corpus.name), params.corpus.glosses, gate, terms, kinds


def synthesised(params, layout):
    todo = list(recordings(params.synthesise["synthetic"], layout.root / "signers"))
    (todo[0].folder / "truth").mkdir(parents=True, exist_ok=True)
    small = replace(todo[0], short_side=todo[0].short_side // 4)
    return [one.clip for one in todo], record(small)["sha256"]


def ingested(params, layout):
    there = Layout(layout.root / "raw")
    ingest(params, there, "SACU")
    return there.source_manifest("SACU").read_text()


def landmarks(params, layout):
    studio = SOURCES["SACU"][0]
    twins = np.concatenate([filmed(studio, studio, "NO")[0][:5]] * 2, axis=2)
    faded = [(frame * (1 - fade) + 128 * fade).astype(np.uint8) for frame, fade in zip(twins, FADES, strict=True)]
    followed = follow(np.stack(faded), load_networks(layout), params.landmarks)
    return followed.landmarks.face.tobytes(), followed.several_faces


class Crops:
    """Crops in memory, as FaceSet gives them."""

    def __init__(self, crops):
        self.crops = crops

    def __len__(self):
        return len(self.crops)

    def take(self, numbers):
        return self.crops[numbers]


def swap_models(params, layout):
    settings = params.swap_train["autoencoder"]
    sides = (cartoon(colour, openings(6, seed)) for seed, colour in enumerate(PEOPLE.values()))
    crops = (Crops(aligned_crops(*side, round(settings.size * MARGIN), MARGIN, settings)) for side in sides)
    training = SwapTraining(settings, *crops)
    while training.done < settings.iterations:
        training.step()
    return weights(training.network), spread(20, params.swap_train["mesh"].frames).tolist()


@cache
def person(layout, studio):
    """A few frames of a synthetic signer and their landmarks."""
    frames = filmed(studio, studio, "NO", 128)[0][10:22:3]
    return frames, landmarks_of_frames(frames, load_networks(layout), FACES)


def swapped(params, layout):
    frames, landmarks = person(layout, SOURCES["INTERPRETER"][0])
    donor, seen = person(layout, DONORS["DONOR-2"])
    joined = topology(layout)
    models = {"autoencoder": any_network(), "mesh": (library_of([cut(donor, seen, np.arange(4))], joined), joined)}
    for settings in params.swap.values():
        clips = read_split(layout.split("Baseline")).clips
        yield [clip.clip for clip in choose(clips, settings.clips_per_gloss, settings.seed)]
        yield [layout.landmarks(name) for name in (settings.donor, settings.signers)]
        yield swap_frames(frames, landmarks, models[settings.method], settings)[0].tobytes()
        yield failures({"identity": {"moved": 0.8}, "kept": 0.8}, settings)


def recipes(params, layout):
    there, clips = Layout(layout.root / "splits"), read_split(layout.split("Baseline")).clips
    for source in params.corpus.sources:
        write_manifest(there.source_manifest(source), [clip for clip in clips if clip.source == source])
    for name in params.sets:
        copies = [replace(clip, clip=f"{name}-{clip.clip}", set=name, parent=clip.clip) for clip in clips]
        write_manifest(there.set_manifest(name), copies)
    for recipe, settings in params.recipes.items():
        split(params, there, recipe)
        made = read_split(there.split(recipe))
        runs = runs_of(params, "i3d", recipe)
        yield there.split(recipe).read_text(), runs
        yield [clip.gloss for run in runs for clip in learned_clips(settings, made, run)]
        yield find_recogniser("i3d").facts(params.train["i3d"], there, made.clips, settings.equal_steps)


def recogniser(params, layout):
    split, folders = read_split(layout.split("Baseline")), (Path("models"), Path("curves"))
    training = Training(jobs_of(params, layout, split, "i3d", "Baseline", *folders)[0])
    while not training.done:
        training.run_epoch(len(training.history) + 1)
    return weights(training.model), known_clip(params.train["landmarks"])


def known_clip(settings):
    """What a clip of a left-handed signer, with both hands, is compared by, and how far it is from its mirror image."""
    body, hands, world = film(20, lead=0)
    other = film(20, seed=1)
    hands[:, 1], world[:, 1] = other[1][:, 1], other[2][:, 1]
    drawn = replace(no_landmarks(20), body=body, hands=hands, hands_world=world)
    signing = signing_of(drawn, 25, settings)
    vectors = np.eye(4, dtype=np.float32)
    known = [Example(signing, vectors[:2]), Example(mirrored(signing), vectors[:2])]
    index = made_index(known, "AB", "ab", {"params": as_dict(settings)})
    far = Example(signing_of(replace(drawn, hands=hands[::-1].copy()), 25, settings), vectors[[1, 0]])
    return [getattr(signing, name).tobytes() for name in PARTS], index.distances(far).tolist()


def encoder(params, layout):
    settings = params.pretrain
    return weights(trained(settings, random_signings(settings.signs, settings.takes, settings.seed)))


def weights(network):
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in network.state_dict().values())).hexdigest()


def scores(params, layout):
    return summary([{"rank": 1, "gloss": "NO", "gloss_1": "NO"}], params.evaluate.topk)


def page(params, layout):
    clip = read_split(layout.split("Baseline")).clips[0]
    return Pictures(layout.root, params.report.show_faces, read_consent(params, layout)).strip(clip)


MAKES = {
    "corpus": corpus, "synthesise": synthesised, "ingest": ingested, "validate": corpus, "landmarks": landmarks,
    "swap-train": swap_models, "swap": swapped, "recipes": recipes, "test_sources": recipes, "train": recogniser,
    "validation_source": recipes, "pretrain": encoder,
    "evaluate": scores, "report": page,
}  # fmt: skip


def made(section, params, layout):
    result = MAKES[section](params, layout)
    return list(result) if section in ("recipes", "swap", "test_sources", "validation_source") else result


@pytest.fixture(scope="module")
def before(toy):
    """What every section's stage makes of the study as it is."""
    params = check_params(study())
    return {section: made(section, params, toy) for section in MAKES}


@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES if leaf not in NO_RESULT])
def test_another_value_changes_an_output_or_is_refused(leaf, toy, before):
    section = leaf.split(".")[0]
    try:
        params = check_params(changed(leaf))
        names_stages = any(f"${{{leaf}}}" in matrix.values() for matrix in MATRICES)
        after = None if names_stages else made(section, params, toy)
    except CalseError:
        return
    assert names_stages or after != before[section]


def test_what_changes_no_result_is_a_parameter_still():
    assert set(NO_RESULT) <= set(LEAVES)
    assert {leaf.split(".")[0] for leaf in LEAVES} - set(MAKES) == {"omit"}
