"""Signatures: receivers verify them with the library of the specification, and notice what was changed."""

from base64 import b64decode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from microbadger.notifications.signing import new_secret, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def now() -> int:
    return int(datetime.now(UTC).timestamp())


@pytest.mark.parametrize("body", ['{"text":"mañana"}', "{}", '{"text":"a.b.c"}'])
def test_a_receiver_verifies_a_message(body: str) -> None:
    headers = signed_headers(SECRET, "msg_1", now(), body.encode())

    Webhook(SECRET).verify(body, headers)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_receiver_verifies_any_message(text: str) -> None:
    secret = new_secret()

    Webhook(secret).verify(text, signed_headers(secret, "msg_1", now(), text.encode()), json_parse=False)


@given(st.binary(min_size=24, max_size=64))
def test_no_other_secret_verifies_a_message(key: bytes) -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(key).verify("{}", signed_headers(SECRET, "msg_1", now(), b"{}"))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_receiver_notices_that_a_header_was_changed(name: str) -> None:
    headers = signed_headers(SECRET, "msg_1", now(), b"{}")
    other = signed_headers(SECRET, "msg_2", now() - 1, b"[]")

    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify("{}", {**headers, name: other[name]})


def test_a_receiver_notices_that_the_body_was_changed() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify("{ }", signed_headers(SECRET, "msg_1", now(), b"{}"))


def test_the_signature_is_that_of_other_senders() -> None:
    """The example that the libraries of the specification are tested with."""
    body = b'{"test": 2432232314}'
    headers = signed_headers(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_long_and_never_the_same() -> None:
    secrets = {new_secret() for _ in range(10)}

    assert len(secrets) == 10
    assert {len(b64decode(secret.removeprefix("whsec_"))) for secret in secrets} == {32}
