"""The records that flow through every stage: clips, manifests, glosses, splits, paths."""
