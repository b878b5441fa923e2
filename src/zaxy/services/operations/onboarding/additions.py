"""What is added to a configuration: one value at one place, and how the document reads with it and without it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

Place = tuple[str | int, ...]
"""Keys and positions from the root of a document inwards."""


class ShapeError(ValueError):
    """Raised when something else is where an object or a list should be, or the layout is not one that we can edit."""


@dataclass(frozen=True, slots=True)
class Addition:
    """One value in a document of nested objects.

    Attributes:
        place: Keys from the root; the last one names the value's own member, or the list that it is an element of.
        value: What stands there.
        in_list: Whether it is an element of a list. What is added comes first, and the order of a list tells nothing.
    """

    place: tuple[str, ...]
    value: Any
    in_list: bool = False

    def found_in(self, document: Any) -> Place | None:
        """Return where the document holds exactly this, None where it does not."""
        found = value_at(document, self.place)
        if not self.in_list:
            return self.place if found == self.value else None
        return (*self.place, found.index(self.value)) if isinstance(found, list) and self.value in found else None

    def is_contradicted_by(self, document: Any) -> bool:
        """Whether the member is there and says something else."""
        return not self.in_list and value_at(document, self.place) not in (None, self.value)

    def added_to(self, document: Any) -> Any:
        """Return the document with this in it.

        Raises:
            ShapeError: Something on the way is neither missing nor an object or list.
        """
        changed = parent = copy.deepcopy(document)
        try:
            for key in self.place[:-1]:
                parent = parent.setdefault(key, {})
            if self.in_list:
                parent.setdefault(self.place[-1], []).insert(0, self.value)
            else:
                parent[self.place[-1]] = self.value
        except (AttributeError, TypeError) as error:
            raise ShapeError(f"something else stands where {'.'.join(self.place)} belongs") from error
        return changed


def value_at(document: Any, place: Place) -> Any:
    """Return what stands at a place, None where there is nothing."""
    for key in place:
        if isinstance(document, dict):
            document = document.get(key)
        else:
            document = document[key] if isinstance(document, list) and isinstance(key, int) else None
    return document


def without(document: Any, place: Place) -> Any:
    """Return the document without what stands at a place; objects and lists that held nothing else go with it."""
    changed = copy.deepcopy(document)
    del value_at(changed, place[:-1])[place[-1]]
    return pruned(changed, place)


def pruned(document: Any, place: Place) -> Any:
    """Return the document without the empty objects and lists around a place; it may be changed."""
    while len(place := place[:-1]) > 0 and value_at(document, place) in ({}, []):
        del value_at(document, place[:-1])[place[-1]]
    return document
