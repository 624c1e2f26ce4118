"""What it costs to read where an image comes from: requests and pulls of a first check and of an unchanged one.

Run with ``python -m tests.benchmarks.claims_costs``; it prints a table. The image is for two platforms, each with a
provenance and an SBOM, is signed and was built on another, as a second image was. A registry is played in the same
process; a pull is a manifest or index that is read.
"""

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from microbadger.image.documents import ImageDocument
from microbadger.image.reference import DOCKER_HUB, Repository
from tests.fakes.allowance import Allowance
from tests.fakes.claims import (
    SPDX,
    attestation,
    attested_index,
    buildkit_provenance,
    bundle_referrer,
    cosign_tag,
    spdx,
    statement,
)
from tests.fakes.referrers import ReferrerLists, referrer_list
from tests.fakes.registry import FakeImage, FakeRegistry, image, index
from tests.freshness.bench import Bench

SOURCE = "https://github.com/team/web.git#refs/heads/main"
PULLS = 200
ARCHITECTURES = ("amd64", "arm64")
COLUMNS = (
    *("requests", "pulls", "HEAD", "blobs", "tag lists", "lists of referrers"),
    *("pulls of the base", "HEAD of the base"),
)
CHECKS = (("web", "first", 0), ("api", "first, of another image", 0), ("web", "a day later", 25))
CLAIMS = ("Base", "Provenance", "SBOM", "Signatures", "UnreadClaims")

Sign = Callable[[FakeRegistry, str, FakeImage], object]


def main() -> None:
    print(f"| registry | signature | check | {' | '.join(COLUMNS)} | known |")
    print(f"| --- | --- | --- |{' ---: |' * len(COLUMNS)} --- |")
    for is_limited in (False, True):
        measure("nothing claimed", is_limited, None)
        for name, sign in (
            ("a list of referrers", sign_with_api),
            ("a fallback tag", sign_with_fallback_tag),
            ("a tag of cosign", sign_with_tag),
        ):
            measure(name, is_limited, sign)


def measure(name: str, is_limited: bool, sign: Sign | None) -> None:
    """Print what the first check costs, that of another image on the same base, and one a day later of the first."""
    with tempfile.TemporaryDirectory() as folder, FakeRegistry() as fake:
        if is_limited:
            Allowance(fake, PULLS)
        host = DOCKER_HUB if is_limited else fake.host
        bench = Bench(Path(folder), fake, named=f"{host}/team/web {host}/team/api")
        registry = "limits pulls, as Docker Hub" if is_limited else "without limits"
        for path, check, hours in CHECKS:
            bench.repository = Repository(host, f"team/{path}")
            if not hours:
                push(fake, f"team/{path}", host, sign)
            fake.requests.clear()
            bench.check_later(hours)
            costs = costs_of_requests(fake)
            row = [registry, name, check, *(str(costs[column]) for column in COLUMNS), known(bench.record)]
            print(f"| {' | '.join(row)} |")
        bench.database.close()


def push(fake: FakeRegistry, repository: str, host: str, sign: Sign | None) -> None:
    """Push an image and the one that it was built on; without a signature, one of which nothing is claimed."""
    base = index(*(image(layers=[5000], architecture=name) for name in ARCHITECTURES))
    fake.push("library/alpine" if host == DOCKER_HUB else "team/alpine", "3.22", base)
    size = sum(repository.encode())  # another one for another image
    if sign is None:
        fake.push(repository, "1.0", index(*(built_on(None, host, name, size) for name in ARCHITECTURES)))
        return
    images = [built_on(base, host, name, size) for name in ARCHITECTURES]
    pushed = attested_index(*((each, attested(each)) for each in images))
    fake.push(repository, "1.0", pushed)
    sign(fake, repository, pushed)


def built_on(base: FakeImage | None, host: str, architecture: str, size: int) -> FakeImage:
    """Return an image for one platform, which names its base as Docker's official images do."""
    name = "alpine:3.22" if host == DOCKER_HUB else f"{host}/team/alpine:3.22"
    prefix = "org.opencontainers.image.base"
    annotations = {f"{prefix}.name": name, f"{prefix}.digest": base.digest} if base else {}
    return image(layers=[5000, size], architecture=architecture, annotations=annotations)


def attested(subject: FakeImage) -> FakeImage:
    """Return the attestations of an image: a provenance and an SBOM."""
    provenance = statement(buildkit_provenance(source=SOURCE), subject)
    bill = statement(spdx([("musl", "MIT"), ("zlib", "Zlib")]), subject, predicate_type=SPDX)
    return attestation(subject, provenance, bill)


def sign_with_api(fake: FakeRegistry, repository: str, pushed: FakeImage) -> None:
    ReferrerLists(fake)
    fake.push(repository, None, bundle_referrer(pushed, None))


def sign_with_fallback_tag(fake: FakeRegistry, repository: str, pushed: FakeImage) -> None:
    fake.push(repository, cosign_tag(pushed, ""), referrer_list(bundle_referrer(pushed, None)))


def sign_with_tag(fake: FakeRegistry, repository: str, pushed: FakeImage) -> None:
    fake.push(repository, cosign_tag(pushed, "sig"), bundle_referrer(pushed, None))


def costs_of_requests(fake: FakeRegistry) -> Counter[str]:
    """Count the requests of a check by column."""
    costs: Counter[str] = Counter()
    names = {"manifests": "pulls", "blobs": "blobs", "tags": "tag lists", "referrers": "lists of referrers"}
    for request in fake.requests:
        kind = next((name for part, name in names.items() if f"/{part}/" in request.path), "others")
        kind = "HEAD" if request.method == "HEAD" else kind
        costs.update(["requests", kind, *([f"{kind} of the base"] if "/alpine/" in request.path else [])])
    return costs


def known(record: ImageDocument) -> str:
    """Return which claims are published."""
    return ", ".join(field for field in CLAIMS if field in record) or "-"


if __name__ == "__main__":
    main()
