"""Looking for what was forgotten in every file of a loom and in every answer, also where plain reading cannot find it.

Stores keep words in other forms: tantivy's dictionary shares beginnings, the forward index holds 56 bits of a digest,
the vectors hold a row of small integers. So these are looked for in their own form, also in deleted documents and in
segments that nobody uses any more.
"""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trust_traces import traces

from zaxy.clock import format_time
from zaxy.embedding.hashing import HashEmbedder
from zaxy.memory import Memory
from zaxy.projections.columns import digest_of as term_digest
from zaxy.projections.search.analysis import analyzer
from zaxy.projections.search.tantivy_files import read_meta
from zaxy.projections.search.tantivy_index import schema
from zaxy.projections.vectors.scoring import quantized
from zaxy.projections.vectors.store import digest_of as text_digest
from zaxy.services.recall.question import VERBATIM, Filters

_TOLD_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Secret:
    """What is looked for.

    Attributes:
        canary: 32 random characters, one word.
        texts: What the events said that held it, as the vectors have it.
        dimension: Of the vectors.
    """

    canary: str
    texts: tuple[str, ...] = ()
    dimension: int = 64

    def terms(self) -> list[str]:
        """Return the canary as the text index has it."""
        return analyzer().terms(self.canary)

    def in_stores(self) -> Mapping[str, bytes]:
        """Return as what the stores have the canary and the texts, where that is not text."""
        found = {f"the digest of the term {term}": term_digest(term).to_bytes(7, "little") for term in self.terms()}
        if self.texts:
            rows = quantized(HashEmbedder(self.dimension).embed(list(self.texts)))[0]
            found |= {f"the vector of {text!r}": row.tobytes() for text, row in zip(self.texts, rows, strict=True)}
            found |= {f"the digest of {text!r}": _as_row_id(text_digest(text)) for text in self.texts}
        return found


def _as_row_id(number: int) -> bytes:
    """Return a number of more than 56 bits as SQLite writes the name of a row: eight times seven bits, then eight."""
    return bytes(0x80 | number >> 8 + 7 * place & 0x7F for place in reversed(range(8))) + bytes([number & 0xFF])


def remains(root: Path, secret: Secret) -> list[str]:
    """Return where something of a secret is in the files of a loom and of its keys."""
    folders = [root / "loom", root / "state"]
    held = secret.in_stores()
    found = traces({"the canary": secret.canary.encode()}, folders)
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        found += [f"{what} in {path}" for what, looks in held.items() if looks in content]
    return [*found, *_in_dictionaries(folders, secret, root / "inspected")]


def _in_dictionaries(folders: Iterable[Path], secret: Secret, aside: Path) -> Iterator[str]:
    """Yield where the word is a term of a tantivy index, in deleted documents and in segments that nobody uses too."""
    beginning = secret.canary[:_TOLD_CHARACTERS]
    for folder in sorted({path.parent for place in folders for path in place.rglob("*.term")}):
        searcher, fields = _undeleted(folder, aside / secrets.token_hex(8))
        for name in fields:
            found = searcher.terms_with_prefix(name, beginning)
            if found:
                yield f"{found} in the field {name} of {folder}"
        for address in _addresses(searcher):
            if secret.canary in str(searcher.doc(address).to_dict()):
                yield f"a stored field of {folder}"


def _undeleted(folder: Path, copy: Path) -> tuple[Any, list[str]]:
    """Return a searcher over a copy of an index in which nothing is deleted and all segments count; its text fields."""
    import tantivy

    shutil.copytree(folder, copy)
    meta = copy / "meta.json"
    if not meta.exists():
        with tempfile.TemporaryDirectory() as empty:
            tantivy.Index(schema(), path=empty, reuse=False)
            shutil.copy(Path(empty) / "meta.json", meta)
    told = json.loads(meta.read_bytes())
    known = {segment["segment_id"].replace("-", ""): segment for segment in told["segments"]}
    segments = [{**known.get(path.stem, _orphan(path.stem)), "deletes": None} for path in sorted(copy.glob("*.term"))]
    meta.write_text(json.dumps({**told, "segments": segments}))
    fields = [field["name"] for field in told["schema"] if field["type"] == "text"]
    return tantivy.Index.open(str(copy)).searcher(), fields


def _orphan(stem: str) -> dict[str, Any]:
    parts = (stem[:8], stem[8:12], stem[12:16], stem[16:20], stem[20:])
    return {"segment_id": "-".join(parts), "max_doc": 1}


def _addresses(searcher: Any) -> list[Any]:
    import tantivy

    return [address for _, address in searcher.search(tantivy.Query.all_query(), 10_000, count=False).hits]


def orphans(root: Path) -> list[str]:
    """Return the segment files that the last commit of the text index does not consist of."""
    index = root / "loom" / "projections" / "search" / "index"
    if not (index / "meta.json").exists():
        return []
    used = set(read_meta(index).files)
    return sorted(path.name for path in index.iterdir() if path.suffix in (".term", ".store") and path.name not in used)


def answers(memory: Memory, questions: Iterable[str], terms: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield everything that a loom answers, with how it was asked: hits, packets, events, entities, vectors."""
    for question in questions:
        for filters in (Filters(), Filters(history=True), Filters(known_at=_now(memory)), Filters(lanes=(VERBATIM,))):
            hits = memory.recall.query(question, filters, limit=100)
            told = [(hit.citation, hit.content, hit.metadata) for hit in hits]
            yield f"query {question!r} with {filters}", repr(told)
        packet = memory.checkouts.checkout(question, Filters(), token_budget=4_000)
        yield f"checkout {question!r}", packet.text.replace(question, "")
    for session_id in memory.loom.sessions():
        for event in memory.loom.log(session_id).replay():
            yield f"event {event.ref}", repr(event)
            yield f"event {event.ref} as it is meant", repr(memory.reader.view(event))
    yield "entities", repr(memory.recall.ask_graph(lambda graph: [graph.find(term, 1_000) for term in terms]))


def _now(memory: Memory) -> str:
    return format_time(memory.clock.now())
