"""What a donor's pictures lack: said with the figure, before anybody is swapped."""

import numpy as np

from calse.faceswap.methods.mesh.model.glasses import BRIDGE, glasses
from calse.faceswap.methods.mesh.model.library import Library, spread
from calse.faceswap.methods.mesh.model.topology import Topology
from calse.faceswap.points import EXPRESSION, expression_of
from calse.runtime.errors import CalseError, counted

FEW = 8  # pictures
BARE = 0.5  # skin similarity around the brows: a fringe or a hat lies below
OPEN = 0.1  # eye distances by which the lips part further than at rest
TURNED = 10.0  # degrees from the one side to the other
ASIDE, PROFILE = 20.0, 40.0  # degrees from straight ahead: the far cheek is narrow, half of the face is hidden
LOOKED = 12  # pictures in which glasses are sought
SHUT = 0.08  # eye distances between the lids: those of shut eyes are .05 to .07 apart, of twelve people's open ones up
# to .095 and more


def shortcomings(library: Library, topology: Topology, donor: str) -> list[str]:
    """Return what makes a donor's library less than suitable, a line each.

    Raises CalseError for a donor who is shown in profile only.
    """
    straightest = float(np.abs(library.turns[:, 0]).min())
    if straightest > PROFILE:
        raise CalseError(
            f"donor {donor}: shown in profile only, turned by {straightest:.0f} degrees or more; "
            f"some pictures must be within {PROFILE:.0f} of straight ahead"
        )
    rest = dict(zip(EXPRESSION, expression_of(library.neutral.astype(np.float64)), strict=True))
    distances = dict(zip(EXPRESSION, library.expression.T, strict=True))
    parted = max(0.0, float(distances["lip_opening"].max() - rest["lip_opening"]))
    turned = float(np.ptp(library.turns[:, 0]))
    lids = float(np.maximum(distances["left_eye"], distances["right_eye"]).max())
    brows = skin_at_brows(library, topology)
    some = spread(len(library), LOOKED).tolist()
    bridge = glasses([library.crop(k) for k in some], library.points[some])
    found = [
        (len(library) < FEW, f"only {counted(len(library), 'picture')}"),
        (brows < BARE, f"hair or a brim at the brows (skin similarity {brows:.2f}, under {BARE:g})"),
        (bridge > BRIDGE, f"glasses (a line of contrast {bridge:.2f} across the nose, over {BRIDGE:g})"),
        (parted < OPEN, f"no open mouth (lips part by {parted:.2f} eye distances, less than {OPEN:g})"),
        (straightest > ASIDE, f"seen from the side (turned by {straightest:.0f} degrees or more, over {ASIDE:g})"),
        (turned < TURNED, f"no turn of the head ({turned:.0f} degrees in all, less than {TURNED:g})"),
        (lids < SHUT, f"eyes never open ({lids:.2f} eye distances, less than {SHUT:g})"),
    ]
    return [f"donor {donor}: {what}" for lacking, what in found if lacking]


def skin_at_brows(library: Library, topology: Topology) -> float:
    """Return how far the points around the brows look like skin, 0..1: the median of those most covered."""
    brows = [point for side in ("LEFT", "RIGHT") for point in topology.groups[f"{side}_EYEBROW"]]
    around = sorted(set(np.flatnonzero(topology.neighbours[brows].sum(axis=0)).tolist()) - set(topology.details))
    each = np.median(library.skin[:, around], axis=0)
    return float(np.percentile(each, 25))
