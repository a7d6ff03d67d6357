"""How the starter was made: voices, corpus, training, measuring. Not part of the installed package."""
