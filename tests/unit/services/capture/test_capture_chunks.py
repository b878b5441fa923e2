from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zaxy.services.capture.chunks import MAX_CHUNK_CHARACTERS, Kind, cut


def test_markdown_is_cut_at_headings_and_each_chunk_knows_its_path_and_lines():
    text = "# Guide\nWelcome.\n\n## Install\nRun it.\n\n### On a Mac\nUse brew.\n\n## Use\nType zaxy.\n"
    title, chunks = cut(text, Kind.MARKDOWN)
    assert title == "Guide"
    assert [(chunk.section, chunk.line_from, chunk.line_to) for chunk in chunks] == [
        ("Guide", 1, 2),
        ("Guide > Install", 4, 5),
        ("Guide > Install > On a Mac", 7, 8),
        ("Guide > Use", 10, 11),
    ]
    assert chunks[1].content == "## Install\nRun it."


def test_text_before_the_first_heading_is_a_chunk_without_section():
    _, chunks = cut("Preface\n\n# One\ntext", Kind.MARKDOWN)
    assert [(chunk.section, chunk.content) for chunk in chunks] == [("", "Preface"), ("One", "# One\ntext")]


def test_a_heading_with_nothing_under_it_stays_with_the_next_section():
    _, chunks = cut("# Title\n\n## First\ntext\n\n## Last", Kind.MARKDOWN)
    assert [chunk.content for chunk in chunks] == ["# Title\n\n## First\ntext", "## Last"]
    assert [chunk.section for chunk in chunks] == ["Title > First", "Title > Last"]


def test_a_hash_in_a_fenced_block_or_without_a_space_is_no_heading():
    _, chunks = cut("# Real #\n```sh\n# comment\n```\n#tag\n    # indented\n", Kind.MARKDOWN)
    assert [chunk.section for chunk in chunks] == ["Real"]


def test_rst_titles_are_levelled_by_the_order_of_their_marks():
    text = "=====\nGuide\n=====\n\nHello\n\nInstall\n-------\nrun\n\nUse\n---\ntype\n"
    title, chunks = cut(text, Kind.RST)
    assert title == "Guide"
    assert [chunk.section for chunk in chunks] == ["Guide", "Guide > Install", "Guide > Use"]


def test_code_is_cut_at_top_level_definitions_and_named_by_them():
    body = "\n\n".join(f"    value_{number} = {number}" for number in range(40))
    text = f"import os\n\n\ndef first():\n{body}\n\n\nclass Second:\n{body}\n"
    _, chunks = cut(text, Kind.CODE)
    assert [chunk.section for chunk in chunks] == ["def first", "class Second"]
    assert chunks[1].content.startswith("class Second:")


def test_a_definition_that_is_too_long_goes_on_under_its_own_name():
    body = "\n\n".join(f"    value_{number} = {number}" for number in range(200))
    _, chunks = cut(f"def large():\n{body}\n", Kind.CODE)
    assert len(chunks) > 2
    assert {chunk.section for chunk in chunks} == {"def large"}


def test_a_line_longer_than_a_chunk_is_the_only_one_that_is_cut():
    _, chunks = cut("short\n" + "x" * 4_000 + "\nend", Kind.TEXT)
    assert [(chunk.line_from, chunk.line_to, len(chunk.content)) for chunk in chunks] == [
        (1, 1, 5),
        (2, 2, 1_500),
        (2, 2, 1_500),
        (2, 2, 1_000),
        (3, 3, 3),
    ]


def test_a_heading_is_not_left_alone_before_a_paragraph_that_must_be_cut():
    text = "# Facts\n\n" + "\n".join(f"- fact {number} " + "y" * 80 for number in range(60))
    _, chunks = cut(text, Kind.MARKDOWN)
    assert chunks[0].content.startswith("# Facts\n\n- fact 0 ")


def test_a_change_in_one_section_leaves_the_text_of_the_other_chunks_alone():
    sections = [f"# Part {part}\n" + "\n\n".join(f"{part} {n} " + "z" * 300 for n in range(9)) for part in range(4)]
    _, before = cut("\n\n".join(sections), Kind.MARKDOWN)
    sections[1] = sections[1].replace("1 4 ", "1 four ")
    _, after = cut("\n\n".join(sections), Kind.MARKDOWN)
    changed = {chunk.content for chunk in after} - {chunk.content for chunk in before}
    assert len(changed) == 1


@pytest.mark.parametrize("suffix", [".md", ".MD", ".rst", ".py", ".tsx", ".txt", ""])
def test_the_suffix_decides_the_kind(suffix):
    kinds = {".md": Kind.MARKDOWN, ".rst": Kind.RST, ".py": Kind.CODE, ".tsx": Kind.CODE}
    assert Kind.of(suffix) is kinds.get(suffix.lower(), Kind.TEXT)


_lines = st.lists(
    st.sampled_from(
        ["", " ", "# One", "## Two", "```", "def f():", "    x = 1", "---", "word " * 30, "}", "Head", "===="]
    )
    | st.text(max_size=30)
    | st.integers(1, 4_000).map(lambda length: "q" * length),
    max_size=40,
)


@given(_lines, st.sampled_from(Kind), st.sampled_from(["\n", "\r\n"]))
def test_every_written_line_is_in_exactly_one_place_and_no_chunk_is_too_long(lines, kind, ending):
    text = ending.join(lines)
    _, chunks = cut(text, kind)
    originals = [line.removesuffix("\r") for line in text.split("\n")]
    seen: list[int] = []
    for chunk in chunks:
        assert 0 < len(chunk.content) <= MAX_CHUNK_CHARACTERS
        written = "\n".join(originals[chunk.line_from - 1 : chunk.line_to])
        assert chunk.content == written or (chunk.line_from == chunk.line_to and chunk.content in written)
        seen.extend(range(chunk.line_from, chunk.line_to + 1))
    assert seen == sorted(seen)
    assert {number for number, line in enumerate(originals, start=1) if line.strip()} <= set(seen)
