"""How long a comparison of two versions takes, and how large it is, as JSON and as a page.

Run with ``python -m tests.benchmarks.compare [--versions 100] [--rounds 30]``; it prints a table. All versions have
eight platforms. The large ones share no layer, label or variable, and have 120 layers, 200 labels and 200 variables.
The machine may do other things meanwhile, so processor time counts. Also printed is what the log of changes takes of a
version that was pushed, as text and compressed.
"""

import argparse
import gzip
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from flask.testing import FlaskClient

from tests.fakes.registry import FakeImage, FakeRegistry, image, index
from tests.web.bench import Bench

ARCHITECTURES = ("amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "mips64le")
USUAL, LARGE = "team/usual", "team/large"


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a comparison of two versions takes.")
    parser.add_argument("--versions", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, FakeRegistry() as fake:
        for number in range(options.versions):
            fake.push(USUAL, f"1.{number}", usual(number))
            fake.push(LARGE, f"1.{number}", large(number))
        bench = Bench(Path(folder), f"{USUAL} {LARGE}", fake, max_tags=options.versions)
        bench.refresh()
        print("| comparison | CPU, median | CPU, slowest | bytes | compressed |\n| --- | ---: | ---: | ---: | ---: |")
        for name in (USUAL, LARGE):
            for kind, prefix in (("JSON", "/v1/images"), ("page", "/images")):
                path = f"{prefix}/{name}/-/compare/1.0...1.{options.versions - 1}"
                print(f"| {name.removeprefix('team/')}, {kind} | {measured(bench.client, path, options.rounds)} |")
        print("\n| change of a moved tag | bytes | compressed |\n| --- | ---: | ---: |")
        for name, pushed in ((USUAL, usual(options.versions)), (LARGE, large(options.versions))):
            fake.push(name, "1.0", pushed)
            bench.refresh(name)
            content = bench.client.get(f"/v1/images/{name}/-/changes.json").data
            print(f"| {name.removeprefix('team/')} | {len(content)} | {len(gzip.compress(content))} |")


def measured(client: FlaskClient, path: str, rounds: int) -> str:
    took_ms: list[float] = []
    content = b""
    for _ in range(rounds):
        began = time.process_time()
        answer = client.get(path)
        took_ms.append((time.process_time() - began) * 1000)
        assert answer.status_code == 200
        content = answer.data
    times = f"{statistics.median(took_ms):.1f} ms | {max(took_ms):.1f} ms"
    return f"{times} | {len(content)} | {len(gzip.compress(content))}"


def usual(number: int) -> FakeImage:
    """Return a version like most: a few layers on a common base, ten labels, ten variables."""
    labels = {f"org.example.label{place}": f"value {place}" for place in range(9)} | {"version": f"1.{number}"}
    env = [f"VARIABLE_{place}=value {place}" for place in range(9)] + [f"VERSION=1.{number}"]
    return on_all_platforms([5_000_000, 1_000_000, 20_000_000 + number, 3_000 + number], labels, env)


def large(number: int) -> FakeImage:
    labels = {f"org.example.label{place}.{number}": f"value {place} of {number} " * 5 for place in range(200)}
    env = [f"VARIABLE_{place}_{number}={'value' * 10}" for place in range(200)]
    return on_all_platforms([1_000 * (place + 1) + number for place in range(120)], labels, env)


def on_all_platforms(layers: Sequence[int], labels: dict[str, str], env: list[str]) -> FakeImage:
    run = {"Labels": labels, "Env": env, "Cmd": ["serve"], "ExposedPorts": {"80/tcp": {}}}
    return index(*(image(architecture=name, layers=layers, config={"config": run}) for name in ARCHITECTURES))


if __name__ == "__main__":
    main()
