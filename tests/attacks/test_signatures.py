"""Attack: whoever knows the URL of a webhook, but not its secret, posts what the sender never signed."""

import hmac
from collections.abc import Callable, Iterator

import pytest

from tests.fakes.registry import FakeRegistry
from tests.web.bench import Bench

BODY = b'{"zen": "Keep it logically awesome."}'


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A service that tracks alpine."""
    with FakeRegistry() as fake:
        yield Bench(tmp_path_factory.mktemp("app"), "alpine", fake)


def sha(algorithm: str) -> Callable[[str, bytes], str]:
    return lambda secret, body: hmac.digest(secret.encode(), body, algorithm).hex()


SIGNATURES: dict[str, Callable[[str, bytes], str]] = {
    "X-Hub-Signature": lambda secret, body: f"sha1={sha('sha1')(secret, body)}",
    "X-Hub-Signature-256": lambda secret, body: f"sha256={sha('sha256')(secret, body)}",
    "X-Gitea-Signature": sha("sha256"),
    "X-Forgejo-Signature": sha("sha256"),
    "X-Gogs-Signature": sha("sha256"),
    "X-Nexus-Webhook-Signature": sha("sha1"),
    "X-JFrog-Event-Auth": sha("sha256"),
}
ADDRESSES = pytest.mark.parametrize("name", ["alpine", ""], ids=["of an image", "of all images"])


def posted(bench: Bench, name: str, body: bytes, **headers: str) -> tuple[int, str]:
    """Return what a webhook answers to a body."""
    answer = bench.client.post(bench.webhook(name) if name else bench.webhook(), data=body, headers=headers)
    return answer.status_code, answer.text


def secret_of(bench: Bench, name: str) -> str:
    return (bench.webhook(name) if name else bench.webhook()).rpartition("/")[2]


@ADDRESSES
@pytest.mark.parametrize("header", SIGNATURES)
@pytest.mark.parametrize("body", [BODY, b""], ids=["a body", "no body"])
def test_a_wrong_signature_is_refused_and_the_right_one_is_not(
    bench: Bench, body: bytes, header: str, name: str
) -> None:
    secret, sign = secret_of(bench, name), SIGNATURES[header]
    assert posted(bench, name, body, **{header: sign(secret, body)}) == (200, "OK")
    for wrong in (sign("another secret", body), sign(secret, body + b" "), "mañana", sign(secret, body)[:-1]):
        assert posted(bench, name, body, **{header: wrong.encode().decode("latin-1")}) == (403, "Bad signature")


@ADDRESSES
def test_a_right_signature_does_not_make_up_for_a_wrong_one(bench: Bench, name: str) -> None:
    right = SIGNATURES["X-Hub-Signature-256"](secret_of(bench, name), BODY)
    assert posted(bench, name, BODY, **{"X-Hub-Signature-256": right, "X-Hub-Signature": "sha1=0"})[0] == 403


@ADDRESSES
def test_a_body_that_is_too_long_to_be_checked_is_not_taken_for_a_signed_one(bench: Bench, name: str) -> None:
    for body, answer in ((bytes(3 * 1024**2), (200, "OK")), (bytes(3 * 1024**2 + 1), (403, "Bad signature"))):
        right = SIGNATURES["X-Hub-Signature-256"](secret_of(bench, name), body)
        assert posted(bench, name, body, **{"X-Hub-Signature-256": right}) == answer


@ADDRESSES
def test_without_a_signature_the_address_is_enough(bench: Bench, name: str) -> None:
    assert posted(bench, name, BODY) == posted(bench, name, b"") == (200, "OK")
