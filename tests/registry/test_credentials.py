"""Where an operator's registry credentials are found, and what a Docker configuration can hold."""

import base64
import json
import re
from pathlib import Path

import pytest

from microbadger.registry.credentials import Credential, Credentials, read_credentials, run_helper
from tests.fakes.registry import to_json


def config(user: str, password: str) -> str:
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    return json.dumps({"auths": {"registry.test": {"auth": auth}}})


def test_the_folders_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config("reader", "pässword"))

    assert read_credentials("", tmp_path)("registry.test") == Credential("reader", "pässword")


def test_the_text_comes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config("from the file", "x"))

    credential = read_credentials(config("from the text", "x"), tmp_path)("registry.test")

    assert credential is not None
    assert credential.username == "from the text"


@pytest.mark.parametrize("folder", [None, Path("/nowhere/at/all")])
def test_without_a_configuration_there_is_no_credential(folder: Path | None) -> None:
    assert read_credentials("", folder)("registry.test") is None


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"auths": 3}', "[" * 100_000])
def test_an_invalid_configuration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Docker configuration"):
        read_credentials(text, None)


def test_a_helper_that_is_not_installed_knows_nothing() -> None:
    assert run_helper("of-nobody-at-all", "registry.test") is None


def test_the_secrets_are_known_as_they_are_and_as_they_are_sent() -> None:
    auths = json.loads(config("reader", "pässword"))["auths"]
    identity = {"auths": {**auths, "other.test": {"identitytoken": "an identity"}}}

    secrets = read_credentials(json.dumps(identity), None).secrets

    assert {"pässword", "an identity", auths["registry.test"]["auth"]} <= set(secrets)
    assert "" not in secrets


def test_credentials_do_not_show_when_printed() -> None:
    assert "wörd" not in f"{Credential('a', 'pass:wörd')!r}{Credential('a', 'b', 'wörd')}"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def no_helper(name: str, server: str) -> bytes | None:
    raise AssertionError("no helper is configured")


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
        ("ghcr.io", "ghcr.io"),
        ("https://GHCR.io", "ghcr.io"),
        ("https://quay.io/v1/", "quay.io"),
        ("http://localhost:5000/v2/", "localhost:5000"),
        ("[::1]:5000", "[::1]:5000"),
        ("index.docker.io/v1/", "docker.io"),
        ("quay.io/", "quay.io"),
        ("quay.io/v2", "quay.io"),
        ("https://quay.io/team", "quay.io"),
    ],
)
def test_it_knows_which_registry_a_key_means(key: str, host: str) -> None:
    credentials = Credentials.from_config({"auths": {key: {"auth": encoded("mañana:pass:wörd")}}}, no_helper)
    assert credentials(host) == Credential("mañana", "pass:wörd")
    assert credentials("other.test") is None


PLACES = ["a.test/team/app", "a.test/team", "a.test", "docker.io/team", "a.test/team/app/deep", "b.test/", "A.test/two"]


@pytest.mark.parametrize(
    ("repository", "place"),
    [
        ("a.test/team/app", "a.test/team/app"),
        ("a.test/team/app/deep", "a.test/team/app/deep"),
        ("a.test/team/app/deep/er", "a.test/team/app/deep"),
        ("a.test/team/app/deeper", "a.test/team/app"),
        ("a.test/team/application", "a.test/team"),
        ("a.test/team/ap", "a.test/team"),
        ("a.test/team", "a.test/team"),
        ("a.test/teams/app", "a.test"),
        ("a.test/app", "a.test"),
        ("a.test/two/app", "A.test/two"),
        ("a.test:443/team/app", None),
        ("sub.a.test/team/app", None),
        ("b.test/team/app", "b.test/"),
        ("docker.io/team/app", "docker.io/team"),
        ("docker.io/library/app", None),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("kind", ["auths", "credHelpers"])
def test_the_entry_that_names_the_most_of_a_repository_counts(
    kind: str, order: int, repository: str, place: str | None
) -> None:
    auths: dict[str, object] = {key: {"username": "reader", "password": key} for key in PLACES[::order]}
    helpers = {key: re.sub("[^a-z]", "-", key.lower()) for key in PLACES[::order]}
    printed = {name: to_json({"Username": "reader", "Secret": key}) for key, name in helpers.items()}
    config: dict[str, object] = {kind: auths if kind == "auths" else helpers}
    found = Credentials.from_config(config, lambda name, _: printed[name])(repository)
    assert found == (Credential("reader", place) if place else None)


@pytest.mark.parametrize("alias", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_a_part_of_docker_hub_can_stand_under_each_of_its_names(alias: str) -> None:
    config = {"auths": {f"{alias}/team": {"auth": encoded("a:b")}}}
    assert Credentials.from_config(config, no_helper)("docker.io/team/app") == Credential("a", "b")
    assert Credentials.from_config(config, no_helper)("docker.io/other/app") is None


def test_a_longer_entry_of_the_file_comes_before_the_store() -> None:
    config = {"credsStore": "x", "auths": {"r.test/team": {"auth": encoded("a:b")}}}
    printed = to_json({"Username": "of the store", "Secret": "s"})
    credentials = Credentials.from_config(config, lambda *_: printed)
    assert credentials("r.test/team/app") == Credential("a", "b")
    assert credentials("r.test/other/app") == Credential("of the store", "s")


def test_a_helper_for_a_part_of_a_registry_is_asked_for_that_part_and_then_for_the_host() -> None:
    asked: list[str] = []

    def run(name: str, server: str) -> bytes | None:
        asked.append(server)
        return None if "/" in server else to_json({"Username": "a", "Secret": "b"})

    credentials = Credentials.from_config({"credHelpers": {"r.test/team": "x"}}, run)
    assert credentials("r.test/team/app") == Credential("a", "b")
    assert asked == ["r.test/team", "r.test"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
@pytest.mark.parametrize("is_file", [True, False])
def test_a_byte_order_mark_is_ignored(tmp_path: Path, encoding: str, is_file: bool) -> None:
    written = config("reader", "pässword").encode(encoding)
    (tmp_path / "config.json").write_bytes(written)
    inline = "" if is_file else "\ufeff" + config("reader", "pässword")

    assert read_credentials(inline, tmp_path)("registry.test/app") == Credential("reader", "pässword")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": encoded("mañana:b\0\0")}, Credential("mañana", "b")),
        ({"username": "a", "password": "b"}, Credential("a", "b")),
        ({"auth": encoded("a:"), "identitytoken": "t"}, Credential("a", "", "t")),
        ({"auth": encoded("<token>:t")}, Credential("", "", "t")),
        ({"identitytoken": "t"}, Credential("", "", "t")),
        ({"auth": encoded("a:b"), "email": "x"}, Credential("a", "b")),
        ({}, None),
        ({"auth": ""}, None),
        ({"auth": None, "username": 7}, None),
    ],
)
def test_it_reads_every_form_of_an_entry(entry: object, expected: Credential | None) -> None:
    assert Credentials.from_config({"auths": {"r.test": entry}}, no_helper)("r.test") == expected


@pytest.mark.parametrize("config", [None, {}, {"auths": None, "credHelpers": None, "credsStore": ""}])
def test_no_configuration_means_no_credentials(config: dict[str, object] | None) -> None:
    assert Credentials.from_config(config, no_helper)("docker.io") is None


@pytest.mark.parametrize(
    "config",
    [
        {"auths": {"r.test": {"auth": "mañana"}}},
        {"auths": {"r.test": {"auth": encoded("no colon")}}},
        {"auths": {"r.test": {"auth": base64.b64encode(b"\xff:\xff").decode()}}},
        {"auths": {"r.test": "text"}},
        {"auths": ["r.test"]},
        {"credHelpers": ["ecr-login"]},
        {"credHelpers": {"r.test": "../../bin/sh"}},
        {"credHelpers": {"r.test": "a b"}},
        {"credHelpers": {"r.test": None}},
        {"credsStore": "-rf"},
        {"credsStore": ["desktop"]},
    ],
)
def test_it_refuses_a_configuration_that_makes_no_sense(config: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Docker configuration"):
        Credentials.from_config(config, no_helper)


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("docker.io", ("desktop", "https://index.docker.io/v1/")),
        ("1.dkr.ecr.test", ("ecr-login", "1.dkr.ecr.test")),
        ("ghcr.io", ("desktop", "ghcr.io")),
    ],
)
def test_it_asks_the_helper_of_a_host_or_else_the_store(host: str, asked: tuple[str, str]) -> None:
    calls: list[tuple[str, str]] = []

    def run(name: str, server: str) -> bytes:
        calls.append((name, server))
        return to_json({"ServerURL": server, "Username": "mañana", "Secret": "s"})

    config = {"credHelpers": {"1.dkr.ecr.test": "ecr-login"}, "credsStore": "desktop"}
    assert Credentials.from_config(config, run)(host) == Credential("mañana", "s")
    assert calls == [asked]


def test_a_helper_can_give_an_identity_token() -> None:
    printed = to_json({"Username": "<token>", "Secret": "t"})
    assert Credentials.from_config({"credsStore": "x"}, lambda *_: printed)("r.test") == Credential("", "", "t")


@pytest.mark.parametrize("printed", [None, b"", b"{}", b'{"Username": 7, "Secret": null}'])
def test_it_falls_back_to_the_file_if_a_helper_has_nothing(printed: bytes | None) -> None:
    config = {"credsStore": "x", "auths": {"r.test": {"auth": encoded("a:b")}}}
    assert Credentials.from_config(config, lambda *_: printed)("r.test") == Credential("a", "b")


@pytest.mark.parametrize("printed", ["mañana".encode(), b"[]", b"credentials not found in native keychain"])
def test_it_says_when_a_helper_does_not_print_a_credential(printed: bytes) -> None:
    with pytest.raises(ValueError, match="did not print a JSON object"):
        Credentials.from_config({"credsStore": "x"}, lambda *_: printed)("r.test")
