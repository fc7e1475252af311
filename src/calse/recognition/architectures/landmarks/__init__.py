"""Recognition from landmarks: normalised signing, its distance to the clips that are known."""
