"""Checkpoints: written and read as C2SP tlog-checkpoint says, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zaxy.errors import BadProofError, InvalidInputError
from zaxy.eventloom.proof.checkpoint import MAX_SIZE, Checkpoint, parse_checkpoint, parse_number
from zaxy.eventloom.proof.merkle import EMPTY_ROOT
from zaxy.eventloom.proof.notes import encode_base64

ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
EXAMPLE = f"example.com/behind-the-sofa\n20852163\n{ROOT}\n"
"""The example of the specification."""


def test_the_example_of_the_specification_is_read_and_written_back() -> None:
    checkpoint = parse_checkpoint(EXAMPLE)
    assert (checkpoint.origin, checkpoint.size, checkpoint.extensions) == ("example.com/behind-the-sofa", 20852163, ())
    assert encode_base64(checkpoint.root) == ROOT
    assert checkpoint.text() == EXAMPLE


def test_extension_lines_are_kept() -> None:
    text = EXAMPLE + "Timestamp: 1\nother stuff\n"
    assert parse_checkpoint(text).extensions == ("Timestamp: 1", "other stuff")
    assert parse_checkpoint(text).text() == text


def test_an_empty_tree_has_size_zero_and_the_hash_of_nothing() -> None:
    text = f"log\n0\n{encode_base64(EMPTY_ROOT)}\n"
    assert parse_checkpoint(text) == Checkpoint("log", 0, EMPTY_ROOT)
    for other in (f"log\n0\n{ROOT}\n", f"log\n1\n{encode_base64(EMPTY_ROOT)}\n"):
        with pytest.raises(BadProofError):
            parse_checkpoint(other)


@pytest.mark.parametrize(
    "size",
    [
        "",
        "-1",
        "+1",
        "01",
        "00",
        "1.0",
        "1e3",
        " 1",
        "1 ",
        "0x1",
        "1_0",
        "٣",
        "²",
        str(2**63),
        "9" * 5_000,
    ],
)
def test_a_size_is_decimal_and_nothing_else(size: str) -> None:
    with pytest.raises(BadProofError):
        parse_checkpoint(f"log\n{size}\n{ROOT}\n")
    with pytest.raises(BadProofError):
        parse_number(size)


def test_the_largest_size_is_read() -> None:
    assert parse_checkpoint(f"log\n{2**63 - 1}\n{ROOT}\n").size == MAX_SIZE == 2**63 - 1


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "\n",
        "log\n",
        "log\n5\n",
        f"log\n5\n{ROOT}",
        f"\n5\n{ROOT}\n",
        f"log\n5\n{ROOT}\n\n",
        f"log\n5\n{ROOT}\n\nextension\n",
        f"log\n\n5\n{ROOT}\n",
        f"log\n5\n\n{ROOT}\n",
        f"log\r\n5\r\n{ROOT}\r\n",
        f"log\n5\n{ROOT} \n",
        f"log\n5\n{ROOT[:-1]}\n",
        f"log\n5\n{ROOT.replace('I=', 'J=')}\n",
        f"log\n5\n{ROOT.replace('/', '_')}\n",
        "log\n5\nAAAA\n",
        f"log\n5\n{encode_base64(bytes(33))}\n",
        f"l\0g\n5\n{ROOT}\n",
        f"log\ud800\n5\n{ROOT}\n",
    ],
)
def test_what_is_not_exactly_a_checkpoint_is_refused(bad: str) -> None:
    with pytest.raises(BadProofError):
        parse_checkpoint(bad)


@pytest.mark.parametrize(
    ("origin", "size", "root", "extensions"),
    [
        ("", 5, b"r" * 32, ()),
        ("a\nb", 5, b"r" * 32, ()),
        ("a", -1, b"r" * 32, ()),
        ("a", 2**63, b"r" * 32, ()),
        ("a", 5, b"r" * 31, ()),
        ("a", 5, b"", ()),
        ("a", 5, EMPTY_ROOT, ()),
        ("a", 0, b"r" * 32, ()),
        ("a", 5, b"r" * 32, ("",)),
        ("a", 5, b"r" * 32, ("x\ny",)),
    ],
)
def test_a_checkpoint_that_cannot_be_written_is_not_made(
    origin: str, size: int, root: bytes, extensions: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidInputError):
        Checkpoint(origin, size, root, extensions)


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=60), st.text(max_size=30))
def test_whatever_is_read_as_a_checkpoint_is_written_back_the_same(
    origin: str, size: str, root: str, rest: str
) -> None:
    for text in (f"{origin}\n{size}\n{root}\n{rest}", f"{origin}\n5\n{ROOT}\n{rest}", f"log\n{size}\n{ROOT}\n"):
        try:
            checkpoint = parse_checkpoint(text)
        except BadProofError:
            continue
        assert checkpoint.text() == text
