"""How good a model is: scores, significance, what fails, and what it means for a person."""
