"""What it costs to read where an image comes from: requests and pulls of a first check and of an unchanged one.

Run with ``python -m tests.benchmarks.claims_costs``; it prints a table. The image is for two platforms, each with a
provenance and an SBOM, is signed and was built on another. A registry is played in the same process; a pull is a
manifest or index that is read.
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
KINDS = ("HEAD", "manifests", "blobs", "tags", "referrers")
CLAIMS = ("Base", "Provenance", "SBOM", "Signatures", "UnreadClaims")

Sign = Callable[[FakeRegistry, FakeImage], object]


def main() -> None:
    print("| registry | signature | check | requests | pulls | HEAD | blobs | tag lists | lists of referrers | known |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for is_limited in (False, True):
        measure("nothing claimed", is_limited, None)
        for name, sign in (
            ("a list of referrers", sign_with_api),
            ("a fallback tag", sign_with_fallback_tag),
            ("a tag of cosign", sign_with_tag),
        ):
            measure(name, is_limited, sign)


def measure(name: str, is_limited: bool, sign: Sign | None) -> None:
    """Print what the first check costs, and one a day later of the same image."""
    with tempfile.TemporaryDirectory() as folder, FakeRegistry() as fake:
        if is_limited:
            Allowance(fake, PULLS)
        host = DOCKER_HUB if is_limited else fake.host
        bench = Bench(Path(folder), fake, named=f"{host}/team/web")
        bench.repository = Repository(host, "team/web")
        push(fake, host, sign)
        registry = "limits pulls, as Docker Hub" if is_limited else "without limits"
        for check in ("first", "a day later"):
            fake.requests.clear()
            bench.check_later()
            kinds = kinds_of_requests(fake)
            row = [registry, name, check, str(kinds.total()), *(str(kinds[kind]) for kind in ("manifests", "HEAD"))]
            row += [*(str(kinds[kind]) for kind in ("blobs", "tags", "referrers")), known(bench.record)]
            print(f"| {' | '.join(row)} |")
        bench.database.close()


def push(fake: FakeRegistry, host: str, sign: Sign | None) -> None:
    """Push an image and the one that it was built on; without a signature, one of which nothing is claimed."""
    sizes = [5000]
    bases = [image(layers=sizes, architecture=name) for name in ("amd64", "arm64")]
    base = index(*bases)
    fake.push("library/alpine" if host == DOCKER_HUB else "team/alpine", "3.22", base)
    if sign is None:
        fake.push("team/web", "1.0", index(*(built_on(None, host, name) for name in ("amd64", "arm64"))))
        return
    images = [built_on(base, host, name) for name in ("amd64", "arm64")]
    pushed = attested_index(*((each, attested(each)) for each in images))
    fake.push("team/web", "1.0", pushed)
    sign(fake, pushed)


def built_on(base: FakeImage | None, host: str, architecture: str) -> FakeImage:
    """Return an image for one platform, which names its base as Docker's official images do."""
    name = "alpine:3.22" if host == DOCKER_HUB else f"{host}/team/alpine:3.22"
    prefix = "org.opencontainers.image.base"
    annotations = {f"{prefix}.name": name, f"{prefix}.digest": base.digest} if base else {}
    return image(layers=[5000, 700], architecture=architecture, annotations=annotations)


def attested(subject: FakeImage) -> FakeImage:
    provenance = statement(buildkit_provenance(source=SOURCE), subject)
    bill = statement(spdx([("musl", "MIT"), ("zlib", "Zlib")]), subject, predicate_type=SPDX)
    return attestation(subject, provenance, bill)


def sign_with_api(fake: FakeRegistry, pushed: FakeImage) -> None:
    ReferrerLists(fake)
    fake.push("team/web", None, bundle_referrer(pushed, None))


def sign_with_fallback_tag(fake: FakeRegistry, pushed: FakeImage) -> None:
    fake.push("team/web", cosign_tag(pushed, ""), referrer_list(bundle_referrer(pushed, None)))


def sign_with_tag(fake: FakeRegistry, pushed: FakeImage) -> None:
    fake.push("team/web", cosign_tag(pushed, "sig"), bundle_referrer(pushed, None))


def kinds_of_requests(fake: FakeRegistry) -> Counter[str]:
    """Count the requests since this was asked last by what they ask for."""
    kinds: Counter[str] = Counter()
    for request in fake.requests:
        if request.method == "HEAD":
            kinds["HEAD"] += 1
        else:
            kinds[next((kind for kind in KINDS if f"/{kind}/" in request.path), "others")] += 1
    return kinds


def known(record: ImageDocument) -> str:
    """Return which claims are published."""
    return ", ".join(field for field in CLAIMS if field in record) or "-"


if __name__ == "__main__":
    main()
