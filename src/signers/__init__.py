"""Synthetic signers: people, clothes, rooms and signs made of code; knows nothing of the study."""
