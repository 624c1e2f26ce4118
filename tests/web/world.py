"""The service that the examples of the API's description show: a few images that changed once, and a notification.

What differs from run to run, times, ids and ports, is `settled` to what the examples say.
"""

import re
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from app import create_app
from microbadger.image.descriptors import digest_of
from microbadger.settings import Settings
from microbadger.store.database import Database
from microbadger.store.tables import SUBSCRIPTIONS
from tests.fakes.receiver import Receiver
from tests.fakes.registry import FakeImage, FakeRegistry, image, index

ADMIN_TOKEN = "an administrator's"
NAMED = "alpine example/gone"
TRACKED = "example/web"
"""Tracked by a command, so that it can be untracked."""
UNREAD = "example/unread"
NOTIFICATION = "5f0c9d2e8a417b36"
RECEIVER = "https://chat.example.org/hooks/1"
BASE_URL = "https://badges.example.org"
# As registries answer, https://github.com/opencontainers/distribution-spec/blob/main/spec.md (section "Error Codes").
_NO_SUCH_NAME = '{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}'
_MOVING = {
    "NotificationID": re.compile(r"[0-9a-f]{16}"),
    "MessageID": re.compile(r"msg_[0-9a-f]{32}"),
    "Secret": re.compile(r"whsec_[A-Za-z0-9+/=]+"),
    "Time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
}


def push_first(fake: FakeRegistry) -> None:
    """Push what the service reads first."""
    alpine = image(layers=[3_628_000], commands=['/bin/sh -c #(nop)  CMD ["sh"]'], created="2026-11-02T08:30:00Z")
    for tag in ("3.20", "latest"):
        fake.push("library/alpine", tag, alpine)
    for tag in ("1.1.0", "latest"):
        fake.push("example/web", tag, _web("1.1.0", "2026-11-13T09:12:44Z", 1_820_000))


def push_second(fake: FakeRegistry) -> None:
    """Push what the service finds changed."""
    arm = image(architecture="arm64", variant="v8", layers=[3_911_000, 1_790_000], labels={"release": "1.2.0"})
    for tag in ("1.2.0", "latest"):
        fake.push("example/web", tag, index(_web("1.2.0", "2026-11-20T10:00:00Z", 1_842_391), arm, attestations=True))


def _web(version: str, created: str, size_bytes: int) -> FakeImage:
    names = "org.opencontainers.image"
    digest = digest_of(version.encode())
    return image(
        created=created,
        layers=[3_628_000, size_bytes],
        commands=['/bin/sh -c #(nop)  CMD ["sh"]', "RUN apk add --no-cache web # buildkit"],
        labels={
            f"{names}.base.name": "docker.io/library/alpine:3.20",
            f"{names}.description": "Serves pages",
            f"{names}.licenses": "Apache-2.0",
            f"{names}.revision": digest.partition(":")[2][:40],
            f"{names}.source": "https://github.com/example/web",
            f"{names}.version": version,
        },
        config={"rootfs": {"type": "layers", "diff_ids": [digest_of(b"0"), digest]}},
    )


@dataclass(frozen=True)
class World:
    """The folder of a service, with what is around it."""

    folder: Path
    fake: FakeRegistry
    receiver: Receiver

    @classmethod
    def make(cls, folder: Path, fake: FakeRegistry, receiver: Receiver) -> "World":
        """Return a service that read its images twice and sent a test message."""
        world = cls(folder, fake, receiver)
        world.invoke("track", "--no-wait", TRACKED)
        fake.always("example/gone", lambda _: Response(_NO_SUCH_NAME, 404))
        push_first(fake)
        world.refresh()
        push_second(fake)
        world.refresh()
        world.invoke("refresh", "alpine", images=f"{NAMED} {UNREAD}")  # so that the list has what was not read, too
        app = world.app()
        subscription = {"ImageName": "example/web", "WebhookURL": receiver.url}
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        made = app.test_client().post("/v1/notifications/", json=subscription, headers=headers).get_json()["ID"]
        with Database(world.settings().database).write() as connection:
            renamed = SUBSCRIPTIONS.update().where(SUBSCRIPTIONS.c.id == made).values(id=NOTIFICATION)
            connection.execute(renamed)
        app.test_client().post(f"/v1/notifications/{NOTIFICATION}/trigger", headers=headers)
        return world

    def refresh(self) -> None:
        """Read all images but the one that stays unread."""
        self.invoke("refresh", *NAMED.split(), TRACKED)

    def invoke(self, *arguments: str, images: str = NAMED) -> None:
        """Run a command of a service that has no administrator."""
        app = create_app(self.settings(images, admin_token=""))
        app.test_cli_runner().invoke(args=arguments)

    def copy(self, folder: Path) -> "World":
        """Return a service that can be changed without changing this one."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("microbadger.db*"))
        with (
            closing(sqlite3.connect(self.folder / "data/microbadger.db")) as database,
            closing(sqlite3.connect(folder / "data/microbadger.db")) as copied,
        ):
            database.backup(copied)
        return replace(self, folder=folder)

    def app(self, admin_token: str = ADMIN_TOKEN, *, is_open: bool = False) -> Flask:
        """Return a service, perhaps one that tracks one image an hour on request."""
        settings = self.settings(admin_token=admin_token)
        if is_open:
            settings = replace(settings, open_registries=("docker.io",), open_per_hour=1)
        return create_app(settings)

    def settings(self, images: str = f"{NAMED} {UNREAD}", admin_token: str = ADMIN_TOKEN) -> Settings:
        return Settings(
            images=images,
            data_dir=self.folder / "data",
            public_dir=self.folder / "public",
            secret="a secret for tests",
            mirrors={"docker.io": self.fake.url},
            hub_url="",
            admin_token=admin_token,
        )

    def settled(self, text: str) -> str:
        """Return an answer as the examples have it, but for what `moving_hidden` hides."""
        text = text.replace(self.receiver.url, RECEIVER).replace("http://localhost:8000", BASE_URL)
        return text.replace(self.fake.host, "registry-1.docker.io")


def moving_hidden(value: Any) -> Any:
    """Return a JSON value with the name of what it is in the place of each time and each random id."""
    if isinstance(value, dict):
        return {key: moving_hidden(member) for key, member in value.items()}
    if isinstance(value, list):
        return [moving_hidden(member) for member in value]
    if isinstance(value, str):
        return next((name for name, pattern in _MOVING.items() if pattern.fullmatch(value)), value)
    return value


@contextmanager
def running(app: Flask) -> Iterator[str]:
    """Run an app on a real port of this computer while the block runs, and give its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any, **__: Any) -> None:
        """Write no line for each request."""
