"""What the command line shows while something long goes on: a run, a recording, a download."""
