"""The stage `swap-train` for this method: the network that puts one donor's face on the signers."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from calse.config.params import Params, as_dict
from calse.data.clips import Clip
from calse.data.manifests import read_manifest, write_rows
from calse.data.paths import Layout
from calse.faceswap.methods.autoencoder.method import WEIGHTS, Settings
from calse.faceswap.methods.autoencoder.model.augmentation import MARGIN
from calse.faceswap.methods.autoencoder.model.network import SwapNetwork
from calse.faceswap.methods.autoencoder.model.preview import write_preview
from calse.faceswap.methods.autoencoder.model.training import SwapTraining
from calse.faceswap.methods.autoencoder.model.training_faces import cut_faces
from calse.faceswap.registry import INFO
from calse.landmarks.generated import landmarks_hash
from calse.runtime.executor import progress_bar
from calse.runtime.files import atomic_folder, sha256_of, write_json
from calse.runtime.fingerprint import TRAINING, code, code_of_stage
from calse.runtime.repository import scratch


def train(params: Params, layout: Layout, set_name: str) -> None:
    """Train a set's model, or go on where an interrupted training stopped.

    Writes models/faceswap/<SET> and the losses of every iteration. Faces and states lie in the scratch folder until
    the training is done; preview pictures stay there. Raises CalseError for an unknown donor, a missing
    or changed clip, and a loss that is not finite.
    """
    settings, swap = params.swap_train["autoencoder"], params.swap[set_name]
    donor, previews = swap.donor, scratch() / "previews" / set_name
    print(f"look at what the network makes of faces, every {settings.preview_every} iterations: {previews}")
    torch.set_num_threads(max(1, settings.threads // 2))  # for each of the two identities
    people = read_manifest(layout.source_manifest(swap.signers)), read_manifest(layout.source_manifest(donor))
    info = _describe(settings, layout, donor, people)
    folder = (
        scratch()
        / "swap-train"
        / f"{info['fingerprint']}-{code(code_of_stage('swap-train', method='autoencoder'), TRAINING)[:8]}"
    )
    faces = cut_faces(people, folder / "faces", settings, MARGIN, layout, f"faces {donor}")
    training = SwapTraining(settings, faces[0], faces[1])
    info |= {"device": training.device.type, "precision": training.precision, "precision_reason": training.reason}
    _run(training, folder / "state.pt", previews, donor)
    save_model(layout.swap_model(set_name), training.network, info)
    rows = [
        {"iteration": number, "signer": f"{of_signer:.6f}", "donor": f"{of_donor:.6f}"}
        for number, (of_signer, of_donor) in enumerate(training.history, start=1)
    ]
    write_rows(layout.metrics("swap-train") / f"{set_name}.csv", ["iteration", "signer", "donor"], rows)
    shutil.rmtree(folder)


def _run(training: SwapTraining, state: Path, previews: Path, donor: str) -> None:
    """Train to the end with progress; every `preview_every` iterations keep the state and draw a preview."""
    training.restore(state)
    settings = training.settings
    with progress_bar() as progress:
        progress.console.print(f"training in {training.precision} on {training.device.type}: {training.reason}")
        task = progress.add_task(donor, total=settings.iterations, completed=training.done)
        while training.done < settings.iterations:
            of_signer, of_donor = training.step()
            rate = progress.tasks[task].speed or 0
            text = f"{donor} loss {of_signer:.3f} {of_donor:.3f}, {rate:.1f} it/s"
            progress.update(task, completed=training.done, description=text)
            if training.done % settings.preview_every == 0 or training.done == settings.iterations:
                training.save(state)
                write_preview(previews / f"{training.done:06d}.png", training)


def _describe(settings: Settings, layout: Layout, donor: str, people: tuple[list[Clip], list[Clip]]) -> dict[str, Any]:
    """Return what the model's JSON says of its making; the fingerprint changes with the settings and the data."""
    sources = sorted({clip.source for clips in people for clip in clips})
    info = {
        "donor": donor,
        "method": "autoencoder",
        "signers": sorted({clip.signer for clip in people[0]}),
        "params": as_dict(settings),
        "data": {name: sha256_of(layout.source_manifest(name)) for name in sources},
    }
    digest = hashlib.sha256(json.dumps(info, sort_keys=True).encode())
    for clip in [*people[0], *people[1]]:
        digest.update(landmarks_hash(clip, layout).encode())
    return info | {"fingerprint": digest.hexdigest()[:16]}


def save_model(folder: Path, network: SwapNetwork, info: dict[str, Any]) -> None:
    """Write a model's folder in one step; equal weights and info give equal bytes."""
    state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_folder(folder) as aside:
        save_file(state, aside / WEIGHTS)
        write_json(aside / INFO, info)
