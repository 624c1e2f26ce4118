"""Secrets in what is about to be logged are found, whoever wrote them and however; what is none stays."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError

from microbadger.image.reference import Repository
from microbadger.logs.redaction import HIDDEN, Redaction
from microbadger.webhooks.tokens import hooks_token, image_token

TOKEN = hooks_token("a secret")


@pytest.mark.parametrize(
    "write",
    [
        str,
        quote,
        quote_plus,
        repr,
        json.dumps,
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: quote(secret, safe=""),
    ],
)
@given(secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=4))
def test_a_secret_that_is_known_is_found_however_it_is_written(write: object, secret: str) -> None:
    assert callable(write)
    assert Redaction([secret]).of(f"<{write(secret)}>").strip("<>'\"") == HIDDEN


def test_of_secrets_that_begin_alike_the_whole_is_hidden() -> None:
    assert Redaction(["secret", "secret-more"]).of("secret-more secret") == f"{HIDDEN} {HIDDEN}"


@pytest.mark.parametrize("secret", ["", "a", "abc"])
def test_what_could_be_any_part_of_a_word_is_no_known_secret(secret: str) -> None:
    assert Redaction([secret]).of("abc abcabc") == "abc abcabc"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mañana Authorization: Bearer abc.DEF-123==", f"mañana Authorization: Bearer {HIDDEN}"),
        ("'Authorization': 'Basic dXNlcjpwYXNz'", f"'Authorization': 'Basic {HIDDEN}'"),
        ("token eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln.", f"token {HIDDEN}."),
        ("x-eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln", f"x-{HIDDEN}"),
        ("eyJ- -eyJ.eyJhbGci.eyJz.c2ln", f"eyJ- -eyJ.{HIDDEN}"),
        ("https://user:p%40ss@registry.test/v2", f"https://{HIDDEN}@registry.test/v2"),
        ("/blob?X-Amz-Signature=0a1b&X=2 failed", f"/blob?{HIDDEN} failed"),
        ("https://s.test/b?sig=a%2Bb'", f"https://s.test/b?{HIDDEN}'"),
        (f"POST /hooks/{TOKEN} HTTP/1.1", f"POST /hooks/{HIDDEN} HTTP/1.1"),
        (f"/images/example/web/{TOKEN}?wait=60", f"/images/example/web/{HIDDEN}?{HIDDEN}"),
    ],
)
def test_the_forms_of_secrets_are_known(text: str, expected: str) -> None:
    assert Redaction().of(text) == expected


@given(secret=st.text(min_size=1), path=st.from_regex(r"[a-z0-9]{1,20}(/[a-z0-9]{1,20}){0,2}", fullmatch=True))
def test_the_webhook_token_of_any_image_is_hidden(secret: str, path: str) -> None:
    encodable = secret.encode("utf-8", "replace").decode()
    token = image_token(encodable, Repository.parse(path))
    if any(character.isupper() for character in token):
        assert Redaction().of(f"/images/{path}/{token}") == f"/images/{path}/{HIDDEN}"


@pytest.mark.parametrize(
    "text",
    [
        "mañana",
        "registry.example.org/team/app:1.0",
        "sha256:" + "0a" * 32,
        "https://badges.example.org/",
        "is it? no = it is not",
        f"example/{'a' * 43}",
        "does it need basic or bearer?",
        "/v1/images/<path:name>",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redaction(["the secret"]).of(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mañana https://hooks.slack.test/services/T0/B0/abc!", f"mañana https://hooks.slack.test/{HIDDEN}"),
        ("'https://discord.test/api/webhooks/1/abc' failed", f"'https://discord.test/{HIDDEN}' failed"),
        (str(MaxRetryError(HTTPConnectionPool("a.test"), "/services/T0/abc")), f"with url: {HIDDEN}"),
        ("Listening at: http://0.0.0.0:8000 (7)", "Listening at: http://0.0.0.0:8000 (7)"),
    ],
)
def test_of_a_url_in_what_libraries_say_the_host_is_left(text: str, expected: str) -> None:
    told = Redaction().of_foreign(text)

    assert expected in told
    assert "abc" not in told
