"""How work is done, whatever it is: files, locks, processes, memory of finished items, errors."""
