"""The repository keeps to the house style."""

from __future__ import annotations

from house_style import ROOT, findings, report


def test_nothing_in_the_repository_breaks_the_house_style() -> None:
    print(*report(ROOT), sep="\n")
    found = findings(ROOT)
    assert not found, "\n" + "\n".join(map(str, found))
