"""A dataset: utterances in a manifest, kept so that nothing recorded is lost and every change can be undone."""
