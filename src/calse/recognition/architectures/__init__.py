"""A folder a recogniser: its declaration in recogniser.py, without torch, and beside it what nothing else needs."""
