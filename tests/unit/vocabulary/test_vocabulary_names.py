"""Names are found by capital letters in the middle of sentences, in any script that has them."""

from __future__ import annotations

import pytest

from zaxy.vocabulary.names import has_case, names_in


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Ann: I met Ines in Tartu yesterday.", ["Ines", "Tartu"]),
        ("she flew to New York with Mr. Tom O'Hara-Smith", ["New York", "Mr Tom O'Hara-Smith"]),
        ("the label of Ines's jar, and John F Kennedy's", ["Ines", "John F Kennedy"]),
        ("вчера я видел Анну в Тарту", ["Анну", "Тарту"]),
        ("i går mötte jag Åsa på Öland", ["Åsa", "Öland"]),
        ("her cat, Miso, and Miso again", ["Miso"]),
        ("we asked (Bo) and 'Eli'", ["Bo", "Eli"]),
    ],
)
def test_capitalized_words_inside_a_sentence_are_names(text: str, names: list[str]) -> None:
    assert names_in(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Dinner was late. Rain again! Really? Yes: Good\nFine",
        "she said I do and so do I",
        "How To Build A Small Boat In Ten Days",
        "it was SO VERY LOUD there",
        "昨天我见到了李雷",
        "رأيت ليلى أمس في دمشق",
        "मैं कल मीरा से मिला",
    ],
)
def test_beginnings_of_sentences_headings_shouting_and_scripts_without_capitals_give_no_names(text: str) -> None:
    assert names_in(text) == []


def test_a_script_without_capitals_is_told_apart_from_a_text_without_names() -> None:
    assert has_case("dinner")
    assert has_case("обед")
    assert not has_case("昨天")
    assert not has_case("رأيت")
    assert not has_case("12, 13")
    assert not has_case("")
