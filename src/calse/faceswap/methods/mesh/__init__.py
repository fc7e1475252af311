"""The face-swap method without training: the donor's own pictures, driven by the mesh of the signer's face."""
