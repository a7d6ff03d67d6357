"""`python -m studio`: the same as the console script `studio`."""

from studio.cli import main

main()
