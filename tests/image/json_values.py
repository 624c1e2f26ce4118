"""JSON as strangers write it: any value, and a sound document with any value in any place."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

# With half surrogate pairs, which JSON can express and UTF-8 cannot.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=8) | st.sampled_from(
    [
        *("", "NOASSERTION", "https://user:hunter2@example.com/a?hunter2", "git@example.com:a/b", "pkg:docker/a?b#c"),
        *("x" * 5000, "<" * 600, "\u202e", "2026-11-20", "SPDX-2.3", "a" * 40),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=5)


@st.composite
def spoiled(draw: st.DrawFn, *documents: dict[str, Any]) -> dict[str, Any]:
    """One of these documents with up to three values that are something else."""
    document: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(1, 3))):
        places = [*_places(document)]
        if places:
            parent, key = draw(st.sampled_from(places))
            parent[key] = draw(VALUES)
    return document


def _places(value: object) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield value, key
        yield from _places(child)
