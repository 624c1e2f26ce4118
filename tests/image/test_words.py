"""The words for sizes, with the edges of rounding, and for references."""

import pytest

from microbadger.image.words import short_reference, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (-1, "unknown"),
        (0, "unknown"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1075, "1.0 KiB"),
        (1076, "1.1 KiB"),
        (10 * 1024, "10.0 KiB"),
        (1024**2 - 52, "1023.9 KiB"),
        (1024**2 - 51, "1.0 MiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1024**2, "1.0 MiB"),
        (19_503_514, "18.6 MiB"),
        (1024**3 - 1, "1.0 GiB"),
        (1024**3, "1.0 GiB"),
        (1024**4 - 1, "1.0 TiB"),
        (1024**4, "1.0 TiB"),
        (2**50, "1024.0 TiB"),
    ],
)
def test_a_size_has_the_largest_unit_that_leaves_one(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("docker.io/library/alpine:3.22", "alpine:3.22"),
        ("docker.io/alpine", "alpine"),
        (" index.docker.io/library/alpine:3.22 ", "alpine:3.22"),
        ("docker.io/owner/app:1", "owner/app:1"),
        (f"alpine:3.22@sha256:{'a' * 64}", "alpine:3.22"),
        ("ghcr.io/owner/app:1@sha256:ab", "ghcr.io/owner/app:1"),
        ("localhost:5000/app", "localhost:5000/app"),
        ("Mañana:1@x", "Mañana:1@x"),
        ("", ""),
    ],
)
def test_a_reference_is_short_where_people_write_it_so(text: str, short: str) -> None:
    assert short_reference(text) == short
