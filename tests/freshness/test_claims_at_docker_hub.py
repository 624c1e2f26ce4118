"""Claims about images at Docker Hub, which limits pulls and whose web API says when a tag was pushed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from microbadger.image.documents import VersionDocument
from microbadger.image.referrers import fallback_tag
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
from tests.fakes.docker_hub import FakeHub
from tests.fakes.referrers import ReferrerLists, referrer_list
from tests.fakes.registry import FakeRegistry, image
from tests.freshness.test_survey import Bench

AMD64, ARM64 = image(layers=[1]), image(layers=[2], architecture="arm64")
BUILT = statement(buildkit_provenance(), AMD64)
BILL = statement(spdx(), AMD64, predicate_type=SPDX)
INDEX = attested_index((AMD64, attestation(AMD64, BUILT, BILL)), (ARM64, attestation(ARM64, BUILT, BILL)))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with FakeRegistry() as fake, FakeHub() as hub:
        yield Bench(tmp_path, fake, hub)


def survey(bench: Bench, known: list[VersionDocument] | None = None, *, is_requested: bool = False) -> VersionDocument:
    """Return the only version."""
    (version,) = bench.survey(known, is_requested=is_requested).versions
    return version


def test_a_first_check_pulls_one_manifest_more_and_an_unchanged_one_asks_the_registry_nothing(bench: Bench) -> None:
    ReferrerLists(bench.fake)
    bench.push("latest", INDEX)
    bench.fake.push("team/app", None, bundle_referrer(INDEX, None))
    bench.push(cosign_tag(INDEX, "sig"), image(layers=[3]))

    first = survey(bench)
    pulls, requests = bench.fake.asked("GET", "/manifests/"), len(bench.fake.requests)
    again = survey(bench, [first])

    assert (pulls, requests) == (3 + 1, 12 - 1)  # Docker Hub's list takes the place of the registry's
    assert {"Provenance", "SBOM", "Signatures"} <= first.keys()
    assert (again, len(bench.fake.requests)) == (first, 0)


def test_a_signature_under_a_tag_has_the_date_that_docker_hub_knows(bench: Bench) -> None:
    bench.push("latest", INDEX)
    bench.push(cosign_tag(INDEX, "sig"), image(layers=[3]))

    signed = survey(bench)
    again = survey(bench, [signed], is_requested=True)  # which does not ask Docker Hub

    (signature,) = signed["Signatures"]
    assert signature["CreatedAt"].startswith("20")
    assert again == signed


def test_one_manifest_is_read_where_no_limit_is_known(bench: Bench) -> None:
    bench.push("latest", INDEX)
    bench.push(fallback_tag(INDEX.digest), referrer_list(bundle_referrer(INDEX, None)))

    version = survey(bench)

    assert bench.fake.asked("GET", "/manifests/") == 3 + 1
    assert "would cost one more pull" in version["UnreadClaims"]
    assert "Signatures" not in version
