"""What holds for all tests: no deadlines, one order of events, and one thread."""

import os

from hypothesis import settings

# Tensors of tests are so small that threads would wait for each other. Set before torch is imported, and handed on
# to the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A failure has to come from a change, not from the load of a machine or from the day's random numbers.
settings.register_profile("nvrc", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("nvrc")
