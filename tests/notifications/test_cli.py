"""The operator's commands for notifications, and a change that travels from a registry to a receiver."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from standardwebhooks import Webhook

from app import create_app
from microbadger.settings import Settings
from tests.fakes.receiver import Answer, Receiver, dead_url
from tests.fakes.registry import FakeRegistry, image, index


class Operator:
    """An operator at the keyboard of a service that tracks an image of a fake registry."""

    def __init__(self, folder: Path, fake: FakeRegistry) -> None:
        self.fake = fake
        self.name = f"{fake.host}/team/web"
        self.settings = Settings(
            images=self.name, data_dir=folder / "data", public_dir=folder / "public", hub_url="", secret="a secret"
        )
        self.settings = replace(self.settings, base_url="https://badges.test")

    def types(self, *arguments: str) -> Result:
        return create_app(self.settings).test_cli_runner().invoke(args=arguments)

    def notifications(self, *arguments: str) -> Result:
        return self.types("notifications", *arguments)

    def subscribe(self, url: str, *options: str) -> tuple[str, str]:
        """Return the id and the secret of a new subscription."""
        result = self.notifications("add", self.name, url, *options)
        assert result.exit_code == 0, result.output
        id_, secret = result.output.split()
        return id_, secret

    def listed(self) -> list[str]:
        return self.notifications("list").output.splitlines()


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with FakeRegistry() as fake:
        fake.push("team/web", "1.0", image())
        yield Operator(tmp_path, fake)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_subscriptions_are_added_listed_and_removed(operator: Operator) -> None:
    options = ["--tag", "1.*", "--tag", "latest", "--format", "slack", "--rebuilt", "--base-moved"]
    id_, secret = operator.subscribe("https://hooks.test/mañana", *options)

    assert secret.startswith("whsec_")
    words = [id_, operator.name, "https://hooks.test/mañana", "slack", "1.*", "latest", "rebuilt", "base-moved"]
    assert operator.listed() == ["  ".join(words)]
    assert operator.notifications("remove", id_).exit_code == 0
    assert operator.listed() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "example/unknown", "https://hooks.test/"],
        ["add", "UPPER/case", "https://hooks.test/"],
        ["add", "{name}", "mañana"],
        ["add", "{name}", "ftp://hooks.test/"],
        ["add", "{name}", "https://hooks.test/", "--format", "pigeon"],
        ["add", "{name}", "https://hooks.test/", "--tag", "a b"],
        ["add", "{name}", "https://hooks.test/", "--tag", "!*"],
        ["add", "{name}", "https://hooks.test/", "--authorization", "two\nlines"],
        ["remove", "mañana"],
        ["test", "../x"],
        ["resend", ""],
    ],
)
def test_an_invalid_command_is_explained_and_changes_nothing(operator: Operator, arguments: list[str]) -> None:
    result = operator.notifications(*(argument.format(name=operator.name) for argument in arguments))

    assert result.exit_code != 0
    assert "Error: " in result.output
    assert operator.listed() == []


def test_an_authorization_is_sent_and_not_listed(operator: Operator, receiver: Receiver) -> None:
    id_, _ = operator.subscribe(receiver.url, "--authorization", "Bearer tk_secret")

    operator.notifications("test", id_)

    assert receiver.received[0].headers["Authorization"] == "Bearer tk_secret"
    assert operator.listed() == [f"{id_}  {operator.name}  {receiver.url}  microbadger  authorized"]


def test_a_test_message_is_sent(operator: Operator, receiver: Receiver) -> None:
    id_, secret = operator.subscribe(receiver.url)

    result = operator.notifications("test", id_)

    assert (result.exit_code, result.output) == (0, "The receiver answered with status 204.\n")
    (received,) = receiver.received
    assert Webhook(secret).verify(received.body, dict(received.headers))["image_name"] == operator.name


def test_a_test_message_that_does_not_arrive_fails_the_command(operator: Operator) -> None:
    id_, _ = operator.subscribe(dead_url())

    result = operator.notifications("test", id_)

    assert (result.exit_code, result.output) == (
        1,
        "Error: The test message did not arrive: it refuses connections.\n",
    )


def test_the_first_check_of_an_image_sends_nothing(operator: Operator, receiver: Receiver) -> None:
    operator.subscribe(receiver.url)
    operator.types("refresh")

    assert receiver.received == []


def test_a_change_in_the_registry_reaches_the_receiver(operator: Operator, receiver: Receiver) -> None:
    _, secret = operator.subscribe(receiver.url)
    operator.types("refresh")
    digest = operator.fake.push("team/web", "1.0", image(layers=[1, 2]))
    operator.types("refresh", operator.name)

    (received,) = receiver.received
    message = Webhook(secret).verify(received.body, dict(received.headers))
    assert message == {
        "text": f"MicroBadger: image {operator.name} has changed https://badges.test/images/{operator.name}",
        "image_name": operator.name,
        "new_tags": [],
        "changed_tags": [{"tag": "1.0", "SHA": digest.removeprefix("sha256:")}],
        "deleted_tags": [],
    }


@pytest.mark.parametrize(("options", "count"), [((), 0), (("--rebuilt",), 1)])
def test_a_rebuild_reaches_only_those_who_asked_for_it(
    operator: Operator, receiver: Receiver, options: tuple[str, ...], count: int
) -> None:
    operator.subscribe(receiver.url, *options)
    operator.types("refresh")
    operator.fake.push("team/web", "1.0", index(image(), attestations=True))
    operator.types("refresh", operator.name)

    assert len(receiver.received) == count


def test_a_change_beside_a_rebuild_is_all_that_is_sent(operator: Operator, receiver: Receiver) -> None:
    operator.subscribe(receiver.url)
    operator.types("refresh")
    operator.fake.push("team/web", "1.0", index(image(), attestations=True))
    operator.fake.push("team/web", "1.1", image(layers=[1, 2]))
    operator.types("refresh", operator.name)

    (received,) = receiver.received
    message = json.loads(received.body)
    assert [tag["tag"] for tag in message["new_tags"]] == ["1.1"]
    assert message["changed_tags"] == []


def test_the_list_says_what_waits_and_what_is_disabled(operator: Operator) -> None:
    with Receiver(Answer(410)) as receiver:
        operator.subscribe(receiver.url)
        operator.types("refresh")
        operator.fake.push("team/web", "1.1", image())
        operator.types("refresh", operator.name)

    assert [line.split("  ")[-2:] for line in operator.listed()] == [["disabled", "1 waiting"]]


def test_sending_again_says_how_many_messages_that_are(operator: Operator, receiver: Receiver) -> None:
    id_, _ = operator.subscribe(receiver.url)

    assert operator.notifications("resend", id_).output.startswith("0 messages")
