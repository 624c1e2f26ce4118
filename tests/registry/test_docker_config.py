"""Where an operator's registry credentials are found."""

import base64
import json
from pathlib import Path

import pytest

from app import create_app
from microbadger.registry.credentials import Credential
from microbadger.registry.docker_config import read_credentials, run_helper
from microbadger.settings import Settings, SettingsError


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
def test_a_configuration_that_makes_no_sense_refuses_to_start(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="DOCKER_AUTH_CONFIG is impossible"):
        create_app(Settings(data_dir=tmp_path, public_dir=tmp_path, docker_auth_config=text))


def test_a_helper_that_is_not_installed_knows_nothing() -> None:
    assert run_helper("of-nobody-at-all", "registry.test") is None


def test_the_secrets_are_known_as_they_are_and_as_they_are_sent() -> None:
    auths = json.loads(config("reader", "pässword"))["auths"]
    identity = {"auths": {**auths, "other.test": {"identitytoken": "an identity"}}}

    secrets = read_credentials(json.dumps(identity), None).secrets

    assert {"pässword", "an identity", auths["registry.test"]["auth"]} <= set(secrets)
    assert "" not in secrets
