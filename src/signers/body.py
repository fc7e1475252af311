"""A signer's skeleton: arms by inverse kinematics, fingers, spine and head by angles."""

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from signers import kernels
from signers.hands import Hand
from signers.human import human

REACH = 0.995  # an arm is never quite straight
NEAREST = 0.001  # metres beyond what a wholly bent arm comes to: closer to the shoulder there is no elbow to place
TORSO = 0.3304  # metres from spine01 to head in the canonical body: what places are measured against


@dataclass(frozen=True)
class Pose:
    """A body at one moment: hands, how far the elbows stick out, head (turn, nod, roll) and
    lean in degrees, facial units."""

    right: Hand
    left: Hand
    elbow: float = 0.55
    head: tuple[float, float, float] = (0.0, 0.0, 0.0)
    lean: float = 0.0
    units: dict[str, float] = field(default_factory=dict)


def unit(vector: np.ndarray) -> np.ndarray:
    """Return a vector at length 1."""
    return np.asarray(vector / np.sqrt(vector @ vector))


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cross product of two vectors; numpy's own is ten times slower on single ones."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def frame(along: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Return the orthonormal frame (columns) with its first axis along, its second as near `towards` as it can be."""
    along = unit(along)
    second = unit(towards - along * (towards @ along))
    return np.stack([along, second, cross(along, second)], 1)


def turns(axes: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Return the rotations about unit axes (N x 3) by angles (N), as N x 3 x 3."""
    return np.asarray(Rotation.from_rotvec(axes * np.radians(degrees)[:, None]).as_matrix())


def twist_about(axis: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return the part of a rotation (3 x 3) that turns about a unit axis, as a rotation vector."""
    skew = rotation - rotation.T  # of a quaternion: its vector part times its scalar part, as is 1 + trace its square
    return np.asarray(axis * 2 * np.arctan2(axis @ [skew[2, 1], skew[0, 2], skew[1, 0]], 1 + np.trace(rotation)))


class Arm:
    """Rest geometry of one arm (`L` or `R`) and its inverse kinematics."""

    def __init__(self, heads: np.ndarray, side: str) -> None:
        """Measure the arm of a body with the given bone heads (B x 3)."""
        bones = human().bones
        at = {name: heads[index] for name, index in bones.items()}
        self.sign = 1 if side == "L" else -1
        self.mirror = np.array([self.sign, 1, 1])
        self.shoulder, elbow, wrist = (at[f"{bone}.{side}"] for bone in ("upperarm01", "lowerarm01", "wrist"))
        self.upper, self.lower = elbow - self.shoulder, wrist - elbow
        hinge = cross(self.upper, self.lower)
        self.at_rest = [frame(along, hinge).T for along in (self.upper, self.lower)]
        knuckles = [at[f"finger{k}-1.{side}"] for k in (2, 3, 5)]
        self.direction = unit(knuckles[1] - wrist)
        self.palm = unit(cross(knuckles[0] - wrist, knuckles[2] - wrist)) * -self.sign
        self.at_rest.append(frame(self.direction, self.palm).T)
        self.bones = [
            bones[f"{bone}.{side}"] for bone in ("upperarm01", "upperarm02", "lowerarm01", "lowerarm02", "wrist")
        ]
        self.fingers = [bones[f"finger{k}-{j}.{side}"] for k in range(1, 6) for j in (1, 2, 3)]
        self.axes = np.concatenate([np.repeat(self._finger_axes(at, side), 3, 0), [self.palm] * 4])
        self.axes[:3] = self._thumb_axes(at, side)

    def _finger_axes(self, at: dict[str, np.ndarray], side: str) -> np.ndarray:
        """Return the axis about which each finger bends, 5 x 3."""
        along = [at[f"finger{k}-3.{side}"] - at[f"finger{k}-1.{side}"] for k in range(1, 6)]
        return np.array([unit(cross(direction, self.palm)) for direction in along])

    def _thumb_axes(self, at: dict[str, np.ndarray], side: str) -> np.ndarray:
        """Return the axes of the thumb: one that opposes, two that bend."""
        along = at[f"finger1-3.{side}"] - at[f"finger1-1.{side}"]
        across = unit(at[f"finger5-1.{side}"] - at[f"finger2-1.{side}"])
        oppose, bend = (unit(cross(along, across + share * self.palm)) for share in (0.9, 0.25))
        return np.array([oppose, bend, bend])

    def finger_turns(self, shape: np.ndarray) -> np.ndarray:
        """Return the 15 local finger rotations of a handshape."""
        spread = shape[15] * np.array([1.5, 0.5, -0.5, -1.5]) * self.sign
        local = turns(self.axes, np.concatenate([shape[:15], spread]))
        local[3:15:3] = local[15:] @ local[3:15:3]
        return local[:15]

    def limb_turns(self, target: Hand, chest: np.ndarray, scale: float, elbow: float) -> np.ndarray:
        """Return the five global rotations from shoulder to wrist that bring the wrist to its target."""
        reach = target.wrist * scale * self.mirror + chest - self.shoulder
        a, b = np.linalg.norm(self.upper), np.linalg.norm(self.lower)
        away = min(max(float(np.linalg.norm(reach)), float(abs(a - b)) + NEAREST), float(a + b) * REACH)
        reach = unit(reach)
        cosine = np.clip((a**2 + away**2 - b**2) / (2 * a * away), -1, 1)
        pole = np.array([self.sign * elbow, 0.25, -1.0])
        pole = unit(pole - reach * (pole @ reach))
        upper = a * (reach * cosine + pole * np.sqrt(1 - cosine**2))
        lower = reach * away - upper
        hinge = cross(upper, lower)
        at_shoulder = frame(upper, hinge) @ self.at_rest[0]
        at_elbow = frame(lower, hinge) @ self.at_rest[1]
        at_wrist = frame(target.direction * self.mirror, target.palm * self.mirror) @ self.at_rest[2]
        twist = twist_about(unit(self.lower), at_elbow.T @ at_wrist)
        forearm = at_elbow @ Rotation.from_rotvec(np.outer([0.25, 0.7], twist)).as_matrix()
        return np.stack([at_shoulder, at_shoulder, *forearm, at_wrist])


class Skeleton:
    """The bones of one body, and where a pose brings them."""

    def __init__(self, heads: np.ndarray) -> None:
        """Take the rest positions of the bone heads, B x 3."""
        bones = human().bones
        self.heads = heads
        self.arms = {side: Arm(heads, side) for side in "RL"}
        self.chest = (heads[bones["upperarm01.L"]] + heads[bones["upperarm01.R"]]) / 2
        self.scale = float(np.linalg.norm(heads[bones["head"]] - heads[bones["spine01"]])) / TORSO

    def pose(self, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
        """Return each bone's rotation (B x 3 x 3) and shift (B x 3): a point moves to turn x point + shift."""
        bones, parents = human().bones, human().parents
        local = np.tile(np.eye(3), (len(parents), 1, 1))
        angles = [[pose.lean / 2, 0, pose.lean], np.array(pose.head) / 2]
        bent, nod = Rotation.from_euler("zxy", angles, degrees=True).as_matrix()
        local[bones["spine03"]], local[bones["neck02"]], local[bones["head"]] = bent, nod, nod
        fixed = np.zeros(len(parents), bool)
        for side, target in (("R", pose.right), ("L", pose.left)):
            arm = self.arms[side]
            local[arm.bones] = arm.limb_turns(target, self.chest, self.scale, pose.elbow)
            local[arm.fingers] = arm.finger_turns(target.shape)
            fixed[arm.bones] = True
        turned, places = np.empty_like(local), np.empty_like(self.heads)
        kernels.chain(parents, local, fixed, self.heads, turned, places)
        return turned, places - np.einsum("bij,bj->bi", turned, self.heads)
