"""Secrets that are tried first are refused, and none that was made at random."""

import base64
import random
import string
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.webhooks.guessing import is_guessable

RANDOM = 10_000

GUESSABLE = {
    "counted": [
        "1234567890123456", "0123456789abcdef", "fedcba9876543210", "abcdefghijklmnop", "zyxwvutsrqponmlk",
        "ABCDEFGHIJKLMNOP", "abcd1234efgh5678", "1122334455667788", "aabbccddeeffgghh", "13579acegikmoqsu",
        "0000000000000001", "ABC-123-DEF-456-GHI",
    ],
    "keys beside each other": [
        "qwertyuiopasdfgh", "asdfghjklasdfghjkl", "qwertzuiopasdfgh", "azertyuiopqsdfgh", "poiuytrewqlkjhgf",
        "1q2w3e4r5t6y7u8i", "1qaz2wsx3edc4rfv", "qazwsxedcrfvtgby", "zxcvbnmasdfghjkl", "Qwertyuiop123456",
    ],
    "repeated": [
        "a" * 40, "ab" * 10, "deadbeefdeadbeef", "abcabcabcabcabcd", "hunter2hunter2hunter2", "xK9xK9xK9xK9xK9x",
        "trustno1trustno1", "s3cr3ts3cr3ts3cr3t", "p@ssw0rd p@ssw0rd", "00000000-0000-0000-0000-000000000000",
    ],
    "never filled in": [
        "${SECRET_FROM_ENV}", "$MICROBADGER_SECRET", "$(openssl rand -hex 32)", "<random-hex-32-bytes>",
        "{{ vault.badge }}", "{{ .Values.hmac }}", "%BADGE_HMAC_KEY%", "__HMAC_FOR_BADGES__", "@HMAC_FOR_BADGES@",
        "{HMAC_FOR_BADGES}", "${{ secrets.HMAC }}", "[object Object]!!", "prefix-${RANDOM_HEX}",
    ],
    "to be replaced": [
        "your-secret-goes-here", "your-webhook-secret", "please-change-me", "TODO: change this", "YOUR_ADMIN_TOKEN",
        "<your-secret-here>", "insert-your-key-here", "example-secret-key", "put your token here", "replace_this_value",
        "undefinedundefined", "none none none none", "MyPlaceholderValue",
    ],
    "common words": [
        "correcthorsebattery", "CorrectHorseBatteryStaple", "sunshine12345678", "dragon1234567890", "Passw0rd12345678",
        "passwordpassword", "changeme12345678", "admin-admin-admin-123", "my secret password", "the-admin-token-2026",
        "P4$$w0rd-2026-11-30", "5ecret_t0ken_1234", "monkeymonkey1234", "letmeinletmein123", "microbadger2026!!",
        "supersecrettoken", "W3lc0me-t0-d0cker", "adm1n1strat0r-123", "SuperSecretPassword!",
    ],
}  # fmt: skip


@pytest.mark.parametrize("secret", [secret for secrets in GUESSABLE.values() for secret in secrets])
def test_what_is_tried_first_can_be_guessed(secret: str) -> None:
    assert is_guessable(secret)


@pytest.mark.parametrize("secret", [
    "größe-fuchs-mühle", "hasta mañana, 16", "a secret of mine", "an administrator's", "Zx93kfj3lsdkQ2abcd",
    "velvet-otter-parade-cinnamon", "hunter2, a secret", "token-8f2c9a41d7", "83610472958164027351",
])  # fmt: skip
def test_other_secrets_are_taken(secret: str) -> None:
    assert not is_guessable(secret)


def spelled(letters: str, length: int) -> Callable[[random.Random], str]:
    return lambda dice: "".join(dice.choices(letters, k=length))


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "16 hexadecimal digits": spelled("0123456789abcdef", 16),
    "openssl rand -hex 32": lambda dice: dice.randbytes(32).hex(),
    "a UUID": lambda dice: str(uuid.UUID(bytes=dice.randbytes(16), version=4)),
    "12 bytes, base64": lambda dice: base64.b64encode(dice.randbytes(12)).decode(),
    "24 bytes, for URLs": lambda dice: base64.urlsafe_b64encode(dice.randbytes(24)).decode(),
    "10 bytes, base32": lambda dice: base64.b32encode(dice.randbytes(10)).decode(),
    "16 letters": spelled(string.ascii_lowercase, 16),
    "16 characters": spelled(string.ascii_letters + string.digits + string.punctuation, 16),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_of_ten_thousand_secrets_made_at_random_none_is_refused(make: Callable[[random.Random], str]) -> None:
    dice = random.Random(20)
    assert [secret for _ in range(RANDOM) if is_guessable(secret := make(dice))] == []


@given(st.uuids(version=4))
def test_no_uuid_made_at_random_is_refused(made: uuid.UUID) -> None:
    distinct = len({*made.hex})
    assert is_guessable(str(made)) <= (distinct < len(made.hex) / 3)  # hypothesis likes those of zeros
