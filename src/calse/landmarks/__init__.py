"""Where face, hands and upper body are, in every frame of a clip."""
