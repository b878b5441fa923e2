"""The calls that every server offers: each with its schemas, and one method of the memory behind it."""
