"""Open the studio: `python studio.py` is the same as `studio ui`, with the same options."""

import sys

from studio.cli import main

if __name__ == "__main__":
    main(["ui", *sys.argv[1:]])
