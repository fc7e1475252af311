"""The gate: nothing trains on a corpus that does not keep what it promises."""
