"""Docker Hub as a process that makes up every answer from what is asked for: any number of images of some tags each."""

import asyncio
import multiprocessing
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from microbadger.image.manifest import OCI_INDEX
from microbadger.image.reference import Repository
from microbadger.settings import Settings
from tests.benchmarks.fast_server import Host, http
from tests.benchmarks.parents import digits, layers_of
from tests.fakes.docker_hub import tag_row
from tests.fakes.registry import FakeImage, image, to_json

OFFICIAL_EVERY, MOST_OFFICIAL = 100, 170  # Docker Hub has about so many official images
IMAGES_AN_OWNER = 10
CHANGED_EVERY = 50
LAYER_SIZES = tuple(range(1_000_000, 11_000_000, 1_000_000))
DELAY_MS = 20

FIRST, UNCHANGED, MORE_PULLS, PUSHES = range(4)
"""Days: what changed since the one before."""

Key = tuple[bytes, bytes]


class SimulatedHub:
    """Docker Hub in another process while the `with` block runs."""

    def __init__(self, tags: int) -> None:
        self._connection, its_end = multiprocessing.Pipe()
        spawn = multiprocessing.get_context("spawn")
        self._process = spawn.Process(target=_serve, args=[its_end, tags], daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._urls: list[str] = self._connection.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def settings(self, folder: Path, interval: timedelta) -> Settings:
        """Return the settings of a service that asks here, and has its folders below this one."""
        registry_url, hub_url = self._urls
        return Settings(
            data_dir=folder / "data",
            public_dir=folder / "public",
            base_url="https://badges.test",
            refresh_interval=interval,
            mirrors={"docker.io": registry_url},
            hub_url=hub_url,
        )

    def begin(self, day: int) -> int:
        """Let it be another day and return how many requests came in before."""
        self._connection.send(day)
        requests: int = self._connection.recv()
        return requests


def _serve(connection: "Connection[Any, Any]", tags: int) -> None:
    asyncio.run(_answer_until_terminated(connection, tags))


async def _answer_until_terminated(connection: "Connection[Any, Any]", tags: int) -> None:
    answers = Answers(tags)
    hosts = [Host(answers), Host(answers)]

    def begin() -> None:
        answers.day = connection.recv()
        delay_ms = 0 if answers.day == FIRST else DELAY_MS
        connection.send(sum(host.restart(delay_ms).requests for host in hosts))

    asyncio.get_running_loop().add_reader(connection.fileno(), begin)
    connection.send([f"http://{await host.listen()}" for host in hosts])
    await asyncio.Event().wait()


class Answers(dict[Key, bytes]):
    """What is answered to each method and path, made up when it is asked for and not kept."""

    _NUMBER = re.compile(rb"/(?:base|application)(\d+)")

    def __init__(self, tags: int) -> None:
        super().__init__()
        self._tags = tags
        self.day = FIRST

    def __missing__(self, key: Key) -> bytes:
        if b"/referrers/" in key[1]:
            return http(to_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}), OCI_INDEX)
        number = self._NUMBER.search(key[1])
        return answers_of(int(number[1]), self._tags, self.day)[key] if number else http(b"{}")


@lru_cache(maxsize=100)
def answers_of(number: int, tags: int, day: int) -> dict[Key, bytes]:
    """Return what is answered about one image."""
    name = name_of(number).path
    pushed = {f"1.{place}": version_of(number, place) for place in range(tags - 1)}
    is_pushed = day >= PUSHES and number % CHANGED_EVERY == 0
    pushed["latest"] = version_of(number, tags if is_pushed else tags - 1)
    namespace, _, last = name.partition("/")
    at_hub = f"/v2/namespaces/{namespace}/repositories/{last}"
    answers = {
        (b"GET", at_hub.encode()): http(to_json(_details(number, day))),
        (b"GET", f"{at_hub}/tags".encode()): http(to_json(_tags_page(pushed))),
        (b"GET", f"/v2/{name}/tags/list".encode()): http(to_json({"name": name, "tags": [*pushed]})),
    }
    for tag, version in pushed.items():
        full = http(version.raw, version.media_type, version.digest)
        answers[b"HEAD", f"/v2/{name}/manifests/{tag}".encode()] = full[: -len(version.raw)]
        answers[b"GET", f"/v2/{name}/manifests/{version.digest}".encode()] = full
        for digest, blob in version.blobs.items():
            answers[b"GET", f"/v2/{name}/blobs/{digest}".encode()] = http(blob)
    return answers


def _details(number: int, day: int) -> dict[str, object]:
    return {
        "description": f"Number {number} of the applications that were made up to see how many there can be.",
        "last_updated": "2026-11-20T10:00:00Z",
        "pull_count": 1000 * number + (day >= MORE_PULLS),
        "star_count": number % 100,
    }


def _tags_page(pushed: Mapping[str, FakeImage]) -> dict[str, object]:
    rows = [tag_row(tag, version, "2026-11-20T10:00:00Z") for tag, version in pushed.items()]
    return {"count": len(rows), "next": None, "previous": None, "results": rows}


def version_of(number: int, place: int) -> FakeImage:
    """Return a version of an image, built on those of an official one as `parents` has it."""
    diff_ids = [f"sha256:{digits(layer)}" for layer in layers_of(number, place)]
    return image(
        layers=LAYER_SIZES,
        labels={
            "org.opencontainers.image.version": f"1.{place}",
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.source": f"https://git.test/{name_of(number).path}",
            "org.opencontainers.image.revision": digits([number, place])[:40],
        },
        created=f"2026-11-{1 + place % 28:02}T10:00:00Z",
        config={"rootfs": {"type": "layers", "diff_ids": diff_ids}},
    )


def name_of(number: int) -> Repository:
    is_official = number % OFFICIAL_EVERY == 0 and number < OFFICIAL_EVERY * MOST_OFFICIAL
    name = f"library/base{number}" if is_official else f"owner{number // IMAGES_AN_OWNER}/application{number}"
    return Repository("docker.io", name)
