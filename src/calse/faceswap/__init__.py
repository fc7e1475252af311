"""Putting a donor's face on a signer while the signer's expression stays."""
