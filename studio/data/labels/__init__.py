"""Labels of a whole dataset: numbers one way, one style, and every change shown before it is made."""
