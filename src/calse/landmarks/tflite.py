"""TFLite models on one thread: the clips are what runs side by side."""

from pathlib import Path

import numpy as np

from calse.landmarks.record import Floats


class Network:
    """A model that takes one square picture; `size` is the picture's side in pixels."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        picture = self._interpreter.get_input_details()[0]
        self._input, self.size = picture["index"], int(picture["shape"][1])
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def __call__(self, picture: Floats) -> list[Floats]:
        """Return every output for a `size x size x 3` picture, flattened, in the model's own order."""
        self._interpreter.set_tensor(self._input, picture[None].astype(np.float32, copy=False))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output).ravel() for output in self._outputs]


def sigmoid(logits: Floats) -> Floats:
    """Return logits as shares of 1; wild ones overflow nothing."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -80, 80))), np.float32)
