"""The embedded corpus: signers made of code, for whoever has no recordings yet."""
