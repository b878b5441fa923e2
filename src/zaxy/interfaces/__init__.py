"""The ways in: each parses, calls one service, and renders."""
