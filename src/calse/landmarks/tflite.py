"""TFLite models on one thread: the clips are what runs side by side."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calse.landmarks.record import Floats

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter


class Network:
    """A model that takes one square picture; `size` is the picture's side in pixels.

    `outputs` are those that are computed, by place in the file; all without.
    """

    def __init__(self, path: Path, outputs: Sequence[int] | None = None) -> None:
        self._model = None if outputs is None else pruned(path.read_bytes(), outputs)  # the interpreter copies nothing
        source = {"model_path": str(path)} if self._model is None else {"model_content": self._model}
        self._interpreter = interpreter(**source)
        picture = self._interpreter.get_input_details()[0]
        self._input, self.size = picture["index"], int(picture["shape"][1])
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def __call__(self, picture: Floats) -> list[Floats]:
        """Return every output for a `size x size x 3` picture, flattened, in the model's own order."""
        self._interpreter.set_tensor(self._input, picture[None].astype(np.float32, copy=False))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output).ravel() for output in self._outputs]


def interpreter(**source: Any) -> "Interpreter":
    """Return a model ready to run on one thread; `source` is its `model_path`, or its bytes as `model_content`."""
    from ai_edge_litert.interpreter import Interpreter

    made = Interpreter(**source, num_threads=1)
    with _muted_stderr():
        made.allocate_tensors()
    return made


@contextmanager
def _muted_stderr() -> Iterator[None]:
    """Keep away from users what no setting of the library turns off: its errors are exceptions.

    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU." would stand in every progress bar.
    """
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def pruned(model: bytes, outputs: Sequence[int]) -> bytes:
    """Return a model without the operators that serve other outputs only: the interpreter would run them all."""
    import flatbuffers
    from ai_edge_litert.schema_py_generated import ModelT

    parsed = ModelT.InitFromPackedBuf(model, 0)
    graph = parsed.subgraphs[0]
    graph.outputs = [graph.outputs[place] for place in outputs]
    graph.operators = _needed(graph.operators, graph.outputs)
    parsed.signatureDefs = None  # they name the outputs that are gone
    builder = flatbuffers.Builder(len(model))
    builder.Finish(parsed.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _needed(operators: Sequence[Any], tensors: Sequence[int]) -> list[Any]:
    """Return the operators, in their order, of which tensors are made."""
    wanted, kept = set(tensors), []
    for operator in reversed(operators):  # whose order is that of execution
        if wanted & set(operator.outputs):
            wanted |= set(operator.inputs)
            kept.append(operator)
    return kept[::-1]


def sigmoid(logits: Floats) -> Floats:
    """Return logits as shares of 1; wild ones overflow nothing."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -80, 80))), np.float32)
