"""The encoder: signing to a vector, near for takes of one sign and far for different signs."""

from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from calse.recognition.architectures.landmarks.encoder_input import NUMBERS, Variation, frame_numbers, varied
from calse.recognition.architectures.landmarks.signing import FRAMES, Floats, Signing
from calse.runtime.errors import CalseError

WIDTH, SIZE = 96, 128
COPIES = 8  # mildly varied ones that an embedding is the mean of, beside the clip itself
MILD = 1 / 3
SEED = 1974  # of those copies: the same for every clip, so that no embedding depends on its neighbours


class Residual(nn.Module):
    """Two convolutions over time round which the input is led."""

    def __init__(self) -> None:
        """Build the layers."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(WIDTH, WIDTH, 5, padding=2, bias=False),
            nn.BatchNorm1d(WIDTH),
            nn.SiLU(),
            nn.Conv1d(WIDTH, WIDTH, 5, padding=2, bias=False),
            nn.BatchNorm1d(WIDTH),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map N x WIDTH x T to the same shape."""
        return functional.silu(x + self.layers(x))


class Encoder(nn.Module):
    """Convolutions over time, one transformer block, mean and maximum over time; 0.34 M parameters."""

    def __init__(self) -> None:
        """Build the layers with torch's own random start."""
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(NUMBERS, WIDTH, 1), nn.BatchNorm1d(WIDTH))
        self.blocks = nn.Sequential(Residual(), Residual())
        self.positions = nn.Parameter(torch.zeros(1, FRAMES, WIDTH))
        self.transformer = nn.TransformerEncoderLayer(
            WIDTH, 4, 2 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.last = nn.Linear(2 * WIDTH, SIZE)

    def forward(self, numbers: Tensor) -> Tensor:
        """Return embeddings of length 1, N x SIZE, of frame numbers N x T x NUMBERS."""
        over_time = self.blocks(self.first(numbers.transpose(1, 2))).transpose(1, 2)
        encoded = self.transformer(over_time + self.positions)
        return functional.normalize(self.last(torch.cat([encoded.mean(1), encoded.amax(1)], 1)), dim=1)

    @torch.inference_mode()
    def embed(self, signings: Signing) -> Floats:
        """Return one embedding of length 1 for each of N clips, N x SIZE: the mean over each and its varied copies."""
        self.eval()
        return np.stack([self._embed(signings.take([number] * COPIES)) for number in range(len(signings.mask))])

    def _embed(self, copies: Signing) -> Floats:
        changed = varied(copies, Variation() * MILD, np.random.default_rng(SEED))
        numbers = np.concatenate([frame_numbers(copies.take([0])), frame_numbers(changed)])
        return np.asarray(functional.normalize(self(torch.from_numpy(numbers)).mean(0), dim=0))


def load_encoder(path: Path) -> Encoder:
    """Read an encoder that `calse pretrain` wrote. Raises CalseError naming the file when it is none."""
    encoder = Encoder()
    try:
        encoder.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CalseError(f"{path} holds no encoder; git checkout it, or: calse pretrain ({str(error)[:100]})") from None
    return encoder.eval()
