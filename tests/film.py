"""Films as phones, camcorders and editors write them, from planes whose values are set by the standards' formulas."""

import struct
from fractions import Fraction

import av
import numpy as np

CORNERS = {"red": (200, 40, 40), "green": (40, 180, 40), "blue": (40, 40, 200), "yellow": (210, 200, 40)}
PATCHES = [
    (200, 40, 40),
    (40, 180, 40),
    (40, 40, 200),
    (224, 172, 140),
    (141, 85, 54),
    (235,) * 3,
    (20,) * 3,
    (128,) * 3,
]
# Weights of red and blue in brightness: ITU-R BT.601, 709 and 2020.
WEIGHTS = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}
FINE = {"crf": "4"}


def coded(image, matrix="601", bits=8):
    """Return RGB (any floats, 255 is white) as a 4:2:0 frame of limited range; flat patches keep their colour."""
    red, blue = WEIGHTS[matrix]
    r, g, b = np.moveaxis(np.asarray(image, float) / 255, -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = ((b - y) / (2 * (1 - blue)))[::2, ::2], ((r - y) / (2 * (1 - red)))[::2, ::2]
    scale = 2 ** (bits - 8)
    kind = np.uint8 if bits == 8 else np.uint16
    frame = av.VideoFrame(y.shape[1], y.shape[0], "yuv420p" if bits == 8 else f"yuv420p{bits}le")
    for place, values in zip(frame.planes, (219 * y + 16, 224 * u + 128, 224 * v + 128), strict=True):
        lines = np.frombuffer(place, kind).reshape(place.height, -1)
        lines[:, : place.width] = np.rint(values * scale)
    return frame


def write_film(path, frames, codec="libx264", rate=25, options=None, sar=None, muxer=None, places=None, **tags):
    """Encode ready frames; `tags` go to the encoder (colorspace, color_trc ...), `places` say when each is shown."""
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=(FINE if codec == "libx264" else {}) | (options or {}))
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        if sar:
            stream.codec_context.sample_aspect_ratio = Fraction(*sar)
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for number, frame in zip(places or range(len(frames)), frames, strict=True):
            frame.pts, frame.time_base = number, 1 / Fraction(rate)
            for name, value in tags.items():
                setattr(frame, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def packets_of(path):
    """Return the coded packets of a film's video."""
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def copied(source, target, keep=lambda number: True, change=lambda packet: None, muxer=None):
    """Copy some packets into another container, each changed."""
    with av.open(str(source)) as old, av.open(str(target), "w", options=muxer or {}) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(packet for packet in old.demux(video=0) if packet.size):
            if keep(number):
                change(packet)
                packet.stream = stream
                new.mux(packet)
    return target


def set_matrix(path, a, b, c, d):
    """Write a display matrix into an mp4: x' = a x + c y, y' = b x + d y (ISO/IEC 14496-12)."""
    data = bytearray(path.read_bytes())
    numbers = [round(one * 65536) for one in (a, b, 0, c, d, 0, 0, 0)]
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, *numbers, 1 << 30)
    path.write_bytes(data)
    return path


def corners(height, width):
    """Return a grey picture: top left red, top right green, bottom left blue, bottom right yellow."""
    image = np.full((height, width, 3), 128, np.uint8)
    for (y, x), colour in zip(((0, 0), (0, 1), (1, 0), (1, 1)), CORNERS.values(), strict=True):
        image[y * 3 * height // 4 :, x * 3 * width // 4 :][: height // 4, : width // 4] = colour
    return image


def corner_names(image):
    """Return which colour lies in which corner, row by row."""
    (height, width), step = image.shape[:2], 4
    places = [(step, step), (step, width - step), (height - step, step), (height - step, width - step)]
    return [min(CORNERS, key=lambda name: np.abs(image[place].astype(int) - CORNERS[name]).sum()) for place in places]


def patches(height=64, width=128):
    """Return eight flat colours, four in a row."""
    rows = np.array(PATCHES, np.uint8).reshape(2, 4, 3)
    return rows.repeat(height // 2, 0).repeat(width // 4, 1)


def patch_error(image):
    """Return how far the worst channel of the eight patches' centres is from what it must be."""
    height, width = image.shape[:2]
    centres = image[height // 4 :: height // 2, width // 8 :: width // 4].reshape(8, 3)
    return np.abs(centres.astype(int) - PATCHES).max()


def numbered(number, height=64, width=96):
    """Return a picture that tells its number: six bars, black or white, the highest bit first."""
    bits = [number >> (5 - bit) & 1 for bit in range(6)]
    return np.broadcast_to((30 + 190 * np.array(bits, np.uint8)).repeat(width // 6)[None, :, None], (height, width, 3))


def number_of(image):
    """Read the number of such a picture."""
    bars = image[image.shape[0] // 2, image.shape[1] // 12 :: image.shape[1] // 6, 0] > 125
    return int(sum(int(bar) << (5 - bit) for bit, bar in enumerate(bars[:6])))
