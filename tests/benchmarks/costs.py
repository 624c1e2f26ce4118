"""What a registry is asked for at a push, at a view of a badge, and at the first check of a large image.

Run with ``python -m tests.benchmarks.costs``; it prints a table. The service runs under gunicorn; the registry is a
fake that counts pulls as Docker Hub does: each manifest that is read is one.
"""

import tempfile
import time
from pathlib import Path

import requests

from tests.fakes.allowance import Allowance
from tests.fakes.registry import FakeImage, FakeRegistry, image, index
from tests.running_service import RunningService

PLATFORMS = ("amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64")
QUIET_SECONDS = 4.0
PUSHED, OLD = "1.50", "1.3"


def main() -> None:
    print("| | requests | pulls | refused with 429 | published |")
    print("| --- | ---: | ---: | ---: | --- |")
    for name, act, limit, max_tags in (
        (f"a push of {PUSHED}, one of 60 tags for 7 platforms", push, 100_000, 100),
        (f"a view of {OLD}, one of 40 older tags beside 20 that are kept", view, 100_000, 20),
        ("a view of a tag that does not exist", view_nothing, 100_000, 100),
    ):
        with tempfile.TemporaryDirectory() as folder, FakeRegistry() as fake:
            push_tags(fake, 60)
            allowance = Allowance(fake, limit)
            name_of_image = f"{fake.host}/team/web"
            with RunningService(Path(folder), [name_of_image], max_tags=str(max_tags)) as service:
                service.wait_for_image(name_of_image)
                wait_until_quiet(fake)
                before, used = len(fake.requests), allowance.used
                act(service, fake, name_of_image)
                wait_until_quiet(fake)
                published = tags(service, name_of_image)
                report(name, len(fake.requests) - before, allowance.used - used, allowance, published)
    first_check()


def first_check() -> None:
    """Check an image of 100 tags for seven platforms of a registry that allows 100 pulls."""
    with tempfile.TemporaryDirectory() as folder, FakeRegistry() as fake:
        push_tags(fake, 100)
        allowance = Allowance(fake, 100)
        name = f"{fake.host}/team/web"
        with RunningService(Path(folder), [name]) as service:
            service.wait(lambda: bool(fake.requests), "a request")
            wait_until_quiet(fake)
            what = "the first check of 100 tags with 100 pulls"
            report(what, len(fake.requests), allowance.used, allowance, tags(service, name))


def push_tags(fake: FakeRegistry, count: int) -> None:
    for number in range(count):
        fake.push("team/web", "latest" if number == count - 1 else f"1.{number}", version(number))


def version(number: int) -> FakeImage:
    """Return an image for seven platforms, with an attestation beside each."""
    images = [
        image(layers=[number * 10 + place + 1], architecture=each, labels={"number": str(number)})
        for place, each in enumerate(PLATFORMS)
    ]
    return index(*images, attestations=True)


def push(service: RunningService, fake: FakeRegistry, name: str) -> None:
    fake.push("team/web", PUSHED, version(1000))
    target = {"mediaType": "application/vnd.oci.image.index.v1+json", "repository": "team/web", "tag": PUSHED}
    event = {"action": "push", "target": target, "request": {"host": fake.host}}
    requests.post(f"{service.webhook(name)}?wait=20", json={"events": [event]}, timeout=30)


def view(service: RunningService, fake: FakeRegistry, name: str) -> None:
    service.get(f"/badges/size/{name}:{OLD}.svg")


def view_nothing(service: RunningService, fake: FakeRegistry, name: str) -> None:
    service.get(f"/badges/size/{name}:9.9.svg")


def tags(service: RunningService, name: str) -> str:
    """Return how many tags are published, and of how many the size is known."""
    answer = service.get(f"/v1/images/{name}")
    versions = answer.json().get("Versions", [])
    named = [version for version in versions for _ in version["Tags"]]
    return f"{sum(bool(version['DownloadSize']) for version in named)} of {len(named)} tags with a size"


def wait_until_quiet(fake: FakeRegistry) -> None:
    """Return once the registry was not asked for anything for a while."""
    count, since = len(fake.requests), time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS:
        time.sleep(0.1)
        if len(fake.requests) != count:
            count, since = len(fake.requests), time.monotonic()


def report(name: str, count: int, pulls: int, allowance: Allowance, published: str) -> None:
    print(f"| {name} | {count} | {pulls} | {allowance.refused} | {published} |", flush=True)


if __name__ == "__main__":
    main()
