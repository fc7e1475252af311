"""For every test: OpenMP threads that wait asleep, as the commands have them; spinning ones take half of the CPU."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
