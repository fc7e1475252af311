"""Marks that travel with a generated video: who made it, of what, by what, signed as C2PA says."""
