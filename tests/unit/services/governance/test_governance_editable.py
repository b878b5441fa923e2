"""A memory as a block of text, and back."""

from __future__ import annotations

import pytest
from governed_memory import GovernedMemory
from hypothesis import given
from hypothesis import strategies as st

from zaxy import parse_editable, render_editable
from zaxy.errors import ForgottenError, InvalidInputError

HASH = "ab" * 32
BLOCK = f"""--- zaxy:editable v1 ---
seq: 12
hash: {HASH}
session_id: default
---
The corrected text.
"""


def test_a_block_is_what_the_page_says() -> None:
    memory = {"seq": 12, "hash": f"sha256:{HASH}", "session_id": "default", "content": "The corrected text."}
    assert render_editable(memory) == BLOCK
    block = parse_editable(BLOCK)
    assert (block.session_id, block.seq, block.hash, block.content) == ("default", 12, HASH, "The corrected text.")


def test_a_memory_that_is_shown_can_be_rendered_and_taken_back(governed: GovernedMemory) -> None:
    said = governed.say("ships in May\n\n---\nseq: 9")
    shown = governed.memory.showing.show(said)
    block = parse_editable(render_editable(shown))
    assert (block.seq, block.session_id, f"sha256:{block.hash}") == (said.seq, "work", said.hash)
    assert block.content == "ships in May\n\n---\nseq: 9"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\x00")).filter(lambda text: text.strip()))
def test_any_text_goes_there_and_back(content: str) -> None:
    told = {"seq": 1, "hash": HASH, "session_id": "default", "content": content}
    assert parse_editable(render_editable(told)).content == content.strip()


def test_what_an_editor_does_to_lines_is_forgiven() -> None:
    told = "\ufeff\n\n" + BLOCK.replace("\n", "\r\n") + "\r\n"
    assert parse_editable(told) == parse_editable(BLOCK)
    assert parse_editable(BLOCK.replace("session_id: default\n", "")).session_id is None


@pytest.mark.parametrize(
    ("before", "after", "line", "reason"),
    [
        ("--- zaxy:editable v1 ---", "--- zaxy:editable v2 ---", 1, "begins with"),
        (BLOCK, "", 1, "begins with"),
        ("seq: 12", "seq: twelve", 2, "not a sequence number"),
        ("seq: 12", "seq: 0", 2, "not a sequence number"),
        ("seq: 12", "seq 12", 2, "name: value"),
        ("seq: 12", "sequence: 12", 2, "no 'sequence'"),
        ("seq: 12\n", "", 4, "without seq"),
        (f"hash: {HASH}\n", "", 4, "without hash"),
        (HASH, HASH[1:], 3, "64 hexadecimal digits"),
        ("session_id: default", "session_id: ../x", 4, "not valid"),
        ("session_id: default", "seq: 12", 4, "twice"),
        ("\n---\n", "\n", 5, "name: value"),
        ("\n---\nThe corrected text.\n", "", 4, "no end"),
        ("The corrected text.", " ", 6, "empty"),
    ],
)
def test_a_malformed_block_is_refused_with_the_line_and_the_reason(
    before: str, after: str, line: int, reason: str
) -> None:
    assert before in BLOCK
    with pytest.raises(InvalidInputError, match=f"line {line} of the block.*{reason}"):
        parse_editable(BLOCK.replace(before, after, 1))


def test_a_forgotten_memory_is_no_block() -> None:
    told = {"seq": 1, "hash": HASH, "session_id": "default", "content": "[FORGOTTEN]", "state": "forgotten"}
    with pytest.raises(ForgottenError):
        render_editable(told)


def test_a_memory_without_a_hash_is_no_block() -> None:
    with pytest.raises(InvalidInputError, match="hash"):
        render_editable({"seq": 1, "content": "llama"})
