"""Points of the face mesh that swaps and their measures read alike."""

# A face that looks straight ahead, at points that no expression moves: x right, y down, z towards the back, in
# distances between the outer corners of the eyes. The mean of the embedded signers' meshes.
CANONICAL = {
    33: (-0.50, 0.00, 0.00),
    133: (-0.19, 0.02, -0.06),
    362: (0.19, 0.02, -0.06),
    263: (0.50, 0.00, 0.00),
    168: (0.00, -0.06, -0.23),
    6: (0.00, 0.04, -0.27),
    1: (0.00, 0.45, -0.44),
    4: (0.00, 0.38, -0.46),
}

# Distances between two landmarks, seen from the front.
EXPRESSION = {
    "lip_opening": (13, 14),
    "mouth_width": (61, 291),
    "right_eye": (159, 145),
    "left_eye": (386, 374),
    "right_brow": (105, 159),
    "left_brow": (334, 386),
    "brow_gap": (55, 285),
}
