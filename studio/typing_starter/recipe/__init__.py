"""How the typing starter was made: text, tokens, network, training, measurement, card. Not part of the package."""
