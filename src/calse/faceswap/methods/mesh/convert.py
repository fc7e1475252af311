"""Drawing the donor onto the signer's mesh, frame by frame."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from calse.data.paths import Layout
from calse.faceswap.align import smooth
from calse.faceswap.mask import face_mask, face_width
from calse.faceswap.methods.mesh import colours
from calse.faceswap.methods.mesh.choice import choose
from calse.faceswap.methods.mesh.compositing import BARE, add_weighted, blend_weights, composite, visibility
from calse.faceswap.methods.mesh.method import LIBRARY, Options
from calse.faceswap.methods.mesh.model.library import Library, load_library, spread
from calse.faceswap.methods.mesh.model.pose import Posed, posed
from calse.faceswap.methods.mesh.model.topology import OPENINGS, Numbers, Topology, facing, outwards
from calse.faceswap.methods.mesh.model.train import topology
from calse.faceswap.methods.mesh.openings import SAMPLED, Occlusion, bare_skin, opened, rings_of
from calse.faceswap.methods.mesh.surface import Surface, surface_of
from calse.faceswap.points import fit
from calse.faceswap.registry import check_model, how_to_mend
from calse.landmarks.record import Landmarks
from calse.runtime.errors import CalseError

Pictures = NDArray[np.uint8]
Floats = NDArray[np.float32]
STEADY = 1.0  # frames, half-life of the pose that carries the donor's shape
SHRUNK = 1.25  # a donor's picture this many times larger is averaged down first
MATCHED, LOOKED = 12, 8192  # frames whose colours are compared, and about how many pixels of each


def load(layout: Layout, folder: Path) -> tuple[Library, Topology]:
    """Return a library with the topology of faces. Raises CalseError naming what is missing or damaged."""
    check_model(folder, LIBRARY)
    try:
        library = load_library(folder / LIBRARY)
    except (SafetensorError, KeyError, OSError) as error:
        what = " ".join(str(error).split())[:160]
        raise CalseError(f"{folder} holds no library of a donor's pictures: {what}; {how_to_mend(folder)}") from None
    return library, topology(layout)


def convert(frames: Pictures, landmarks: Landmarks, model: tuple[Library, Topology], options: Options) -> Pictures:
    """Return frames `T x H x W x 3` with the donor's face where the landmarks have a face."""
    if not landmarks.has_face.any():
        return frames.copy()
    swapped = np.empty_like(frames)
    painter = Painter(frames, landmarks, *model, options)
    threads = cv2.getNumThreads()  # as many as the caller may use: one in a stage, whose clips run side by side
    cv2.setNumThreads(1)  # frames side by side, not parts of each
    try:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(painter.paint, range(len(frames)), swapped))
    finally:
        cv2.setNumThreads(threads)
    return swapped


@dataclass(frozen=True)
class Layer:
    """One frame's drawing in the window of its surface: RGB in 0..1 `H x W x 3`, and shares `H x W`.

    `donor` the donor's picture, `signer` the frame moved onto the same mesh, `shown` where the donor may be shown,
    `skin` where both show skin, `place` the face without the hands in front of it.
    """

    surface: Surface
    donor: Floats
    signer: Floats
    shown: Floats
    skin: Floats
    place: Floats


class Painter:
    """Draws one donor onto one signer's clip."""

    def __init__(
        self, frames: Pictures, landmarks: Landmarks, library: Library, topology: Topology, options: Options
    ) -> None:
        """Fit poses, choose the donor's pictures, learn colours and how the signer's face usually looks."""
        self._frames, self._landmarks, self._library, self._options = frames, landmarks, library, options
        self.numbers = np.flatnonzero(landmarks.has_face).tolist()
        self._index = {number: index for index, number in enumerate(self.numbers)}
        faces = landmarks.face[self.numbers].astype(np.float64)
        self._faces: Numbers = smooth(faces.reshape(len(faces), -1), options.smoothing).reshape(faces.shape)
        signer = posed(self._faces)
        self._triangles = outwards(topology.triangles, signer.neutral)
        self._targets = targets(self._faces, signer, library.neutral, topology, options.shape)
        self._facing = facing(self._triangles[: topology.skin], self._faces)
        self._shares = choose(signer, self._facing, library)
        mixes, which = np.unique(self._shares @ library.skin, axis=0, return_inverse=True)
        self._bare = np.stack([bare_skin(skin, signer.neutral, topology) for skin in mixes])[which]
        self._skin = (mixes * topology.below_hairline)[which]
        self._rings = rings_of(options.eyes, options.mouth)
        self._scale = float(np.median(signer.scale))
        self._shrunk: dict[int, tuple[Pictures, Floats]] = {}
        sample = spread(len(self.numbers), SAMPLED).tolist()
        self._occlusion = Occlusion(signer.neutral, topology)
        self._occlusion.learn([frames[self.numbers[k]] for k in sample], [self._faces[k] for k in sample])
        drawn = {k: self._layer(k) for k in spread(len(self.numbers), MATCHED).tolist()}
        self._ready = {k: layer for k, layer in drawn.items() if layer is not None}
        pairs = [(layer.donor[some], layer.signer[some]) for layer in self._ready.values() for some in [_bare(layer)]]
        self._match = colours.match(*map(list, zip(*pairs, strict=True))) if pairs else colours.match([], [])

    def paint(self, number: int, canvas: Pictures) -> None:
        """Write a frame with the donor's face, where it has one, to `canvas`, `H x W x 3`."""
        frame: Pictures = self._frames[number]
        canvas[:] = frame
        index = self._index.get(number)
        layer = None if index is None else self._ready.pop(index, None) or self._layer(index)
        if index is None or layer is None:
            return
        window = layer.surface.window
        donor = self._match(layer.donor)
        light = colours.light(donor, layer.signer, layer.skin, self._width(index))
        occluded = self._occlusion(frame, self._faces[index], layer.surface)
        composite(donor, light, layer.signer, layer.shown, occluded, layer.place, canvas[window])

    def _width(self, index: int) -> float:
        return face_width(self._faces[index])

    def _layer(self, index: int) -> Layer | None:
        """Draw the donor's and the signer's pictures onto the target mesh of one face; nothing outside the picture."""
        frame, target, share = self._frames[self.numbers[index]], self._targets[index], self._shares[index]
        surface = surface_of(target, self._triangles, *frame.shape[:2])
        if surface is None:
            return None
        shown = np.flatnonzero(share).tolist()
        at_pixels: Floats = surface.interpolated(
            np.column_stack([self._bare[index], self._skin[index], self._facing[index], *self._library.visible[shown]])
        )
        weights, donor = np.empty((*surface.shape, len(shown)), np.float32), np.zeros((*surface.shape, 3), np.float32)
        blend_weights(at_pixels[..., 3:], share[shown].astype(np.float32), weights)
        for number, k in enumerate(shown):
            add_weighted(surface.remapped(*self._picture(k), cv2.INTER_CUBIC), weights[..., number], donor)
        signer = surface.remapped(frame, self._faces[index], cv2.INTER_CUBIC).astype(np.float32) / np.float32(255)
        corner = np.array([surface.left, surface.top, 0], np.float32)
        hands = self._landmarks.hands[self.numbers[index], ..., :2] - corner[:2]
        face = self._faces[index] - corner
        place = face_mask(face, hands, *surface.shape, self._options.erode, self._options.feather)
        holes = opened(target, surface, self._rings, self._width(index))
        are_all = len(self._rings) == len(OPENINGS)
        every_hole = holes if are_all else opened(target, surface, list(OPENINGS), self._width(index))
        known, skin = np.empty_like(place), np.empty_like(place)
        visibility(at_pixels, surface.triangle, holes, every_hole, known, skin, place)
        return Layer(surface, donor, signer, known, skin, place)

    def _picture(self, number: int) -> tuple[Pictures, Floats]:
        """Return a picture of the library, averaged down where it is much larger, and the points in it."""
        if number not in self._shrunk:
            crop, points = self._library.crop(number), self._library.points[number, :, :2]
            ratio = float(self._library.scale[number]) / self._scale
            if ratio > SHRUNK:
                height, width = (max(2, round(side / ratio)) for side in crop.shape[:2])
                by = np.array([width / crop.shape[1], height / crop.shape[0]], np.float32)
                crop = np.asarray(cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
                points = (points + np.float32(0.5)) * by - np.float32(0.5)
            self._shrunk[number] = crop, points
        return self._shrunk[number]


def _bare(layer: Layer) -> tuple[NDArray[np.intp], ...]:
    """Return which pixels surely show skin: rows and columns of all, or of large faces of some."""
    places = np.nonzero(layer.skin > BARE)
    return tuple(along[:: max(1, len(along) // LOOKED)] for along in places)


def targets(faces: Numbers, signer: Posed, donor: Floats, topology: Topology, shape: float) -> Numbers:
    """Return the meshes to draw, `N x 468 x 3`: the signer's, as far as `shape` says with the donor's proportions.

    `donor` is the donor's face at rest. The outline stays the signer's exactly, so no seam moves.
    """
    difference = shape * fitted_difference(signer.neutral, donor.astype(np.float64), topology)
    turned = signer.scale[:, None, None] * signer.rotation
    steady = smooth(turned.reshape(-1, 9), STEADY).reshape(-1, 3, 3)
    return np.asarray(faces + difference @ steady.transpose(0, 2, 1))


def fitted_difference(neutral: Numbers, donor: Numbers, topology: Topology) -> Numbers:
    """Return how a donor's face at rest differs from the signer's, `468 x 3`, without its size and place."""
    scale, rotation, shift = (part[0] for part in fit(donor, neutral[None], np.ones(len(donor))))
    difference = (scale * donor @ rotation.T + shift - neutral) * topology.inner[:, None]
    for _, upper, lower, _ in OPENINGS:  # another offset above than below would open or shut eyes and mouth for good
        mean = (difference[list(upper)] + difference[list(lower)]) / 2
        difference[list(upper)] = difference[list(lower)] = mean
    return np.asarray(difference)
