"""Predictions of the held-out clips, and the measures computed from them."""
