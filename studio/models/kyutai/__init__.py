"""Kyutai's speech to text: the family, how it learns and listens, its pause heads, its makers' folders."""
