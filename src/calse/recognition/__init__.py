"""Clips to predictions: networks, their input, their training, their answers."""
