"""The words for sizes, and the edges of rounding."""

import pytest

from microbadger.image.words import size_text


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
