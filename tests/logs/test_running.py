"""The log of the service as it runs: whatever goes right or wrong, a line per event, ids in it and no secret."""

import base64
import json
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.wrappers import Request, Response

from microbadger.image.reference import Repository
from microbadger.webhooks.tokens import hooks_token, image_token
from tests.fakes.receiver import Answer, Receiver, dead_url
from tests.fakes.registry import FakeRegistry, image, to_json
from tests.logfmt import parse
from tests.running_service import ROOT, START_SECONDS, RunningService

SECRET = 'a secret = of "tests" & mañana'
ADMIN_TOKEN = "admin/token+for tests"
PASSWORD = "pass:word of tests"
BEARER = "opaque-bearer-of-tests"
SIGNATURE = "5ignatur3"
RECEIVER_SECRET = "T00R3ceiv3r"
BASIC = base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
BREAKS = ("view", "thread", "library", "disk", "answer", "application")


def procfile_options() -> list[str]:
    """Return the options that the Procfile gives to gunicorn."""
    _, gunicorn, *options, application = shlex.split((ROOT / "Procfile").read_text())
    assert (gunicorn, application) == ("gunicorn", "app:serve()")
    return options


class TalkativeRegistry(FakeRegistry):
    """A registry that repeats secrets in its errors: it refuses a login, and signs URLs of a storage that fails."""

    def __init__(self) -> None:
        super().__init__()
        self.login = "token"
        self.users = {"robot": "another password"}
        self.private = {"team/private"}
        self.storage = f"{self.url}/storage?X-Amz-Signature={SIGNATURE}&digest="
        self.always("/storage", self._repeat)
        self.always("/v2/team/repeating/", self._repeat)
        self.always("/token", self._give_token)
        for name in ("private", "repeating", "signed", "web"):
            self.push(f"team/{name}", "latest", image(layers=[len(name)]))

    def _repeat(self, request: Request) -> Response | None:
        if request.path != "/storage" and "Authorization" not in request.headers:
            return None
        message = f"no {request.url} for {request.headers.get('Authorization')}\nevent=forged"
        return Response(to_json({"errors": [{"message": message}]}), status=400)

    def _give_token(self, request: Request) -> Response | None:
        if request.authorization:
            return None
        scopes = request.args.getlist("scope")
        self.grants[BEARER] = ("", [*self.grants.get(BEARER, ("", []))[1], *scopes])
        return Response(to_json({"token": BEARER, "expires_in": 300}))


class BreakingService(RunningService):
    """A service with defects, beside everything that can go wrong around it."""

    application = "tests.logs.breaking_app:serve()"

    def __init__(self, folder: Path, registry: FakeRegistry, *options: str) -> None:
        self.names = [f"{registry.host}/team/{name}" for name in ("repeating", "signed", "web")]
        settings = {"secret": SECRET, "admin_token": ADMIN_TOKEN, "cdn_purge": dead_url().rstrip("/")}
        super().__init__(folder, self.names, *options, **settings)
        (self.data / "images.txt").write_text(f"{registry.host}/team/private private\n")
        auths = {"auths": {registry.host: {"auth": BASIC}}}
        self.environment["DOCKER_AUTH_CONFIG"] = json.dumps(auths)
        self.web = self.names[-1]
        self.token = image_token(SECRET, Repository.parse(self.web))
        self.bad_token = image_token("last year's", Repository.parse(self.web))

    @property
    def events(self) -> list[dict[str, str]]:
        return [parse(line) for line in self.log.read_text().splitlines()]

    def has(self, **fields: str) -> bool:
        """Return whether there is a line with these fields, which may be cut off."""
        return any(all(line.get(key, "").startswith(value) for key, value in fields.items()) for line in self.events)

    def wait_for(self, **fields: str) -> None:
        self.wait(lambda: self.has(**fields), f"a line with {fields}")

    def post(self, path: str, **headers: str) -> requests.Response:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(f"{self.url}{path}", data=b"{}", headers=headers, timeout=START_SECONDS)

    def send_text(self, text: str) -> None:
        """Send what is not a request."""
        with socket.create_connection(("127.0.0.1", self.port), START_SECONDS) as connection:
            connection.sendall(text.encode())
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1000)


@pytest.fixture
def registry() -> Iterator[TalkativeRegistry]:
    with TalkativeRegistry() as registry:
        yield registry


def push_webhooks(service: BreakingService) -> None:
    hook = f"/images/{service.web}"
    assert service.post(f"{hook}/{service.token}", X_Request_ID="from-ci.1").status_code == 200
    assert service.post(f"{hook}/{service.bad_token}").status_code == 403
    assert service.post(f"/images/example/none/{service.token}").status_code == 404
    assert service.post(f"/images/{service.token}/{service.token}").status_code == 404
    assert service.post(f"/hooks/{hooks_token(SECRET)}").status_code == 200
    assert service.post(f"/hooks/{hooks_token(SECRET)}", X_Hub_Signature_256="sha256=0").status_code == 403
    assert service.post(f"/hooks/{service.bad_token}").status_code == 403
    assert service.get(f"{hook}/{service.token}").status_code in (404, 405)


def administrate(service: BreakingService, receivers: list[str]) -> list[str]:
    """Return the secrets that were made meanwhile."""
    images = f"{service.url}/v1/images"
    assert requests.put(f"{images}/alpine", headers={"Authorization": "Bearer wrong-token"}, timeout=20).ok is False
    assert requests.put(f"{images}/{service.web}", headers=ADMIN, timeout=20).status_code == 200
    assert service.token in requests.get(f"{images}/{service.web}/-/webhook", headers=ADMIN, timeout=20).text
    made = []
    for url in receivers:
        added = service.command("notifications", "add", service.web, url)
        made += [word for word in added.stdout.split() if word.startswith("whsec_")]
    for entry in requests.get(f"{service.url}/v1/notifications/", headers=ADMIN, timeout=20).json()["Notifications"]:
        requests.post(f"{service.url}/v1/notifications/{entry['ID']}/trigger", headers=ADMIN, timeout=20)
    assert len(made) == len(receivers)
    return made


def break_everything(service: BreakingService) -> None:
    for what in BREAKS:
        secret_url = f"{dead_url()}services/{RECEIVER_SECRET}"
        headers = {"X_Break": what, "X_Secret_Url": secret_url, "Authorization": f"Bearer {ADMIN_TOKEN}"}
        status = service.post(f"/images/{service.web}/{service.token}", **headers).status_code
        assert status == {"thread": 200, "library": 503, "disk": 503}.get(what, 500), what
    service.send_text(f"GET /hooks/{hooks_token(SECRET)}\r\n\r\n")
    service.send_text(f"GET /hooks/{hooks_token(SECRET)} HTTP/9.9\r\n\r\n")


EVENTS: list[dict[str, str]] = [
    {"event": "log", "message": "Starting gunicorn"},
    {"event": "started", "has_admin_token": "true"},
    {"event": "leading"},
    {"event": "webhook", "image": "127.0.0.1", "request": "from-ci.1"},
    {"event": "refreshed", "asked_by": "from-ci.1"},
    {"event": "webhook_refused", "reason": "Bad token"},
    {"event": "webhook_refused", "reason": "Bad signature"},
    {"event": "webhook_refused", "reason": "Image not found"},
    {"event": "hook"},
    {"event": "admin_refused", "status": "401"},
    {"event": "tracked"},
    {"event": "webhook_shown"},
    {"event": "notification", "status": "500"},
    {"event": "notification", "error": "it "},
    {"event": "refresh_failed", "cause": "denied"},
    {"event": "refresh_failed", "cause": "bad_answer", "error": "127.0.0.1"},
    {"event": "purge_failed"},
    {"event": "request_broke"},
    {"event": "request_failed", "status": "503"},
    {"event": "thread_broke"},
    {"event": "log", "logger": "microbadger", "level": "error"},
    {"event": "log", "logger": "gunicorn.error", "level": "error"},
    {"event": "log", "logger": "gunicorn.error", "level": "warning"},
]


@pytest.mark.parametrize("more_options", [[], ["--workers", "2", "--access-logfile", "-"]], ids=["as is", "access log"])
def test_whatever_happens_is_logged_in_lines_without_secrets(
    tmp_path: Path, registry: TalkativeRegistry, more_options: list[str]
) -> None:
    with (
        Receiver(Answer(500, {}, b"no " + RECEIVER_SECRET.encode())) as receiver,
        BreakingService(tmp_path, registry, *procfile_options(), *more_options) as service,
    ):
        repeating, *signed = service.names
        service.wait_for(event="refresh_failed", cause="bad_answer", image=repeating)
        for name in signed:
            service.wait_for(event="refreshed", note="1 of 1 tags could not be read", image=name)
        registry.storage = None
        push_webhooks(service)
        made = administrate(service, [f"{receiver.url}/{RECEIVER_SECRET}", f"{dead_url()}{RECEIVER_SECRET}"])
        break_everything(service)
        for fields in EVENTS:
            service.wait_for(**fields)
        metrics = service.get("/metrics").text
    assert service.has(event="log", message="Shutting down")

    secrets = [SECRET, ADMIN_TOKEN, PASSWORD, BASIC, BEARER, SIGNATURE, RECEIVER_SECRET, *made]
    secrets += [service.token, hooks_token(SECRET)] + ([] if more_options else [service.bad_token, "wrong-token"])
    log, values = service.log.read_text(), "\n".join(value for line in service.events for value in line.values())
    assert [secret for secret in secrets if secret in log or secret in values] == []
    assert {"forged"}.isdisjoint(line["event"] for line in service.events)
    assert all({"time", "level", "event"} <= line.keys() for line in service.events)
    assert not any(secret in metrics for secret in secrets)
    assert hosts_in(metrics) <= {registry.host}  # and no storage's or token service's


def hosts_in(metrics: str) -> set[str]:
    samples = (sample for family in text_string_to_metric_families(metrics) for sample in family.samples)
    return {sample.labels["host"] for sample in samples if "host" in sample.labels}


def test_with_several_workers_prometheus_sees_no_count_go_back(tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        registry.push("team/web", "latest", image())
        registry.manifest_headers = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "98;w=21600"}
        name = f"{registry.host}/team/web"
        with RunningService(tmp_path, [name], "--workers", "3") as service:
            service.wait_for_image(name)
            posted = [metrics_after_a_webhook(service, name) for _ in range(20)]
            service.wait(lambda: pulls_left(service) == {registry.host: 98}, "the pulls that are left")

    accepted = [sum(value for key, value in each.items() if "webhooks_total" in key) for each in posted]
    assert accepted == sorted(accepted)
    assert accepted[-1] > 0


def pulls_left(service: RunningService) -> dict[str, float]:
    families = text_string_to_metric_families(service.get("/metrics").text)
    pulls = (sample for family in families for sample in family.samples if sample.name.endswith("pulls_left"))
    return {sample.labels["host"]: sample.value for sample in pulls}


def metrics_after_a_webhook(service: RunningService, name: str) -> dict[str, float]:
    """Post a webhook and return what Prometheus reads then, from whichever worker answers."""
    token = image_token("a secret for tests", Repository.parse(name))
    assert requests.post(f"{service.url}/images/{name}/{token}", timeout=START_SECONDS).ok
    families = text_string_to_metric_families(service.get("/metrics").text)
    return {f"{each.name}{sorted(each.labels.items())}": each.value for family in families for each in family.samples}
