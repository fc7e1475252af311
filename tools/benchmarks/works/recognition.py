"""Training steps and the way from a clip to a training tensor."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from benchmarks.machine import Copy, Gemm, cores
from benchmarks.material import CLASSES, filmed, preset, settings_of, training_on, write_clip
from benchmarks.memory import peak_of_step
from benchmarks.peers.i3d import plain_step
from benchmarks.peers.loader import published_clip
from benchmarks.race import Figure, Race, Setting, Times, fact, ratio
from calse.config.params import Params
from calse.data.paths import Layout
from calse.recognition.architectures.i3d.network import I3D
from calse.recognition.input.frames import short_side, shrink
from calse.recognition.input.frames_cache import open_frames
from calse.recognition.input.resident import Resident
from calse.recognition.input.transforms import network_input
from calse.recognition.input.views import batch_of
from calse.recognition.settings import Input, NetworkSettings
from calse.recognition.training import fit
from calse.recognition.training.fit import Training
from calse.runtime.prefetch import prefetched

CLIPS = 8  # a batch, each clip cropped and flipped as training draws it


def i3d_112(setting: Setting) -> Race:
    """A step of the full network on 8 clips of 16 x 112 x 112."""
    frames, size, batch = (9, 32, 2) if setting.tiny else (16, 112, 8)
    params = preset("calse-100", frames=frames, size=size, batch=batch, threads=cores())
    return step_race(setting, params, f"I3D step {frames} x {size}, batch {batch}", 3.0, 75)


def i3d_224(setting: Setting) -> Race:
    """A step of the full network on one clip of 64 x 224 x 224, and the memory that a clip of a batch of two takes."""
    frames, size = (9, 32) if setting.tiny else (64, 224)
    params = preset("calse-100", frames=frames, size=size, batch=1, threads=cores())
    name = f"I3D step {frames} x {size}"
    race = step_race(setting, params, f"{name}, batch 1", 2.5, 75)
    peer = peak_of_step("published", frames, size)
    memory = [fact(f"{name}: memory of a clip, ours / published class", "x", peak_of_step("ours", frames, size) / peer)]
    memory += [
        fact(f"{name}: memory, {how}, ours / published class", "x", peak_of_step(mode, frames, size) / peer, 0.5, True)
        for mode, how in (("micro", "a clip at a time"), ("recompute", "layers computed twice"))
    ]
    return replace(race, figures=race.figures + memory)


def i3d_small(setting: Setting) -> Race:
    """A step of the demo's network, at 64 pixels whatever size the demo trains at: figures stay comparable."""
    params = demo(setting, size=64)
    settings = settings_of(params)
    shown = f"{settings.input.frames} x {settings.input.size}"
    name = f"I3D step, width {settings.model.width}, {shown}, batch {settings.optim.batch}"
    return step_race(setting, params, name, 2.0, None)


def demo(setting: Setting, **changes: int) -> Params:
    """Return the embedded corpus's parameters, on all cores."""
    tiny = {"frames": 9, "size": 32, "batch": 2} if setting.tiny else {}
    return preset("synthetic", **changes | tiny, threads=cores())


def step_race(setting: Setting, params: Params, name: str, target: float, share: float | None) -> Race:
    """Race a whole step of ours, loading included, against the published class in fp32, its clips ready in memory."""
    settings, batch_size = settings_of(params), settings_of(params).optim.batch
    ours = training_on(setting.folder, params, batch_size)
    plain, epochs = plain_step(settings), itertools.count(1)
    batch = batch_of([open_frames(path) for path in ours.job.inputs], settings.input)
    clips = network_input(batch, settings.input, None, torch.device("cpu")).contiguous()
    labels = torch.tensor(ours.job.labels)
    gemm = Gemm(torch.bfloat16 if ours.precision.name == "bf16" else torch.float32, 256 if setting.tiny else 2048)
    flops = batch_size * flops_of(settings)

    def share_of_peak(times: Times) -> float:
        return 100 * (flops / times["ours"]) / (gemm.flops / times["gemm"])

    return Race(
        sides={
            "ours": lambda: ours.run_epoch(next(epochs)),
            "published": lambda: plain(clips, labels),
            "gemm": gemm,
        },
        figures=[
            ratio(f"{name}: published class in fp32 / ours in {ours.precision.name}", "published", "ours", target),
            Figure(f"{name}: share of the {ours.precision.name} GEMM rate", "%", share_of_peak, share),
        ],
        threads=settings.threads,
    )


def flops_of(settings: NetworkSettings) -> float:
    """Return the operations of forward and backward for one clip; a multiplication and its sum are two."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        shown = settings.input
        logits = I3D(CLASSES, settings.model.width)(torch.empty(1, 3, shown.frames, shown.size, shown.size))
        logits.sum().backward()
    return float(counter.get_total_flops())


def loader(setting: Setting) -> Race:
    """From clips to one uint8 batch in memory, from the second epoch on; the published loader reads the original video.

    What the batch still needs, brightness and standardising, is the first of the step's arithmetic, on the device that
    trains; that, too, on the CPU is the second figure.
    """
    shown, video, kept = clips_to_load(setting)
    rng, clips = np.random.default_rng(0), Resident(torch.device("cpu"))
    buffer = np.ones((CLIPS, shown.frames, shown.size, shown.size, 3), np.uint8)
    size = f"{shown.frames} x {shown.size}"

    def per_clip(times: Times) -> float:
        return CLIPS * times["published"] / times["ours"]

    return Race(
        sides={
            "ours": lambda: batch_of([clips.open(path) for path in kept], shown, [rng] * CLIPS, buffer),
            "floats": lambda: loaded(kept[0], shown),
            "published": lambda: published_clip(video, rng, shown.frames, shown.size),
            "copy": Copy(buffer.nbytes),
        },
        figures=[
            Figure(f"clip to uint8 batch, {size}: CPU, published loader (to floats) / ours", "x", per_clip, 100),
            ratio(f"clip to float tensor, {size}: CPU, published loader / ours", "published", "floats"),
            ratio(f"clip to uint8 batch, {size}: CPU, ours / a copy of its bytes", "ours", "copy"),
        ],
        clock=time.process_time,
    )


def loader_workers(setting: Setting) -> Race:
    """Clips loaded in one and in two threads; and what the demo's steps wait for theirs."""
    shown, _, files = clips_to_load(setting)
    one, two = (setting.cleanup.enter_context(ThreadPoolExecutor(workers)) for workers in (1, 2))
    params = demo(setting)
    waits = waiting_race(training_on(setting.folder, params, 6 * settings_of(params).optim.batch))
    return Race(
        sides={
            "one": lambda: list(one.map(partial(loaded, shown=shown), files)),
            "two": lambda: list(two.map(partial(loaded, shown=shown), files)),
            **waits.sides,
        },
        figures=[ratio("clip to tensor: 1 worker / 2", "one", "two"), *waits.figures],
    )


def clips_to_load(setting: Setting) -> tuple[Input, Path, list[Path]]:
    """Write a 640 x 360 video, and files of the frames that are kept of it; return settings, video and files."""
    frames, size = (9, 32) if setting.tiny else (64, 224)
    params, layout = preset("calse-100", frames=frames, size=size), Layout(setting.folder)
    pictures = filmed(frames + 11, 64 if setting.tiny else 360, 16 / 9)
    kept = [setting.folder / f"kept-{number}.npy" for number in range(CLIPS)]
    for path in kept:
        np.save(path, shrink(pictures, short_side(size)))
    return settings_of(params).input, layout.root / write_clip(layout, "original", pictures).path, kept


def loaded(kept: Path, shown: Input) -> Tensor:
    """Return a training tensor of a kept clip."""
    batch = batch_of([open_frames(kept)], shown, [np.random.default_rng(1)])
    return network_input(batch, shown, None, torch.device("cpu"))


def waiting_race(training: Training) -> Race:
    """Return a race of one side: an epoch, and the seconds in it that the steps waited for clips."""
    epochs, waited = itertools.count(1), [0.0]

    def epoch() -> Times:
        waited[0] = 0.0
        with patch.object(fit, "prefetched", partial(watched, prefetched, waited)):
            training.run_epoch(next(epochs))
        return {"waited": waited[0]}

    share = Figure("share of an epoch that waits for clips", "%", lambda t: 100 * t["waited"] / t["epoch"], 5, True)
    return Race({"epoch": epoch}, [share])


def watched(original: Any, waited: list[float], *arguments: Any) -> Any:
    """Yield what the loader yields and add up the seconds until it came."""
    batches, end = iter(original(*arguments)), object()
    while True:
        start = time.perf_counter()
        batch = next(batches, end)
        waited[0] += time.perf_counter() - start
        if batch is end:
            return
        yield batch
