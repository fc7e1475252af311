"""How fast this project is: each figure a ratio against a peer or a limit, timed in turns in one process."""
