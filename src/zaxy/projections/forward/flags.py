"""What plain reading tells of an event in one bit each."""

from __future__ import annotations

from enum import IntFlag


class Flag(IntFlag):
    """Bits of a row's ``flags``. They are stored: a new meaning needs a new bit and a new `FEATURES`."""

    QUESTION = 1
    """What was said ends in a question mark; captions of images behind it do not count."""
    TIME = 2
    """It holds a word about time."""
    IMAGE = 4
    """It comes with the caption of an image: ``[image: ...]``."""
    ASSISTANT = 8
    """The program said it."""
    USER = 16
    """The person who uses the program said it."""
    TOOL = 32
    """It is what a tool or a command was asked, or gave back."""
    NUMBER = 64
    """It holds a number, in digits or as a word."""
    TURN = 128
    """It is a turn of a conversation."""
