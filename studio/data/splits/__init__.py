"""Which clips train, validate, test: by sentence, speaker and the author's own splits."""
