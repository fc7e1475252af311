"""Clips of ours: written to equal bytes, read without doubt."""
