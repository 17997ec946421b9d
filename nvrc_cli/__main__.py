"""`python -m nvrc_cli` is `nvrc`."""

import sys

from nvrc_cli.main import main

sys.exit(main())
