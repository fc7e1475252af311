"""The study's face-swap method: one encoder, a decoder for each face."""
