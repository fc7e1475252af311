"""Landmarks as a .pose file, read back by pose-format."""

import numpy as np
import pytest

from calse.browse.pose import write_pose
from calse.landmarks.record import no_landmarks

pose_format = pytest.importorskip("pose_format", reason='needs the extra "annotations"')


def test_points_confidences_and_names_come_back(tmp_path):
    found = no_landmarks(3)
    found.hands[1, 1] = np.random.default_rng(1).uniform(0, 64, (21, 3))
    found.hands_presence[1, 1] = 0.75
    found.body[2] = 7
    found.body_presence[2] = 0.5
    path = tmp_path / "clip.pose"
    write_pose(path, found, 25, 64, 48)
    pose = pose_format.Pose.read(path.read_bytes())
    assert (pose.header.dimensions.width, pose.header.dimensions.height, pose.body.fps) == (64, 48, 25)
    counts = {part.name: len(part.points) for part in pose.header.components}
    assert counts == {
        "POSE_LANDMARKS": 33, "FACE_LANDMARKS": 468, "LEFT_HAND_LANDMARKS": 21, "RIGHT_HAND_LANDMARKS": 21,
    }  # fmt: skip
    right = pose.get_components(["RIGHT_HAND_LANDMARKS"]).body
    assert np.allclose(right.data[1, 0], found.hands[1, 1], atol=1e-3)
    assert right.confidence[1, 0] == pytest.approx(0.75)
    assert right.confidence[[0, 2]].max() == 0
    tip = pose.header.components[3].points.index("INDEX_FINGER_TIP")
    assert np.allclose(right.data[1, 0, tip], found.hands[1, 1, 8], atol=1e-3)
    shoulder = pose.header._get_point_index("POSE_LANDMARKS", "LEFT_SHOULDER")
    assert shoulder == 11
    assert pose.body.confidence[2, 0, shoulder] == 0.5
