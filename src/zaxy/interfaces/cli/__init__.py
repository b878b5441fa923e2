"""The command line: a thin skin that parses, calls one service method, and renders."""
