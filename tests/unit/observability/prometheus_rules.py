"""A small evaluator of alert rules: enough of Prometheus's language to decide those of ``deploy/prometheus``.

Series are lists of samples a minute. ``rate`` and ``increase`` take counter resets into account and do not extrapolate
to the ends of their window, which Prometheus does; a rule that is near its bound may therefore be decided otherwise.
"""

from __future__ import annotations

import math
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Series = Mapping[str, Mapping[Labels, Sequence[float]]]
"""By metric and labels: one sample a minute, from minute 0."""

MINUTE: Final = 60.0
_TOKEN: Final = re.compile(
    r'\s*(?:(?P<number>\d[\d.]*(?:e[+-]?\d+)?)(?![\w\]])|(?P<name>[a-zA-Z_]\w*)|(?P<text>"[^"]*")'
    r"|(?P<range>\[\d+m\])|(?P<sign>=~|!=|>=|<=|[-+*/><={}(),]))"
)
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {">": operator.gt, "<": operator.lt}


def labels(**named: str) -> Labels:
    """Return labels."""
    return frozenset(named.items())


@dataclass
class _Parser:
    """Reads one expression and evaluates it at a minute."""

    text: str
    series: Series
    minute: int

    def __post_init__(self) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(self.text.rstrip()):
            found = _TOKEN.match(self.text, at)
            assert found is not None, f"cannot be read: {self.text[at:]!r}"
            kind = found.lastgroup or ""
            self.tokens.append((kind, found[kind]))
            at = found.end()

    def take(self, *wanted: str) -> str:
        kind, text = self.tokens.pop(0)
        assert not wanted or text in wanted or kind in wanted, f"{text!r} stands where {wanted} should: {self.text}"
        return text

    @property
    def next(self) -> str:
        return self.tokens[0][1] if self.tokens else ""

    def comparison(self) -> Vector:
        left = self.quotient()
        if self.next in _COMPARE:
            compare = _COMPARE[self.take()]
            bound = float(self.take("number"))
            left = {key: value for key, value in left.items() if compare(value, bound)}
        assert not self.tokens, f"more than can be read: {self.tokens}"
        return left

    def quotient(self) -> Vector:
        left = self.vector()
        while self.next == "/":
            self.take()
            right = self.vector()
            left = {key: left[key] / right[key] if right[key] else math.nan for key in left.keys() & right.keys()}
        return left

    def vector(self) -> Vector:
        if self.next in ("rate", "increase"):
            return self.over_time(self.take())
        if self.next == "sum":
            return self.sum_by()
        if self.next == "histogram_quantile":
            return self.quantile()
        matching = self.selector()
        return {key: samples[self.minute] for key, samples in matching.items() if len(samples) > self.minute}

    def selector(self) -> Mapping[Labels, Sequence[float]]:
        metric = self.take("name")
        assert metric in self.series, f"{metric} is no metric"
        found = self.series[metric]
        if self.next == "{":
            self.take("{")
            while self.next != "}":
                label, sign, value = self.take("name"), self.take("=", "=~"), self.take("text")[1:-1]
                pattern = re.compile(value if sign == "=~" else re.escape(value))
                found = {key: kept for key, kept in found.items() if pattern.fullmatch(dict(key).get(label, ""))}
                if self.next == ",":
                    self.take()
            self.take("}")
        return found

    def over_time(self, function: str) -> Vector:
        self.take("(")
        matching = self.selector()
        minutes = int(self.take("range")[1:-2])
        self.take(")")
        result: Vector = {}
        for key, samples in matching.items():
            window = samples[max(0, self.minute - minutes + 1) : self.minute + 1]
            if len(window) >= 2:
                steps = [later - earlier if later >= earlier else later for earlier, later in pairwise(window)]
                result[key] = sum(steps) / (1.0 if function == "increase" else MINUTE * len(steps))
        return result

    def sum_by(self) -> Vector:
        self.take("sum")
        self.take("by")
        self.take("(")
        kept = self.take("name")
        self.take(")")
        self.take("(")
        inner = self.vector()
        self.take(")")
        sums: dict[Labels, float] = defaultdict(float)
        for key, value in inner.items():
            sums[frozenset(pair for pair in key if pair[0] == kept)] += value
        return dict(sums)

    def quantile(self) -> Vector:
        self.take("histogram_quantile")
        self.take("(")
        share = float(self.take("number"))
        self.take(",")
        inner = self.vector()
        self.take(")")
        buckets = sorted((float(dict(key)["le"]), value) for key, value in inner.items())
        if not buckets or buckets[-1][1] == 0:
            return {}
        rank, before, start = share * buckets[-1][1], 0.0, 0.0
        for edge, count in buckets:
            if count >= rank:
                inside = (rank - before) / (count - before) if count > before else 0.0
                return {frozenset(): start if math.isinf(edge) else start + (edge - start) * inside}
            before, start = count, edge
        raise AssertionError("the last bucket holds all")


def fires(rule: Mapping[str, Any], series: Series, minutes: int) -> bool:
    """Return whether an alert is firing after so many minutes, looked at once a minute.

    Args:
        rule: As the file has it.
        series: The samples.
        minutes: How many samples each series has.
    """
    wanted = int(rule["for"].removesuffix("m"))
    since: dict[Labels, int] = {}
    for minute in range(minutes):
        true = _Parser(rule["expr"], series, minute).comparison()
        since = {key: since.get(key, minute) for key in true}
    return any(minutes - 1 - began >= wanted for began in since.values())
