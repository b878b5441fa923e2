"""Programs that measure Zaxy and print what they found. They are run by hand, never by the tests' verdict."""
