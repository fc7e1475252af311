"""Scores of decoded clips by a trained network."""

from collections.abc import Iterable
from itertools import chain, islice
from typing import Any

import numpy as np

from calse.recognition.input.views import batch_of

BEST = 10


def best_first(scores: np.ndarray) -> np.ndarray:
    """Order classes from the highest of scores K to the lowest; ties by index."""
    return np.argsort(-scores, kind="stable")


def predict(model: Any, info: dict[str, Any], clips: Iterable[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return scores K and probabilities K of decoded clips T x H x W x 3 uint8, by a network and its JSON.

    In fp32 and with the batches and threads of its training, so that equal weights give equal digits. Clips are taken
    one at a time: thousands of memory maps may be opened as they are asked for.
    """
    import torch

    from calse.recognition.checkpoint import settings_of
    from calse.recognition.input.transforms import network_input, placed
    from calse.recognition.network import find_network
    from calse.recognition.training.losses import clip_scores, probabilities
    from calse.runtime.device import choose_device

    settings, statistics = settings_of(info), find_network(info["recogniser"]).statistics
    torch.set_num_threads(settings.threads)
    device = choose_device()
    model = placed(model, device)
    results: list[tuple[np.ndarray, np.ndarray]] = []
    coming, size = iter(clips), settings.optim.micro_batch or settings.optim.batch
    for first in coming:
        batch = batch_of(chain([first], islice(coming, size - 1)), settings.input)
        with torch.inference_mode():
            inputs = network_input(batch, settings.input, statistics, device)
            scores = clip_scores(model(inputs), settings.optim.loss)
            pair = scores, probabilities(scores, settings.optim.loss)
        results += zip(*(values.cpu().numpy() for values in pair), strict=True)
    return results
