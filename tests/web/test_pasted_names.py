"""What people paste where an image is asked for leads to the image that they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.web.pasted_names import pasted_name

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("alpine", "library/alpine"),
        ("  alpine \n", "library/alpine"),
        ("\u200balpine\ufeff", "library/alpine"),
        ("docker", "library/docker"),
        ("library/alpine", "library/alpine"),
        ("Example/Web", "example/web"),
        ("Example/Web:V1", "example/web:V1"),
        ("docker.io/example/web", "example/web"),
        ("index.docker.io/alpine:3.20", "library/alpine:3.20"),
        ("GHCR.io/Example/Web:1.0", "ghcr.io/example/web:1.0"),
        ("localhost:5000/web", "localhost:5000/web"),
        ("example/web/", "example/web"),
        (f"example/web@{DIGEST}", "example/web"),
        (f"example/web:1.0@{DIGEST}", "example/web:1.0"),
        ("`example/web:1.0`", "example/web:1.0"),
        ("docker pull example/web", "example/web"),
        ("$ sudo docker image pull --platform linux/arm64 example/web:1.0", "example/web:1.0"),
        ("docker pull docker", "library/docker"),
        ("podman pull quay.io/example/web", "quay.io/example/web"),
        ("FROM --platform=$BUILDPLATFORM alpine:3.20 AS build", "library/alpine:3.20"),
        ('image: "example/web:1.0"', "example/web:1.0"),
        ("https://hub.docker.com/r/example/web", "example/web"),
        ("hub.docker.com/r/example/web/tags?page=2", "example/web"),
        ("https://hub.docker.com/r/example/web/tags?page=2#top", "example/web"),
        ("https://hub.docker.com/_/alpine", "library/alpine"),
        ("HTTPS://HUB.DOCKER.COM/_/alpine/", "library/alpine"),
        ("https://quay.io/repository/example/web?tab=tags", "quay.io/example/web"),
        ("https://github.com/example/web/pkgs/container/api", "ghcr.io/example/api"),
        ("https://microbadger.com/images/example/web:1.0", "example/web:1.0"),
        ("https://microbadger.com/#/images/example/web", "example/web"),
        ("https://ghcr.io/example/web:1.0", "ghcr.io/example/web:1.0"),
    ],
)
def test_a_text_means_an_image(text: str, image: str) -> None:
    assert str(pasted_name(text)) == image


@pytest.mark.parametrize(
    "text",
    [
        *("", "   ", "-", "..", "../../etc/passwd", "https://", "javascript:alert(1)", "a b"),
        *("hello world", "docker run -it alpine sh", "größe/web", "example/web:", "example//web", "\\\\evil.example"),
        *("https://hub.docker.com/", "https://hub.docker.com/search?q=web", "https://github.com/example/web"),
        *("0" * 64, "x" * 2000, f"docker pull {'x' * 2000}", "https://example.org:99999/web", "a\0b"),
    ],
)
def test_a_text_means_none(text: str) -> None:
    assert pasted_name(text) is None


@given(st.text() | st.from_regex(r"(docker pull )?(https?://)?[a-zA-Z./:@_-]{1,40}", fullmatch=True))
def test_no_text_breaks_it_and_what_it_means_means_the_same(text: str) -> None:
    found = pasted_name(text)

    assert found is None or pasted_name(str(found)) == found
