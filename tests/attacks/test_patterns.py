"""Texts of a megabyte that are made to be slow to read: every pattern and every recursion takes linear time."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from microbadger.badges.colors import parse_color
from microbadger.http.origin import Url
from microbadger.image.configs import parse_config
from microbadger.image.errors import InvalidManifest, UnsupportedManifest
from microbadger.image.labels import read_labels, repository_url
from microbadger.image.manifest import parse_manifest
from microbadger.image.reference import InvalidReference, Reference
from microbadger.image.releases import highest_release
from microbadger.image.tags import is_version_tag
from microbadger.logs.redaction import Redaction
from microbadger.registry.auth import parse_challenges
from microbadger.registry.docker_hub import parse_details, parse_tags_page
from microbadger.webhooks.payload import read
from tests.fakes.registry import FakeRegistry, image, index
from tests.freshness.bench import Bench

MEGABYTE = 1024**2
MOST_SECONDS = 30.0  # a bound against quadratic time, which takes minutes
REDACTION = Redaction(["a-secret-of-ours", "a-secret-of-ours-too"])
LABELS = [
    *("org.opencontainers.image.source", "org.opencontainers.image.licenses", "org.opencontainers.image.created"),
    *("org.opencontainers.image.revision", "org.opencontainers.image.url", "org.label-schema.vcs-url"),
]
PARTS = [
    *("a", "A", "-", ".", "/", "?", "?a=", "-eyJ", "eyJ.", "eyJa.eyJ", "Bearer ", "Bearer  ", "Basic a", "//", "//a@"),
    *("http://a", "https://a/", "with url: ", "a-secret-of-", "/" + "a" * 43, " ", "\t", '"', "\\", '\\"', "a=", 'a="'),
    *("[", "{", '{"a":', "[]", "[1,", "<a>;", "; rel=", "0", "1.", "1-", "v1-", "@", "a@a.", "git@a:", "(", "é"),
    "A OR ",
]


def refused(read_text: Callable[[str], object], *errors: type[Exception]) -> Callable[[str], object]:
    """Return a reader that may refuse the text."""

    def attempt(text: str) -> object:
        try:
            return read_text(text)
        except errors:
            return None

    return attempt


READERS: dict[str, Callable[[str], object]] = {
    "redaction": REDACTION.of,
    "redaction of a library's message": REDACTION.of_foreign,
    "challenges": parse_challenges,
    "reference": refused(Reference.parse, InvalidReference),
    "URL": refused(Url.of, ValueError),
    "color": parse_color,
    "repository": repository_url,
    "tag": is_version_tag,
    "release": lambda text: highest_release([text]),
    "labels": lambda text: read_labels(dict.fromkeys(LABELS, text)),
    "manifest": refused(lambda text: parse_manifest(text.encode()), InvalidManifest, UnsupportedManifest),
    "config": refused(lambda text: parse_config(text.encode()), InvalidManifest),
    "config of this label": refused(
        lambda text: parse_config(json.dumps({"config": {"Labels": {"a": text}}}).encode()), InvalidManifest
    ),
    "Docker Hub's details": lambda text: parse_details(text.encode()),
    "Docker Hub's description": lambda text: parse_details(json.dumps({"description": text}).encode()),
    "Docker Hub's tags": lambda text: parse_tags_page(text.encode()),
    "webhook": lambda text: read({}, text.encode()),
    "webhook that names": lambda text: read({}, json.dumps({"repository": {"repo_name": text}}).encode()),
}


@pytest.mark.parametrize("name", READERS)
def test_a_megabyte_that_is_made_to_be_slow_is_read_in_linear_time(name: str) -> None:
    worst, slowest = 0.0, ""
    for part in PARTS:
        text = part * (MEGABYTE // len(part))
        began = time.perf_counter()
        READERS[name](text)
        if (seconds := time.perf_counter() - began) > worst:
            worst, slowest = seconds, part
        assert seconds < MOST_SECONDS, part
    print(f"{name}: {worst:.3f} s for {slowest[:20]!r}")


def test_600_nested_indexes_are_read_as_far_as_they_may_be_and_say_so(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        nested = image()
        for _ in range(600):
            nested = index(nested)
        fake.push("team/web", "latest", nested)
        bench = Bench(tmp_path, fake)

        assert bench.refresh() is None

        assert "indexes more than 5 levels deep" in bench.record["Versions"][0]["Unread"]
