"""dlib's published face recognition network, run by the interpreter of the landmark models: in a ninth of dlib's time.

The residual network of dlib's example `dnn_face_recognition_ex.cpp`; its file holds the weights. dlib's wheel computes
without BLAS. Embeddings differ by less than a millionth.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calse.landmarks.record import Floats
from calse.landmarks.tflite import interpreter
from calse.runtime.errors import CalseError

SIDE = 150  # pixels of the picture that the network takes
_MEAN, _RANGE = np.array([122.782, 117.001, 104.298], np.float32), np.float32(256)
_LAYER = re.compile(rb"(con_4|affine_|fc_2)")


class Layer(NamedTuple):
    """A convolution: weights `out x height x width x in`, biases `out`, and its step in pixels."""

    weights: Floats
    biases: Floats
    step: int


class Embedder:
    """The network, ready to run on one thread."""

    def __init__(self, path: Path) -> None:
        """Read dlib's file. Raises CalseError when it is another one."""
        try:
            self._model = as_tflite(path.read_bytes())  # the interpreter copies nothing
        except (IndexError, ValueError) as error:
            raise CalseError(f"{path} is not dlib's face recognition network: {error}") from None
        self._interpreter = interpreter(model_content=self._model)
        self._input, self._output = (
            part[0]["index"] for part in (self._interpreter.get_input_details(), self._interpreter.get_output_details())
        )

    def __call__(self, chip: NDArray[np.uint8]) -> Floats:
        """Return the embedding, `128`, of a face `150 x 150 x 3` RGB that dlib has cut out."""
        self._interpreter.set_tensor(self._input, ((chip - _MEAN) / _RANGE)[None])
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output).ravel(), np.float32)


def read_layers(file: bytes) -> list[Layer]:
    """Return the convolutions of dlib's file, in their order, each with the affine layer behind it folded in.

    Raises ValueError when it is another file.
    """
    layers: list[Layer] = []
    for found in _LAYER.finditer(file):
        kind, place = found.group(), found.end()
        if kind == b"fc_2":
            _, place = _integers(file, place, 2)
            values, _ = _tensor(file, place)  # in x out, no biases
            layers.append(
                Layer(np.ascontiguousarray(values.T)[:, None, None], np.zeros(values.shape[1], np.float32), 1)
            )
            continue
        values, place = _tensor(file, place)
        if kind == b"affine_":
            gain, offset = values.reshape(2, -1)
            weights, biases, step = layers[-1]
            layers[-1] = Layer(weights * gain[:, None, None, None], biases * gain + offset, step)
        else:
            (count, height, width, step, *_, of), _ = _integers(file, place, 10)
            weights = values[:-count].reshape(count, of, height, width).transpose(0, 2, 3, 1)
            layers.append(Layer(weights, values[-count:].ravel(), step))
    if len(layers) != 30:
        raise ValueError(f"holds {len(layers)} of the network's 30 layers")
    return layers


def _integers(file: bytes, place: int, count: int) -> tuple[list[int], int]:
    """Return numbers as dlib writes them, each behind the number of its bytes, and the place after them."""
    numbers = []
    for _ in range(count):
        size = file[place] & 15
        numbers.append(int.from_bytes(file[place + 1 : place + 1 + size], "little"))
        place += 1 + size
    return numbers, place


def _tensor(file: bytes, place: int) -> tuple[Floats, int]:
    """Return the array that stands at a place of the file, its first axis and the rest."""
    (_, *shape), place = _integers(file, place, 5)
    values = np.frombuffer(file, "<f4", int(np.prod(shape)), place)
    return values.reshape(shape[0], -1), place + values.nbytes


class _Graph:
    """A TFLite model that grows layer by layer; tensors are known by their number and have a shape of four."""

    def __init__(self) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema = schema
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._model = schema.ModelT()
        self._model.version, self._model.subgraphs = 3, [self._graph]
        self._model.buffers, self._model.operatorCodes = [schema.BufferT()], []
        self.shapes: list[tuple[int, ...]] = []

    def tensor(self, shape: Sequence[int], values: Any = None) -> int:
        """Add a tensor, which holds `values` or what an operator puts in; return its number."""
        one = self._schema.TensorT()
        one.shape, one.type = list(shape), self._schema.TensorType.FLOAT32
        if values is not None:
            one.type = one.type if values.dtype == np.float32 else self._schema.TensorType.INT32
            one.buffer = len(self._model.buffers)
            buffer = self._schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
            self._model.buffers.append(buffer)
        self._graph.tensors.append(one)
        self.shapes.append(tuple(shape))
        return len(self.shapes) - 1

    def put(self, kind: str, inputs: list[int], shape: Sequence[int], options: str, **settings: int) -> int:
        """Add an operator with its options; return the number of the tensor that it makes, of that shape."""
        code, one = self._schema.OperatorCodeT(), self._schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(self._schema.BuiltinOperator, kind)
        one.opcodeIndex, one.inputs, one.outputs = len(self._model.operatorCodes), inputs, [self.tensor(shape)]
        one.builtinOptionsType = getattr(self._schema.BuiltinOptions, options)
        one.builtinOptions = getattr(self._schema, f"{options}T")()
        for name, value in settings.items():
            setattr(one.builtinOptions, name, value)
        self._model.operatorCodes.append(code)
        self._graph.operators.append(one)
        return int(one.outputs[0])

    def convolved(self, at: int, layer: Layer, relu: bool) -> int:
        """Add a convolution; one that steps by a pixel keeps the size, others leave out what they do not reach."""
        count, kernel, _, _ = layer.weights.shape
        same = layer.step == 1
        _, height, width, _ = self.shapes[at]
        reached = [side if same else (side - kernel) // layer.step + 1 for side in (height, width)]
        held = [self.tensor(part.shape, part.astype(np.float32)) for part in (layer.weights, layer.biases)]
        padding = self._schema.Padding.SAME if same else self._schema.Padding.VALID
        settings = {"padding": padding, "strideW": layer.step, "strideH": layer.step, "fusedActivationFunction": relu}
        return self.put("CONV_2D", [at, *held], (1, *reached, count), "Conv2DOptions", **settings)

    def pooled(self, kind: str, at: int, side: int, step: int) -> int:
        """Add the maximum or the mean of squares of pixels."""
        _, height, width, channels = self.shapes[at]
        shape = (1, (height - side) // step + 1, (width - side) // step + 1, channels)
        settings = {"padding": self._schema.Padding.VALID, "strideW": step, "strideH": step}
        return self.put(kind, [at], shape, "Pool2DOptions", **settings, filterWidth=side, filterHeight=side)

    def padded(self, at: int, shape: Sequence[int]) -> int:
        """Add zeros behind the last row, column and channel."""
        if self.shapes[at] == tuple(shape):
            return at
        more = np.array([[0, new - old] for new, old in zip(shape, self.shapes[at], strict=True)], np.int32)
        return self.put("PAD", [at, self.tensor((4, 2), more)], shape, "PadOptions")

    def added(self, one: int, other: int) -> int:
        """Add two tensors, the smaller one padded, and cut off what is negative."""
        shape = np.maximum(self.shapes[one], self.shapes[other]).tolist()
        both = [self.padded(one, shape), self.padded(other, shape)]
        return self.put("ADD", both, shape, "AddOptions", fusedActivationFunction=1)

    def packed(self, start: int, end: int) -> bytes:
        """Return the model's file."""
        import flatbuffers

        self._graph.inputs, self._graph.outputs = [start], [end]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def as_tflite(file: bytes) -> bytes:
    """Return the network in dlib's file as a TFLite model. Raises ValueError or IndexError for another file."""
    graph, layers = _Graph(), read_layers(file)
    start = graph.tensor((1, SIDE, SIDE, 3))
    at = graph.pooled("MAX_POOL_2D", graph.convolved(start, layers[0], relu=True), 3, 2)
    for first, second in zip(layers[1:-1:2], layers[2:-1:2], strict=True):
        before = at if first.step == 1 else graph.pooled("AVERAGE_POOL_2D", at, 2, 2)
        at = graph.added(before, graph.convolved(graph.convolved(at, first, relu=True), second, relu=False))
    mean = graph.pooled("AVERAGE_POOL_2D", at, graph.shapes[at][1], 1)
    return graph.packed(start, graph.convolved(mean, layers[-1], relu=False))
