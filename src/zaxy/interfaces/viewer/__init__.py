"""A picture of the memory: one page that shows its events, what they state, what changed them and what proves them."""
