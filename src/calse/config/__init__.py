"""params.yaml, typed and checked: the only reader of that file."""
