"""A bucket for the public files: the settings that name it, and what refuses to start."""

import subprocess
import sys
from pathlib import Path

import pytest

from microbadger.settings import Settings, SettingsError
from microbadger.site.bucket_address import BucketAddress

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "the secret", "AWS_SESSION_TOKEN": "the session"}


def read(url: str = "s3://badges/public/", **variables: str) -> Settings:
    return Settings.from_environment({"MICROBADGER_PUBLIC_DIR": url, **KEYS, **variables})


def test_a_bucket_has_a_prefix_and_the_credentials_of_the_environment() -> None:
    assert read(AWS_REGION="eu-central-1", AWS_ENDPOINT_URL="http://127.0.0.1:9000/").bucket == BucketAddress(
        bucket="badges",
        prefix="public",
        region="eu-central-1",
        endpoint="http://127.0.0.1:9000",
        key_id="key",
        secret_key="the secret",
        session_token="the session",
    )


@pytest.mark.parametrize(
    ("variables", "region", "endpoint"),
    [
        ({}, "us-east-1", ""),
        ({"AWS_DEFAULT_REGION": "auto"}, "auto", ""),
        ({"AWS_DEFAULT_REGION": "auto", "AWS_REGION": "eu-north-1"}, "eu-north-1", ""),
        (
            {"AWS_ENDPOINT_URL": "https://a.test", "AWS_ENDPOINT_URL_S3": "https://s3.test"},
            "us-east-1",
            "https://s3.test",
        ),
    ],
)
def test_the_more_particular_variable_counts(variables: dict[str, str], region: str, endpoint: str) -> None:
    bucket = read(**variables).bucket
    assert bucket
    assert (bucket.region, bucket.endpoint) == (region, endpoint)


def test_a_bucket_of_aws_can_be_opened_by_the_role_of_the_machine() -> None:
    bucket = Settings.from_environment({"MICROBADGER_PUBLIC_DIR": "s3://badges"}).bucket
    assert bucket == BucketAddress(bucket="badges")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"AWS_ENDPOINT_URL": "mañana"}, "Invalid AWS_ENDPOINT_URL: must be a URL"),
        ({"AWS_ENDPOINT_URL_S3": "http://user:password@a.test"}, "Invalid AWS_ENDPOINT_URL_S3: must be a URL"),
        ({"AWS_REGION": "eu central"}, "Invalid AWS_REGION: must be a region such as eu-central-1"),
        ({"AWS_DEFAULT_REGION": "../"}, "Invalid AWS_DEFAULT_REGION: must be a region such as eu-central-1"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ACCESS_KEY_ID": " "}, "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ENDPOINT_URL": "http://a.test"},
            "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
    ],
)
def test_what_cannot_work_refuses_to_start(variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as error:
        read(**variables)
    assert sentence in str(error.value)
    assert not any(secret in str(error.value) for secret in ("password", "the secret", "the session"))


def test_no_secret_of_a_bucket_is_logged() -> None:
    settings = read()
    assert {"the secret", "the session"} <= {*settings.secrets}
    assert settings.logged["public_dir"] == BucketAddress(bucket="badges", prefix="public", **_keys())
    assert "the s" not in f"{settings.logged} {settings}"


def _keys() -> dict[str, str]:
    return {"key_id": "key", "secret_key": "the secret", "session_token": "the session"}


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("s3://badges", "PUBLIC_DIR: a bucket needs obstore; install it with: pip install obstore."),
        ("public", ""),
    ],
)
def test_obstore_is_needed_for_nothing_but_a_bucket(tmp_path: Path, url: str, sentence: str) -> None:
    program = (
        "import sys, importlib.abc\n"
        "class Hidden(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.partition('.')[0] == 'obstore': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
        "import app\n"
        "app.create_app()\n"
    )
    environment = {"MICROBADGER_PUBLIC_DIR": url if sentence else str(tmp_path / url), **KEYS}
    environment["MICROBADGER_DATA_DIR"] = str(tmp_path / "data")
    started = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (started.returncode == 0, sentence in started.stderr) == (not sentence, True), started.stderr


@pytest.mark.parametrize(
    "url", ["s3://badges/x\ny", "s3://badges/x\ry", "s3://bad\tges/x", "s3://badges/\x00", "s3\n://x/y"]
)
def test_a_bucket_with_a_control_character_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="Invalid MICROBADGER_PUBLIC_DIR: must be a folder, or a bucket"):
        read(url)


@pytest.mark.parametrize("variable", KEYS)
def test_a_key_with_a_control_character_is_refused_and_not_shown(variable: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(**{variable: "hunter\n2"})
    assert refused.value.message == f"Invalid {variable}: must be printable text."


def test_no_key_of_a_bucket_is_in_the_text_of_the_settings() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "hunter1", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_SESSION_TOKEN": "hunter3"}
    assert "hunter" not in repr(read(**keys))
