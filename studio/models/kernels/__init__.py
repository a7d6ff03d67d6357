"""What PyTorch does too slowly, done anew. Imported late, with PyTorch itself."""
