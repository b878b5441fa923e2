"""From text to vectors: the models, what they need, and which one is used."""
