"""Webhooks: what each sender's payload is about, and tokens nobody can guess."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.reference import Reference, Repository
from microbadger.webhooks import hooks_token, image_token, is_token, references_in

ALPINE, TRIVY = Repository.parse("alpine"), Repository.parse("ghcr.io/aquasecurity/trivy")
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
BLOB = "application/octet-stream"
DIGEST = f"sha256:{'a' * 64}"

# https://docs.docker.com/docker-hub/repos/manage/webhooks/
DOCKER_HUB = {
    "callback_url": "https://registry.hub.docker.com/u/svendowideit/testhook/hook/2141b5/",
    "push_data": {"pushed_at": 1417566161, "pusher": "trustedbuilder", "tag": "latest"},
    "repository": {
        "name": "testhook",
        "namespace": "svendowideit",
        "repo_name": "svendowideit/testhook",
        "is_private": True,
        "status": "Active",
    },
}


def event(action: str = "push", host: object = "registry.example", **target: object) -> dict[str, object]:
    """An event of https://distribution.github.io/distribution/about/notifications/."""
    return {
        "id": "d83e8796",
        "timestamp": "2018-10-11T13:53:21.859222576Z",
        "action": action,
        "target": {"mediaType": MANIFEST, "size": 2206, "repository": "shinebayar-g/a", "digest": DIGEST, **target},
        "request": {"host": host, "method": "PUT"},
        "actor": {"name": "shinebayar-g"},
        "source": {"addr": "registry.example:5000"},
    }


def read(payload: object) -> list[str]:
    return [str(reference) for reference in references_in(json.dumps(payload).encode())]


def test_docker_hub_tells_the_tag_that_was_pushed() -> None:
    assert read(DOCKER_HUB) == ["svendowideit/testhook:latest"]


@pytest.mark.parametrize(
    ("name", "read_as"),
    [
        ("mañana/x", []),
        ("library/alpine", ["library/alpine"]),
        ("alpine", ["library/alpine"]),
        ("ghcr.io/a/b", ["docker.io/ghcr.io/a/b"]),
        ("../../etc", []),
        ("A/b", []),
        ("a/b:1", []),
        ("a/b\n", []),
        ("", []),
        (None, []),
        (1, []),
        (["a/b"], []),
        ({"a": "b"}, []),
    ],
)
def test_docker_hub_names_an_image_of_its_own_or_none(name: object, read_as: list[str]) -> None:
    assert read({"repository": {"repo_name": name}}) == read_as


@pytest.mark.parametrize("tag", ["mañana", "", None, 1, ["a"], "../x", "a b", "a\n", "t" * 129, DIGEST])
def test_what_is_no_tag_leaves_the_image(tag: object) -> None:
    assert read({"repository": {"repo_name": "a/b"}, "push_data": {"tag": tag}}) == ["a/b"]


@pytest.mark.parametrize(
    ("sent", "read_as"),
    [
        (event(tag="0.01"), ["registry.example/shinebayar-g/a:0.01"]),
        (event(tag="0.01", host="registry.example:5000"), ["registry.example:5000/shinebayar-g/a:0.01"]),
        (event(tag="0.01", host="Registry.Example"), ["registry.example/shinebayar-g/a:0.01"]),
        (event(), ["registry.example/shinebayar-g/a"]),
        (event("delete", mediaType=None, tag="0.01"), ["registry.example/shinebayar-g/a:0.01"]),
        (event("delete", mediaType=None), ["registry.example/shinebayar-g/a"]),
        (event("pull", tag="0.01"), []),
        (event("mount", tag="0.01"), []),
        (event(mediaType=BLOB), []),
        (event(host="mañana.example"), []),
        (event(host="../.."), []),
        (event(host=None), []),
        (event(host=5), []),
        (event(host={"a": "b"}), []),
        (event(repository="../../etc"), []),
        (event(repository="a/b:1"), []),
        (event(repository=None), []),
        (event(repository=1), []),
        ({"action": "push"}, []),
        ({"action": "push", "target": [], "request": "x"}, []),
        (None, []),
        ("push", []),
    ],
)
def test_a_registry_tells_what_was_pushed_or_deleted(sent: object, read_as: list[str]) -> None:
    assert read({"events": [sent]}) == read_as


def test_one_body_can_tell_of_several_images() -> None:
    events = [event(tag="1"), event("pull"), event(repository="b/c", tag="2")]
    assert read({"events": events}) == ["registry.example/shinebayar-g/a:1", "registry.example/b/c:2"]


def test_what_is_told_twice_is_read_once() -> None:
    assert read({"events": [event(tag="1"), event(tag="1")]}) == ["registry.example/shinebayar-g/a:1"]


def test_one_body_tells_of_a_thousand_tags_at_most() -> None:
    assert len(read({"events": [event(tag=str(number)) for number in range(1500)]})) == 1000


@pytest.mark.parametrize(
    "body",
    [
        "mañana".encode(),
        b"",
        b"\x00",
        b"\xff\xfe",
        b"payload=%7B%7D",
        b"null",
        b"[]",
        b"{}",
        b'"events"',
        b"NaN",
        b'{"events": {}}',
        b'{"events": "push"}',
        b'{"repository": "a/b"}',
        b'{"repository": []}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 10_000,
    ],
)
def test_a_body_that_tells_nothing_names_no_image(body: bytes) -> None:
    assert references_in(body) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["push", "a/b", "ghcr.io"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.binary())
def test_no_bytes_break_it(body: bytes) -> None:
    assert isinstance(references_in(body), list)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "repository": st.fixed_dictionaries({}, optional={"repo_name": json_values}) | json_values,
            "push_data": st.fixed_dictionaries({}, optional={"tag": json_values}) | json_values,
            "events": json_values
            | st.lists(
                st.fixed_dictionaries(
                    {"action": st.just("push") | json_values},
                    optional={
                        "target": st.fixed_dictionaries({"repository": json_values}, optional={"tag": json_values}),
                        "request": st.fixed_dictionaries({"host": json_values}),
                    },
                )
            ),
        },
    )
)
def test_no_payload_breaks_it(payload: object) -> None:
    assert all(isinstance(reference, Reference) for reference in references_in(json.dumps(payload).encode()))


@pytest.mark.parametrize("secret", ["mañana", "", "s3cret", "x" * 1000])
def test_a_token_is_safe_in_a_url_and_too_long_to_guess(secret: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,64}", image_token(secret, ALPINE))


def test_a_token_stays_the_same_for_ever() -> None:
    assert image_token("s3cret", ALPINE) == "aa3Sg2qAAi6m9qDR6RlSzh8Tuv2YW0yHy15WgRuWe9E"


def test_each_image_has_a_token_of_its_own() -> None:
    assert image_token("s3cret", ALPINE) != image_token("s3cret", TRIVY)


def test_each_secret_gives_other_tokens() -> None:
    assert image_token("s3cret", ALPINE) != image_token("s3cret2", ALPINE)


@pytest.mark.parametrize("name", ["hooks", "library/hooks", "a/hooks"])
def test_no_image_has_the_token_for_all_images(name: str) -> None:
    assert image_token("s3cret", Repository.parse(name)) != hooks_token("s3cret")


def test_the_token_for_all_images_depends_on_the_secret() -> None:
    assert hooks_token("s3cret") != hooks_token("s3cret2")


@pytest.mark.parametrize("given", ["mañana", "", "\udcff", "\x00", "t0ke", "t0ken=", "T0KEN", " t0ken"])
def test_any_other_token_is_refused(given: str) -> None:
    assert not is_token(given, "t0ken")


def test_the_token_itself_is_accepted() -> None:
    assert is_token("t0ken", "t0ken")
