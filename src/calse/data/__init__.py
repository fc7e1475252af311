"""What flows through every stage: clips, manifests, splits; and where it lies."""
