"""The harness behind `make torture`: garbage in, killed anywhere, two at once, starved."""
