"""Redaction never fails, changes nothing twice, and takes out the secret and nothing else."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from zaxy.eventloom.redaction import REPLACEMENT, redact_text

tokens = st.text("abcdefghijkLMNOPQRST0123456789", min_size=40, max_size=40)
secrets = st.one_of(
    tokens.map(lambda tail: "gh" + "p_" + tail),
    tokens.map(lambda tail: "s" + "k-" + tail),
    tokens.map(lambda tail: "s" + "k_live_" + tail),
    tokens.map(lambda tail: "gl" + "pat-" + tail),
    tokens.map(lambda tail: "xo" + "xb-" + tail),
    tokens.map(lambda tail: "AI" + "za" + tail[:35]),
    tokens.map(lambda tail: "AK" + "IA" + tail.upper()[:16]),
)
words = st.lists(
    st.sampled_from(
        ["we", "met", "the", "deploy", "of", "Tuesday", "12:30", "a=b", "(why?)", "\n", "\u2013", "日本", "🎉"]
    ),
    max_size=6,
).map(" ".join)
pieces = st.one_of(
    st.text(st.characters(), max_size=8),
    secrets,
    st.sampled_from(
        [
            "password",
            "api_key",
            "token",
            "secret",
            "=",
            ":",
            ": ",
            '"',
            "'",
            "{",
            "[",
            " ",
            "\n",
            "&",
            "@",
            "://",
            "://u:",
            "Bearer ",
            "bearer ",
            "-----BEGIN PRIVATE KEY-----",
            "-----END PRIVATE KEY-----",
            REPLACEMENT,
            "eyJ",
            ".",
            "\\",
        ]
    ),
)
hostile = st.lists(pieces, max_size=12).map("".join)


@given(hostile)
def test_redacting_never_fails_and_changes_nothing_twice(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


@given(words, secrets, words)
def test_only_the_secret_is_replaced(before: str, secret: str, after: str) -> None:
    assert redact_text(f"{before} {secret} {after}") == f"{before} {REPLACEMENT} {after}"


@given(words)
def test_text_without_a_secret_is_left_as_it_is(text: str) -> None:
    assert redact_text(text) is text


@given(hostile, secrets, hostile)
def test_no_surroundings_hide_a_secret_that_stands_apart(before: str, secret: str, after: str) -> None:
    assume(secret not in before + after)
    assert secret not in redact_text(f"{before} {secret} {after}")
