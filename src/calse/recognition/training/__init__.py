"""From a split to checkpoints: all that shapes the weights."""
