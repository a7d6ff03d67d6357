"""What a model writes for recordings: one or many, long or live, by several adapters, as labels or to check labels."""
