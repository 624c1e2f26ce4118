"""What strangers read about a failure holds no words of a registry, and does not say which has a credential."""

import json
from collections.abc import Callable, Iterator

import pytest
from werkzeug.wrappers import Response

from microbadger.image.reference import Repository
from microbadger.registry.credentials import Credential
from microbadger.registry.errors import RegistryError
from tests.fakes.registry import FakeRegistry, image
from tests.registry.bench import listed, registry_client

PATH = "team/app"
WORDS = "51gn of alice"

Fail = Callable[[FakeRegistry], object]
Find = Callable[[str], Credential | None]


def unreadable(_place: str) -> Credential | None:
    raise ValueError(f"the helper of alice printed {WORDS}")


CREDENTIALS: list[Find] = [
    lambda _: None, lambda _: Credential("alice", "right"), lambda _: Credential("alice", "wrong"), unreadable
]


def saying(status: int, part: str = f"/v2/{PATH}", **headers: str) -> Fail:
    """Return what has a registry answer so, in words of its own."""
    errors = {"errors": [{"code": WORDS, "message": WORDS, "detail": WORDS}], "message": WORDS, "token": f"{WORDS}\n"}
    answer = Response(json.dumps(errors).encode(), status=status, headers=headers)
    return lambda fake: fake.always(part, lambda _: answer)


FAILURES: dict[str, Fail] = {
    "private": lambda fake: fake.private.add(PATH),
    "deleted": lambda fake: fake.delete(PATH, "latest"),
    **{f"status {status}": saying(status) for status in (200, 400, 401, 403, 404, 410, 418, 429, 500, 501, 503)},
    "a token service that fails": saying(500, "/token"),
    "a token service that is mistaken": saying(200, "/token"),
    "a realm that is no address": saying(401, **{"WWW-Authenticate": f'Bearer realm="http://[{WORDS}"'}),
    "a realm elsewhere": saying(401, **{"WWW-Authenticate": f'Bearer realm="https://127.0.0.2/{WORDS}"'}),
    "a redirect inside": saying(307, Location=f"http://10.0.0.1/{WORDS}"),
}


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.login, fake.users = "token", {"alice": "right"}
        fake.push(PATH, "latest", image())
        yield fake


def sentences(fake: FakeRegistry, find: Find, *, private: bool = False) -> Iterator[str]:
    """Yield why the tags and a tag cannot be read, with this credential."""
    registry = registry_client(credentials=find)
    for read in (listed, lambda remote: remote.manifest("latest")):
        try:
            read(registry.repository(Repository(fake.host, PATH), private=private))
        except RegistryError as error:
            yield str(error)


@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
def test_a_failure_is_told_in_the_same_words_whatever_credential_there_is(fake: FakeRegistry, fail: Fail) -> None:
    fail(fake)

    told = [list(sentences(fake, find)) for find in CREDENTIALS]

    assert told[0]
    assert told == [told[0]] * len(CREDENTIALS)


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
def test_a_failure_is_told_without_words_of_the_registry_or_of_the_credential(
    fake: FakeRegistry, fail: Fail, private: bool
) -> None:
    fail(fake)

    told = " ".join(sentence for find in CREDENTIALS for sentence in sentences(fake, find, private=private))

    assert not [word for word in ("51gn", "alice", "helper", "credential") if word in told], told
