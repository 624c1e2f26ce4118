"""A whole service that reaches everything through a proxy alone, with certificates of the operator's own."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app import create_app
from microbadger.cdn.purge import CdnPurge
from microbadger.cdn.target import PurgeMethod
from microbadger.http.client import Network
from microbadger.notifications.outbox import Message
from microbadger.notifications.receivers import Scope
from microbadger.notifications.sender import Sender
from microbadger.notifications.subscriptions import Subscription
from microbadger.settings import Settings
from tests.fakes.proxy import HttpProxy, passing_on_to
from tests.fakes.receiver import Receiver
from tests.fakes.registry import FakeRegistry, RawServer, image
from tests.fakes.tls import Certificate, make_certificate
from tests.notifications.bench import START

LOGIN = "Basic dXNlcjpodW50ZXIy"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "registry.test", "receiver.test")


def network_through(proxy: HttpProxy, certificate: Certificate) -> Network:
    """Return what the service makes of its environment; no name can be resolved but by the proxy."""
    settings = Settings.from_environment(environment(proxy, certificate))
    return Network("tests", settings.proxies, settings.ca_bundle)


def environment(proxy: HttpProxy, certificate: Certificate) -> dict[str, str]:
    url = proxy.url.replace("//", "//user:hunter2@")
    return {"https_proxy": url, "HTTP_PROXY": url, "REQUESTS_CA_BUNDLE": str(certificate.file)}


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        fake.push("team/app", "1.0", image())
        yield fake


def test_a_registry_is_read_through_the_proxy(fake: FakeRegistry, certificate: Certificate, tmp_path: Path) -> None:
    with ExitStack() as running:
        encrypted = running.enter_context(RawServer(certificate.wrapped(passing_on_to(int(fake.host.split(":")[1])))))
        proxy = running.enter_context(HttpProxy({"registry.test:443": encrypted.port}, login=LOGIN))
        settings = Settings.from_environment(
            environment(proxy, certificate)
            | {"MICROBADGER_DATA_DIR": str(tmp_path / "data"), "MICROBADGER_PUBLIC_DIR": str(tmp_path / "public")}
            | {"MICROBADGER_IMAGES": "registry.test/team/app", "HOME": str(tmp_path)}
        )
        result = create_app(settings).test_cli_runner().invoke(args=["refresh"])

    assert result.exit_code == 0, result.output
    published = json.loads((tmp_path / "public/v1/images/registry.test/team/app.json").read_text())
    assert published["Repository"] == "team/app"
    assert {*proxy.asked} == {"CONNECT registry.test:443"}


def test_a_message_is_sent_through_the_proxy(certificate: Certificate) -> None:
    subscription = Subscription(id="1", image_name="alpine", url="https://receiver.test/hook", secret="whsec_YWJj")
    with ExitStack() as running:
        receiver = running.enter_context(Receiver())
        encrypted = running.enter_context(RawServer(certificate.wrapped(passing_on_to(receiver.server_port))))
        proxy = running.enter_context(HttpProxy({"receiver.test:443": encrypted.port}, login=LOGIN))
        sender = Sender(network_through(proxy, certificate))
        attempt = sender.send(subscription, Message("msg_1", "{}", 0, START), Scope.PUBLIC)

    assert attempt.has_arrived
    assert len(receiver.received) == 1


@pytest.mark.parametrize("url", ["https://0x7f000001/hook", "http://169.254.169.254/", "http://localhost:1/"])
def test_no_message_is_sent_inside_through_the_proxy(certificate: Certificate, url: str) -> None:
    subscription = Subscription(id="1", image_name="alpine", url=url, secret="whsec_YWJj")
    with HttpProxy({}) as proxy:
        sender = Sender(network_through(proxy, certificate))
        attempt = sender.send(subscription, Message("msg_1", "{}", 0, START), Scope.PUBLIC)

    assert attempt.error == "messages may not be sent to the address of this URL"
    assert proxy.asked == []


def test_a_cdn_is_purged_through_the_proxy(certificate: Certificate) -> None:
    with Receiver() as cdn, HttpProxy({"cdn.test": cdn.server_port}, login=LOGIN) as proxy:
        purge = CdnPurge(PurgeMethod("http://cdn.test"), network_through(proxy, certificate), base_url="http://a.test")
        purge.add(["index.html"])
        purge.wait()

    assert "PURGE http://cdn.test/index.html" in proxy.asked
