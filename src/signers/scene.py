"""What describes a signer and how they are filmed. Colours are linear RGB, lengths metres, angles degrees."""

from dataclasses import dataclass

Colour = tuple[float, float, float]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Brows:
    """Thickness and height above where brows usually are."""

    thickness: float = 0.0035
    up: float = 0.0


@dataclass(frozen=True)
class Locks:
    """Hair that hangs: length, thickness, how far round and down the cap goes, flare and tuck of the ends."""

    length: float
    thickness: float
    sweep: float
    open: float
    flare: float = 0.0
    tuck: float = 0.0


@dataclass(frozen=True)
class Clothes:
    """Colour, length of the sleeves (distance from the body's middle), neckline, and stripes (frequency, colour)."""

    colour: Colour
    sleeve: float = 0.45
    neck: float = 0.10
    v_neck: float = 0.0
    stripes: tuple[float, Colour] | None = None


@dataclass(frozen=True)
class Signer:
    """One person. `cap` is how thick the hair on the skull is; beard, freckles and blush are strengths in 0..1.

    `features` mixes the head: how far it goes from the mean of all heads towards each of some bodies'; () is its own.
    """

    body: str
    skin: Colour
    lips: Colour
    hair: Colour
    iris: Colour
    brows: Brows
    hairline: str
    cap: float
    clothes: Clothes
    locks: Locks | None = None
    beard: float = 0.0
    freckles: float = 0.0
    blush: float = 0.8
    features: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Camera:
    """Direction, how much of the scene's height it sees at the signer, and what it looks at."""

    height: float
    yaw: float = 0.0
    pitch: float = 0.0
    target: Vector = (0.0, -0.05, 0.82)


@dataclass(frozen=True)
class Light:
    """Ambient colour, lights (direction they come from, colour), and how dark the shadow on the wall is."""

    ambient: Colour
    lights: tuple[tuple[Vector, Colour], ...]
    shadow: float


@dataclass(frozen=True)
class Backdrop:
    """A wall: colour, vignette, cloudiness and the seed of its clouds; or a bookshelf."""

    colour: Colour
    vignette: float = 0.2
    clouds: float = 0.0
    seed: int = 0
    shelf: bool = False


@dataclass(frozen=True)
class Style:
    """How someone signs: frames of a clip, size and shift of the movements, liveliness of the head."""

    frames: int
    amplitude: float = 1.0
    shift: Vector = (0.0, 0.0, 0.0)
    liveliness: float = 1.0


@dataclass(frozen=True)
class Studio:
    """One signer in one set: everything that a take needs besides its gloss. `aspect` is width over height."""

    signer: Signer
    camera: Camera
    light: Light
    backdrop: Backdrop
    style: Style
    aspect: float
    fps: float
