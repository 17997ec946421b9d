"""What the tests of the command line share, under a name that no other folder has."""

import sys

WIDTH, HEIGHT, FRAMES = 48, 32, 12
PROGRAM = [sys.executable, "-m", "nvrc_cli"]
