"""The stage `pretrain`: an encoder of signing that has met nobody's language, learned from random signs."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from calse.config.params import Params, Pretrain, as_dict
from calse.data.paths import Layout
from calse.recognition.architectures.landmarks.encoder import Encoder
from calse.recognition.architectures.landmarks.encoder_input import Variation, frame_numbers, varied
from calse.recognition.architectures.landmarks.normalise import normalise
from calse.recognition.architectures.landmarks.signing import Signing, stacked
from calse.runtime.executor import map_parallel, progress_bar
from calse.runtime.files import atomic_file, sha256_of, write_json
from calse.runtime.fingerprint import code_of_stage, meaning_of
from signers.performances import FPS, perform

TEMPERATURE = 0.1
SIGNS_A_STEP = 40  # two takes each
PEAK, DECAY = 2e-3, 0.05  # of the one-cycle learning rate; of AdamW's weights
HELD_OUT = 100  # signs of another seed, two takes each, that say how well it learned


def pretrain(params: Params, layout: Layout, again: bool) -> None:
    """Write `encoder.safetensors` and `encoder.json`, unless the ones that lie there come of these settings and code.

    `again` trains in any case. One machine makes equal bytes every time; others, with another processor or torch, make
    other bytes, as good. That is why the encoder is shipped, and kept.
    """
    settings, path = params.pretrain, layout.encoder()
    origin: dict[str, Any] = {"settings": as_dict(settings), "code": meaning_of(code_of_stage("pretrain"))}
    if not again and _comes_of(origin, path):
        print(f"{path} comes of these settings and this code: kept; train it in any case: calse pretrain --again")
        return
    before = sha256_of(path) if path.is_file() else ""
    encoder = trained(settings, random_signings(settings.signs, settings.takes, settings.seed))
    held_out = random_signings(HELD_OUT, 2, settings.seed + 1)
    torch.manual_seed(settings.seed)
    figures = {"trained": right(encoder, held_out), "untrained": right(Encoder(), held_out)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as aside:
        save_file({name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}, aside)
    write_json(path.with_suffix(".json"), {**origin, "sha256": sha256_of(path), "held_out_top1": figures})
    same = "the same bytes as before" if sha256_of(path) == before else "new bytes"
    print(f"{path}: {same}; right on {figures['trained']:.0%} of {HELD_OUT} held-out signs")


def _comes_of(origin: dict[str, Any], path: Path) -> bool:
    """Tell whether an encoder lies there whole, made from these settings by this code."""
    try:
        info = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return {name: info[name] for name in origin} == origin and bool(info["sha256"] == sha256_of(path))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def random_signings(signs: int, takes: int, seed: int) -> Signing:
    """Return `takes` performances of each of so many random signs, sign by sign."""
    make = partial(_random_signing, takes=takes, seed=seed)
    return stacked([one for some in map_parallel(make, range(signs), "random signs") for one in some])


def _random_signing(sign: int, takes: int, seed: int) -> list[Signing]:
    found = [perform(sign, take, seed) for take in range(takes)]
    return [normalise(one.body, one.hands, one.world, FPS) for one in found]


def trained(settings: Pretrain, signings: Signing) -> Encoder:
    """Return an encoder trained on signings that lie there sign by sign."""
    torch.set_num_threads(1)  # sums depend on it
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    encoder = Encoder().train()
    optimiser = torch.optim.AdamW(encoder.parameters(), PEAK, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK, total_steps=settings.steps)
    with progress_bar() as progress:
        for _ in progress.track(range(settings.steps), description="pretrain"):
            signs = rng.choice(settings.signs, min(SIGNS_A_STEP, settings.signs), replace=False)
            takes = np.argsort(rng.random((len(signs), settings.takes)), axis=1)[:, :2]
            numbers = _numbers(signings, (signs[:, None] * settings.takes + takes).ravel(), rng)
            loss = contrastive_loss(encoder(numbers), torch.from_numpy(np.repeat(signs, 2)))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return encoder.eval()


def _numbers(signings: Signing, chosen: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Return the frame numbers of chosen clips, each varied at random."""
    return torch.from_numpy(frame_numbers(varied(signings.take(chosen), Variation(), rng)))


def contrastive_loss(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Return the supervised contrastive loss (Khosla et al. 2020, eq. 2) of embeddings N x D of length 1."""
    alike = embeddings @ embeddings.T / TEMPERATURE
    oneself = torch.eye(len(labels), dtype=torch.bool)
    shares = alike - torch.logsumexp(alike.masked_fill(oneself, -torch.inf), 1, keepdim=True)
    same = (labels[:, None] == labels[None]) & ~oneself
    return -shares[same].mean()


@torch.inference_mode()
def right(encoder: Encoder, signings: Signing) -> float:
    """Return the share of signs whose first take, varied, is nearest to their second among all second ones."""
    numbers = _numbers(signings, np.arange(len(signings.mask)), np.random.default_rng(1))
    embeddings = encoder.eval()(numbers)
    nearest = (embeddings[0::2] @ embeddings[1::2].T).argmax(1)
    return round(float((nearest == torch.arange(len(nearest))).float().mean()), 4)
