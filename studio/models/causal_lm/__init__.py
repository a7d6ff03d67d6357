"""Language models that correct typing: what was typed goes in, what was meant comes out."""
