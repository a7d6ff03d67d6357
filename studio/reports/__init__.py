"""What runs came to: one run's result with its answers, several runs side by side, and both as pages to keep."""
