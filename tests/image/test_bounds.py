"""How much is kept of what strangers write: exactly so much, and what is left out is said."""

import pytest

from microbadger.image.bounds import bounded_commands, bounded_texts, cut_text, size_bytes
from microbadger.image.documents import document_bytes

OCI_TITLE = "org.opencontainers.image.title"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        ("mañana", "mañana"),
        ("x" * 65_536, "x" * 65_536),
        ("x" * 65_537, "x" * 65_536 + " … (cut after 64 KiB)"),
        ("x" + "ñ" * 32_768, "x" + "ñ" * 32_767 + " … (cut after 64 KiB)"),
        ("💩" * 16_384, "💩" * 16_384),
        ("💩" * 16_385, "💩" * 16_384 + " … (cut after 64 KiB)"),
        ("\ud83d" * 65_537, "?" * 65_536 + " … (cut after 64 KiB)"),
    ],
    ids=range(8),
)
def test_a_text_is_cut_after_64_kib_between_two_characters(text: str, kept: str) -> None:
    assert cut_text(text) == kept


@pytest.mark.parametrize("value", ["MÁXIMA", "<script>&&", "\ud83d", '"\\\n', {"a": ["b", 1, None], "<": {}}])
def test_a_value_has_the_size_that_it_has_in_a_document(value: object) -> None:
    assert size_bytes(value) == len(document_bytes({"": value})) - len(b'{"":}\n')


@pytest.mark.parametrize(
    ("texts", "max_bytes", "kept"),
    [
        ({}, 0, []),
        ({"a": "b"}, 8, ["a"]),
        ({"a": "b"}, 7, []),
        ({"a": "b", "c": "d"}, 16, ["a", "c"]),
        ({"a": "b", "c": "d"}, 15, ["a"]),
        ({"a": "b" * 10, "c": "d"}, 8, ["c"]),
        ({"a": "ñ"}, 8, []),
        ({"a": "b", OCI_TITLE: "c"}, 37, [OCI_TITLE]),
        ({"a": "b", "org.label-schema.name": "c"}, 28, ["org.label-schema.name"]),
        ({"a": "b", "vnd.docker.reference.type": "c"}, 32, ["vnd.docker.reference.type"]),
        ({"a": "b", "org.opencontainers.imagesize": "c"}, 35, ["a"]),
        ({"a": "b", OCI_TITLE: "c"}, 45, ["a", OCI_TITLE]),
    ],
)
def test_of_labels_that_are_too_large_those_that_mean_something_are_kept_first(
    texts: dict[str, str], max_bytes: int, kept: list[str]
) -> None:
    why = f"{len(texts) - len(kept)} of {len(texts)} labels are left out: there are too many, or they are too large"
    in_order, said = bounded_texts(texts, "labels", max_bytes)
    assert list(in_order.items()) == [(key, texts[key]) for key in kept]
    assert said == ("" if len(kept) == len(texts) else why)


@pytest.mark.parametrize("count", [1000, 1001])
def test_a_thousand_labels_are_kept(count: int) -> None:
    assert len(bounded_texts({str(number): "" for number in range(count)}, "labels")[0]) == 1000


@pytest.mark.parametrize(("more", "kept"), [(0, 8), (1, 7)])
def test_labels_of_512_kib_are_kept(more: int, kept: int) -> None:
    texts = {str(number): "x" * (65_536 - len('"1":"",')) for number in range(7)} | {"7": "x" * (65_529 + more)}
    assert len(bounded_texts(texts, "labels")[0]) == kept


@pytest.mark.parametrize(
    ("lengths", "kept", "said"),
    [
        ([], [], ""),
        ([65_534] * 8, [65_534] * 8, ""),
        ([65_534] * 7 + [65_535], [65_534] * 7 + [0], "1 of 8 commands are left out: they are too large"),
        ([65_534] * 8 + [0], [65_534] * 8 + [0], ""),
        ([65_534] * 8 + [1], [65_534] * 8 + [0], "1 of 9 commands are left out: they are too large"),
        ([600_000, 1, 0, 1], [0, 0, 0, 0], "3 of 4 commands are left out: they are too large"),
    ],
    ids=range(6),
)
def test_commands_are_empty_from_where_all_together_would_be_too_large(
    lengths: list[int], kept: list[int], said: str
) -> None:
    commands = ["x" * length for length in lengths]
    assert bounded_commands(iter(commands)) == (["x" * length for length in kept], said)
