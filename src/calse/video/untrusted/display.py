"""What a screen shows of a coded picture: the right way up, in the colours that were meant, HDR as SDR, opaque."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from calse.runtime.errors import CalseError

if TYPE_CHECKING:
    import av

# Numbers of ITU-T H.273: matrices, transfer characteristics and primaries.
_RGB, _BT709, _UNKNOWN, _BT2020 = 0, 1, 2, 9
_MATRICES = {_RGB, _BT709, 4, 5, 6, 7, _BT2020}  # those that the converter here knows
_HDR = _PQ, _HLG = 16, 18

# ITU-R BT.2408: SDR's white lies at 203 nits of HDR; BT.2100: HLG is made for a screen of 1000 nits and gamma 1.2.
_WHITE, _HLG_PEAK, _HLG_GAMMA = 203, 1000, 1.2
_LUMA_2020 = (0.2627, 0.6780, 0.0593)
_2020_TO_709 = ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))  # BT.2087
_SDR_GAMMA = 2.4  # BT.1886
# Tables and factors are whole numbers, and their products stay below 2**53: the same result on every processor.
_ONE, _FACTOR = 2**20, 2**14
_BAND = 128  # lines that are worked on at once: 4K takes 100 MB

_BEHIND = 255  # what shows through a transparent picture: white, as where GIF's transparent colour is unset


class Orientation(NamedTuple):
    """One of the eight ways to turn and mirror a picture; rows and columns are exchanged first."""

    exchanged: bool = False
    left_right: bool = False
    upside_down: bool = False

    def upright(self, plane: np.ndarray) -> np.ndarray:
        """Return a view of `H x W` or `H x W x C`, turned."""
        plane = plane.swapaxes(0, 1) if self.exchanged else plane
        return plane[:: -1 if self.upside_down else 1, :: -1 if self.left_right else 1]


def orientation_of(coded: "av.VideoFrame") -> Orientation:
    """Return how a picture's display matrix asks for it to be shown; the nearest of the eight when it is tilted."""
    (a, b), (c, d) = _matrix(coded).tolist()  # x' = a x + c y, y' = b x + d y
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, c < 0, b < 0)
    return Orientation(False, a < 0, d < 0)


def _matrix(coded: "av.VideoFrame") -> np.ndarray:
    """Return `2 x 2`: where the display matrix sends x and y, without shift (ISO/IEC 14496-12, 8.3.2)."""
    from av.sidedata.sidedata import Type

    data = coded.side_data.get(Type.DISPLAYMATRIX)
    matrix = np.eye(2) if data is None else np.frombuffer(data, np.int32).reshape(3, 3)[:2, :2] / 65536
    return matrix if matrix.any() else np.eye(2)


def name_matrix(coded: "av.VideoFrame") -> None:
    """Give a picture the colour matrix that players take where it names none, or one that is not known here.

    BT.709 for HD; unnamed is BT.601.
    """
    if coded.colorspace not in _MATRICES:
        coded.colorspace = _UNKNOWN
    if coded.colorspace == _UNKNOWN and not coded.format.is_rgb:
        if coded.color_trc in _HDR:
            coded.colorspace = _BT2020
        elif coded.width >= 1280 or coded.height > 576:
            coded.colorspace = _BT709


def doubts(coded: "av.VideoFrame") -> Iterator[str]:
    """Yield why a picture may not look as it was meant to."""
    from av.sidedata.sidedata import Type

    if coded.interlaced_frame:
        yield "it is coded field by field; each is taken for a whole picture"
    tilted, across = np.sort(np.abs(_matrix(coded)), axis=0)
    if (tilted > 0.02 * across).any():
        yield "its player tilts it by no quarter of a turn; it is left straight"
    if coded.colorspace not in {*_MATRICES, _UNKNOWN}:
        yield f"its colour matrix (number {coded.colorspace} of H.273) is not known here"
    if coded.color_primaries == _BT2020 and coded.color_trc == _UNKNOWN:
        yield "it has BT.2020 colours but does not say whether they are HDR; they are taken for SDR"
    is_dolby_vision = Type.DOVI_METADATA in coded.side_data or Type.DOVI_RPU_BUFFER in coded.side_data
    if is_dolby_vision and coded.color_trc not in _HDR and coded.color_primaries != _BT709:
        yield "it is Dolby Vision without colours for other screens"
    alpha = _alpha(coded)
    if alpha is not None and not alpha.any():
        yield "it begins wholly transparent, which is shown as white"


def displayed(coded: "av.VideoFrame", size: tuple[int, int]) -> "av.VideoFrame":
    """Return an opaque SDR picture: nearly always the one that came, else an RGB one of its size or of `size`.

    HDR takes time for each pixel, so it is shrunk first; what is transparent must not be, or what lies hidden there
    would run into the visible part.
    """
    import av

    alpha, is_hdr = _alpha(coded), coded.color_trc in _HDR
    if alpha is None and not is_hdr:
        return coded
    own = (coded.width, coded.height)
    image = _sdr(coded, size if alpha is None else own) if is_hdr else coded.to_ndarray(format="rgb24", threads=1)
    if alpha is not None:
        weight = alpha[..., None].astype(np.uint16)
        image = ((image * weight + _BEHIND * (255 - weight) + 127) // 255).astype(np.uint8)
    return av.VideoFrame.from_ndarray(image, format="rgb24")


def without_alpha(coded: "av.VideoFrame") -> "av.VideoFrame":
    """Return a picture of 32 bits a pixel without its fourth byte, which raw video in AVI (BI_RGB) leaves unused."""
    opaque = {"bgra": "bgr0", "rgba": "rgb0", "argb": "0rgb", "abgr": "0bgr"}
    return coded.reformat(format=opaque[coded.format.name]) if coded.format.name in opaque else coded


@contextmanager
def converting(path: Path | None = None) -> Iterator[None]:
    """Raise CalseError, naming the file where it is known, when FFmpeg cannot convert a picture."""
    import av

    try:
        yield
    except MemoryError:
        raise
    except av.FFmpegError as error:
        raise CalseError(f"{f'{path}: ' if path else ''}its pictures do not convert: {error.strerror}") from None


def _alpha(coded: "av.VideoFrame") -> np.ndarray | None:
    """Return how opaque each pixel is, `H x W uint8`, or None when all are wholly."""
    kind = coded.format
    if kind.name != "pal8" and not any(component.is_alpha for component in kind.components):
        return None
    alpha = coded.to_ndarray(format="rgba", threads=1)[..., 3]
    return None if alpha.min() == 255 else alpha


def _sdr(coded: "av.VideoFrame", size: tuple[int, int]) -> np.ndarray:
    """Return an HDR picture in RGB as a screen of 203 nits shows it, BT.709; brighter is white."""
    shrinks = size[0] * size[1] < coded.width * coded.height
    scaled = coded.reformat(*size, "rgb48le", interpolation="AREA" if shrinks else "LANCZOS", threads=1)
    codes = scaled.to_ndarray()
    bands = [_sdr_band(codes[start : start + _BAND], coded.color_trc) for start in range(0, len(codes), _BAND)]
    return np.concatenate(bands)


def _sdr_band(codes: np.ndarray, transfer: int) -> np.ndarray:
    light = _to_light(transfer)[codes]
    if transfer == _HLG:
        luma = light @ np.rint(np.array(_LUMA_2020) * _FACTOR) / _FACTOR
        light = light * _system_gamma()[luma.astype(np.intp)][..., None] // _FACTOR
    light = light @ np.rint(np.array(_2020_TO_709).T * _FACTOR) / _FACTOR
    return np.asarray(_from_light()[np.clip(light, 0, _ONE).astype(np.intp)])


@cache
def _to_light(transfer: int) -> np.ndarray:
    """Return the light of each 16-bit code: of the screen, SDR's white at _ONE (PQ); of the scene, 0 to _ONE (HLG)."""
    code = np.arange(2**16) / (2**16 - 1)
    if transfer == _PQ:
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 107 / 128, 2413 / 128, 2392 / 128
        root = code ** (1 / m2)
        light = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1) * 10_000 / _WHITE
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return np.rint(light * _ONE)


@cache
def _system_gamma() -> np.ndarray:
    """Return by how much an HLG screen makes a scene's light of each brightness brighter, SDR's white at 1."""
    brightness = np.arange(_ONE + 2) / _ONE
    return np.rint(brightness ** (_HLG_GAMMA - 1) * _HLG_PEAK / _WHITE * _FACTOR)


@cache
def _from_light() -> np.ndarray:
    """Return the SDR code, uint8, of each light from 0 to _ONE."""
    return np.rint((np.arange(_ONE + 1) / _ONE) ** (1 / _SDR_GAMMA) * 255).astype(np.uint8)
