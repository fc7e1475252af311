"""Forgetting people: what they went into, over all versions, and how it is removed."""
