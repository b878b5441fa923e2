"""Source code as it stands in files: what defines, imports, calls, needs and covers what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.vocabulary.model import Extraction
from zaxy.vocabulary.payloads import Payload, integer, label, labels, parse, text
from zaxy.vocabulary.statements import Statements, is_ended, joined

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True, slots=True)
class Code(Payload):
    """``code.*``: each type of event has some of these, those of zaxy-memory 3.x included. Lines are not searched.

    Attributes:
        path: ``path``, ``source_path``: a file, within its repository.
        repository: ``repository``: its folder's name; with the path it names the file.
        module: ``module``: of a file its own name, of an import what is imported.
        imports: ``imports``: modules, packages or files that a file takes something from.
        symbol: ``symbol``, ``name``: a definition, by its name within the file.
        called: ``qualified_name``: by its name beyond it.
        calls: ``calls``: what a symbol, or a file outside of any, calls, by names beyond the file.
        packages: ``packages``: what a manifest asks for.
        percent: ``percent``: share of the file's lines that tests run.
        target: ``target_path``: the file that a dependency leads to.
        caller: ``caller``: the symbol that makes a call.
        callee: ``target_qualified_name``, ``callee_qualified_name``, ``callee``: what it calls.
    """

    path: str = text("path", "source_path")
    repository: str = text("repository", quiet=True)
    module: str = text("module")
    imports: tuple[str, ...] = labels("imports")
    symbol: str = text("symbol", "name")
    called: str = text("qualified_name")
    calls: tuple[str, ...] = labels("calls")
    packages: tuple[str, ...] = labels("packages")
    percent: str = label("percent")
    target: str = text("target_path")
    caller: str = text("caller")
    callee: str = text("target_qualified_name", "callee_qualified_name", "callee")
    first: int | None = integer("line_from", "start_line")
    last: int | None = integer("line_to", "end_line")
    missing: str = text("missing", quiet=True)
    digest: str = text("digest", quiet=True)

    @property
    def file(self) -> str:
        """The name of the file beyond its repository."""
        return f"{self.repository}/{self.path}" if self.repository and self.path else self.path


def file(event: Event) -> Extraction:
    """Return what ``code.file.*`` and ``code.dependencies.*`` mean: the file is there, and what it needs."""
    told, statements = parse(Code, event.payload), Statements()
    subject = statements.fact("file", told.file, ended=is_ended(event, told))
    statements.relate(subject, "DEFINES", statements.mention("module", told.module))
    for entity_type, relation, names in (
        ("module", "IMPORTS", told.imports),
        ("symbol", "CALLS", told.calls),
        ("package", "DEPENDS_ON", told.packages),
    ):
        for name in names:
            statements.relate(subject, relation, statements.mention(entity_type, name))
    return statements.extraction(joined(other=told.other))


def symbol(event: Event) -> Extraction:
    """Return what a ``code.symbol.*`` event means: that a file defines it, and what it calls."""
    told, statements = parse(Code, event.payload), Statements()
    subject = statements.fact("symbol", told.called or told.symbol, ended=is_ended(event, told))
    statements.relate(statements.mention("file", told.file), "DEFINES", subject)
    for name in told.calls:
        statements.relate(subject, "CALLS", statements.mention("symbol", name))
    own = told.symbol.rpartition(".")[2]  # said twice, so that a name finds first what bears it
    return statements.extraction(joined(f"{own} {_words(own)}".strip(), other=told.other))


def coverage(event: Event) -> Extraction:
    """Return what a ``code.coverage.*`` event means: how much of a file tests run."""
    told, statements = parse(Code, event.payload), Statements()
    status = f"{told.percent}%" if told.percent else ""
    subject = statements.fact("coverage", told.file, status=status, ended=is_ended(event, told))
    statements.relate(subject, "OF", statements.mention("file", told.file))
    return statements.extraction(joined(f"test coverage of {told.path}: {status}", other=told.other))


def link(event: Event) -> Extraction:
    """Return what one import, dependency or call means, as zaxy-memory 3.x records them: what leads to what."""
    told, statements = parse(Code, event.payload), Statements()
    subject, caller = statements.mention("file", told.file), statements.mention("symbol", told.caller)
    statements.relate(caller or subject, "CALLS", statements.mention("symbol", told.callee))
    statements.relate(subject, "IMPORTS", statements.mention("module", told.module))
    if not told.callee:
        statements.relate(subject, "DEPENDS_ON", statements.mention("file", told.target))
    return statements.extraction(joined(other=told.other))


def _words(name: str) -> str:
    """Return the words that a name is put together of: ``parse http url`` for ``parseHTTPUrl``."""
    return " ".join(word.lower() for word in _WORD.findall(name)) if name.lower() != name else ""
