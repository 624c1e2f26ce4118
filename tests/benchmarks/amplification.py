"""Measures what a webhook costs its registry that is posted in a loop, which anybody may do while it is public.

Run with ``python -m tests.benchmarks.amplification``; it prints a table. The registry is a fake one on loopback, with
an image of 20 tags; each row takes a minute.
"""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from tests.fakes.registry import FakeRegistry, image
from tests.running_service import RunningService

SECONDS = 60.0
TAGS = 20


def requests_a_minute(callers: int, query: str) -> tuple[int, int]:
    """Return how often so many callers post in a minute, and how often the registry is asked meanwhile."""
    with FakeRegistry() as fake, tempfile.TemporaryDirectory() as folder:
        for number in range(TAGS):
            fake.push("team/web", f"1.{number}", image(labels={"version": str(number)}))
        name = f"{fake.host}/team/web"
        with RunningService(Path(folder), [name]) as service:
            url, until = service.webhook(name) + query, time.monotonic() + SECONDS
            fake.requests.clear()

            def post_on(_: int) -> int:
                posts = 0
                while time.monotonic() < until:
                    posts += requests.post(url, timeout=20).ok
                return posts

            with ThreadPoolExecutor(callers) as posters:
                return sum(posters.map(post_on, range(callers))), len(fake.requests)


def main() -> None:
    print("| callers | webhook | posts | registry requests a minute |")
    print("| ---: | --- | ---: | ---: |")
    for query, kind in (("?tag=1.0", "names a tag"), ("", f"of the image, {TAGS} tags")):
        for callers in (1, 10):
            posts, asked = requests_a_minute(callers, query)
            print(f"| {callers} | {kind} | {posts:,} | {asked} |", flush=True)


if __name__ == "__main__":
    main()
