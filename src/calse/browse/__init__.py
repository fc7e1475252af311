"""Every clip to look at and to play: an offline folder, and videos with what was found drawn in."""
