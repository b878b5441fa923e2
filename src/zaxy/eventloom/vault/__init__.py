"""Payloads that can be forgotten: sealed in the log, their keys in a vault outside of it, destroyed on demand."""
