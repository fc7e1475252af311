"""Where the face and the hands are, in every frame of a clip."""
