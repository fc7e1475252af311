"""What is made once and committed: the bodies of the synthetic signers, and the picture that shows them all."""
