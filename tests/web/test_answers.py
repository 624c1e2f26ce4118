"""Compressed answers, small enough to be remembered or not."""

import gzip

import pytest
from flask import Flask, Response

from microbadger.web.answers import file_answer


def compressed(content: bytes) -> Response:
    with Flask(__name__).test_request_context(headers={"Accept-Encoding": "gzip"}):
        return file_answer(content, "größe.json")


@pytest.mark.parametrize("size_bytes", [1400, 512 * 1024, 512 * 1024 + 1])
def test_a_body_of_any_size_is_compressed(size_bytes: int) -> None:
    answer = compressed(b"x" * size_bytes)

    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data) == b"x" * size_bytes


@pytest.mark.parametrize("size_bytes", [1400, 512 * 1024 + 1])
def test_the_same_content_is_compressed_to_the_same_bytes(size_bytes: int) -> None:
    first, second = compressed(b"x" * size_bytes), compressed(b"x" * size_bytes)

    assert (first.data, first.headers["ETag"]) == (second.data, second.headers["ETag"])


def test_a_remembered_body_is_never_another_one() -> None:
    assert gzip.decompress(compressed(b"x" * 1400).data) == b"x" * 1400
    assert gzip.decompress(compressed(b"y" * 1400).data) == b"y" * 1400
