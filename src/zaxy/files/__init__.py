"""Durable I/O: the only room that opens for writing, syncs, renames, truncates and locks.

Everything above asks for an effect ("append these bytes and make them durable") and gets it or an error; the
order of system calls that makes the effect hold is written beside each function.
"""
