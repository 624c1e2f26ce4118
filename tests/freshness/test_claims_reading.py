"""What a check reads of the claims about an image, wherever they are kept, and how much that costs."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.wrappers import Response

from microbadger.freshness.refresh import Times
from microbadger.image.descriptors import digest_of
from microbadger.image.documents import VersionDocument
from microbadger.image.referrers import fallback_tag
from tests.fakes.allowance import Allowance
from tests.fakes.charts import chart
from tests.fakes.claims import (
    BUNDLE,
    COMMIT,
    CYCLONEDX,
    DSSE,
    IN_TOTO,
    SECRET,
    SLSA_0_2,
    SPDX,
    attestation,
    attested_index,
    buildkit_provenance,
    buildkit_provenance_0_2,
    bundle_referrer,
    cosign_attestations,
    cosign_tag,
    cyclonedx,
    envelope,
    github_provenance,
    referrer,
    spdx,
    statement,
)
from tests.fakes.referrers import NOTATION, OLD_COSIGN, ReferrerLists, lifecycle, referrer_list
from tests.fakes.registry import FakeImage, FakeRegistry, descriptor, image, index, to_json
from tests.freshness.bench import Bench

SOURCE = "https://github.com/owner/app.git#refs/heads/main"
AMD64, ARM64 = image(layers=[1]), image(layers=[2], architecture="arm64")
INDEX = index(AMD64, ARM64)
# They name no image among their inputs: that would be a base, which is asked for as well.
PROVENANCE = statement(buildkit_provenance(source=SOURCE, inputs=()), AMD64)
PROVENANCE_0_2 = statement(
    buildkit_provenance_0_2(source=SOURCE, inputs=()), AMD64, predicate_type=SLSA_0_2, version="v0.1"
)
BILL = statement(spdx([("musl", "MIT"), ("zlib", "Zlib")]), AMD64, predicate_type=SPDX)


def attested(*statements: bytes, as_artifact: bool = False) -> FakeImage:
    """Return an image for two platforms with an attestation of the first one beside it."""
    return attested_index((AMD64, attestation(AMD64, *statements, as_artifact=as_artifact)), (ARM64, None))


def version(bench: Bench) -> VersionDocument:
    """Return the only version, as the document of the image has it."""
    (only,) = bench.record["Versions"]
    return only


def claims(bench: Bench) -> dict[str, Any]:
    names = ("Provenance", "SBOM", "Signatures", "EndOfLife", "UnreadClaims")
    return {name: value for name, value in version(bench).items() if name in names}


def asked(fake: FakeRegistry) -> list[str]:
    """Return the requests since this was asked last, with `…` for a digest."""
    requests = [f"{request.method} {request.path.rpartition('/team/web/')[2]}" for request in fake.requests]
    fake.requests.clear()
    return [request.partition("sha256:")[0] + "…" if "sha256:" in request else request for request in requests]


def check(bench: Bench, pushed: FakeImage, *, tag: str = "latest") -> dict[str, Any]:
    """Push an image, check it, and return what is claimed of it."""
    bench.fake.push("team/web", tag, pushed)
    assert bench.refresh() is None
    return claims(bench)


def broken(fake: FakeRegistry, path_part: str, status: int) -> list[bool]:
    """Have a registry answer so; until the list that is returned is empty."""
    is_broken = [True]
    fake.always(path_part, lambda _: Response(status=status) if is_broken else None)
    return is_broken


# Costs: of 12 requests and 4 pulls, 5 requests and 1 pull are for claims; if nothing has changed, none


def test_a_first_check_costs_one_pull_and_four_requests_more(
    bench: Bench, fake: FakeRegistry
) -> None:
    ReferrerLists(fake)
    fake.push("team/web", None, bundle_referrer(INDEX, None))

    found = check(bench, attested(PROVENANCE, BILL))

    assert set(found) == {"Provenance", "SBOM", "Signatures"}
    assert asked(fake) == [
        *("GET tags/list", "HEAD manifests/latest"),
        *("GET manifests/…", "GET manifests/…", "GET blobs/…", "GET manifests/…", "GET blobs/…"),
        *("GET manifests/…", "GET blobs/…", "GET blobs/…", "GET referrers/…", "GET referrers/…"),
    ]


def test_a_first_check_without_lists_of_referrers_asks_once_for_one(bench: Bench, fake: FakeRegistry) -> None:
    pushed = attested(PROVENANCE, BILL)
    fake.push("team/web", cosign_tag(pushed, "sig"), image())

    found = check(bench, pushed)

    assert found["Signatures"] == [{"Kind": "cosign"}]
    assert asked(fake)[-4:] == ["GET manifests/…", "GET blobs/…", "GET blobs/…", "GET referrers/…"]


@pytest.mark.parametrize("has_lists", [True, False])
def test_an_unchanged_image_costs_nothing_more(bench: Bench, fake: FakeRegistry, has_lists: bool) -> None:
    if has_lists:
        ReferrerLists(fake)
    pushed = attested(PROVENANCE, BILL)
    fake.push("team/web", cosign_tag(pushed, "sig"), image())
    before = check(bench, pushed)
    asked(fake)

    bench.check_later()

    assert asked(fake) == ["GET tags/list", "HEAD manifests/latest"]
    assert claims(bench) == before


def test_an_unchanged_image_writes_no_file(bench: Bench, fake: FakeRegistry) -> None:
    ReferrerLists(fake)
    fake.push("team/web", None, bundle_referrer(AMD64, None))
    check(bench, attested(PROVENANCE, BILL))
    stamps = bench.stamps()

    bench.check_later()

    assert bench.stamps() == stamps


def test_a_push_asks_for_one_list_more_for_each_digest(bench: Bench, fake: FakeRegistry) -> None:
    ReferrerLists(fake)
    check(bench, INDEX)
    asked(fake)
    fake.push("team/web", "1.0", image(layers=[7]))
    bench.ask("1.0")

    bench.refresher.refresh_requested(bench.repository)

    assert asked(fake) == ["HEAD manifests/1.0", "GET manifests/…", "GET referrers/…"]


def test_another_edition_asks_for_no_list_of_a_version_whose_signatures_are_known(
    bench: Bench, fake: FakeRegistry
) -> None:
    ReferrerLists(fake)
    fake.push("team/web", None, bundle_referrer(AMD64, None))
    before = check(bench, attested(PROVENANCE, BILL))
    asked(fake)
    other = bench.again(edition="second edition")

    other.refresh()

    assert asked(fake) == ["GET tags/list", "HEAD manifests/latest"]
    assert claims(other) == before


def test_an_sbom_is_read_once_and_not_kept(bench: Bench, fake: FakeRegistry) -> None:
    check(bench, attested(BILL))

    kept = fake.asked("GET", f"/blobs/{digest_of(BILL)}")

    assert (kept, version(bench)["SBOM"]["PackageCount"]) == (1, 2)


# Where claims are kept


def bundled(subject: FakeImage) -> FakeImage:
    return bundle_referrer(subject, statement(github_provenance(), subject))


def signed_by_docker(subject: FakeImage) -> FakeImage:
    kind = "application/vnd.in-toto.provenance+dsse"
    return referrer(subject, kind, {kind: envelope(statement(github_provenance(), subject))})


def without_annotations(subject: FakeImage) -> FakeImage:
    """Return a bundle whose entry in a list does not tell what it holds."""
    return referrer(subject, BUNDLE, {DSSE: envelope(statement(github_provenance(), subject))})


def in_envelope(subject: FakeImage) -> FakeImage:
    return cosign_attestations(statement(github_provenance(), subject))


@pytest.mark.parametrize("as_artifact", [False, True])
@pytest.mark.parametrize("built", [PROVENANCE, PROVENANCE_0_2])
@pytest.mark.parametrize("has_lists", [False, True])
def test_buildkit_puts_provenance_beside_the_images(
    bench: Bench, fake: FakeRegistry, as_artifact: bool, built: bytes, has_lists: bool
) -> None:
    if has_lists:
        ReferrerLists(fake)

    found = check(bench, attested(built, as_artifact=as_artifact))

    assert found["Provenance"]["Source"] == "https://github.com/owner/app"
    assert found["Provenance"]["Commit"] == COMMIT
    assert fake.asked("GET", "/manifests/sha256:") == 4


def test_provenance_of_another_platform_is_read_if_the_main_one_has_none(bench: Bench, fake: FakeRegistry) -> None:
    built = statement(buildkit_provenance(source=SOURCE, inputs=()), ARM64)

    found = check(bench, attested_index((AMD64, None), (ARM64, attestation(ARM64, built))))

    assert found["Provenance"]["Commit"] == COMMIT
    assert fake.asked("GET", "/manifests/sha256:") == 4


@pytest.mark.parametrize("subject", [INDEX, AMD64])
@pytest.mark.parametrize("made", [bundled, signed_by_docker, without_annotations])
@pytest.mark.parametrize("is_in_tag", [False, True])
def test_provenance_is_a_referrer_of_the_index_or_of_the_main_platform(
    bench: Bench, fake: FakeRegistry, subject: FakeImage, made: Callable[[FakeImage], FakeImage], is_in_tag: bool
) -> None:
    if is_in_tag:
        fake.push("team/web", fallback_tag(subject.digest), referrer_list(made(subject)))
    else:
        ReferrerLists(fake)
        fake.push("team/web", None, made(subject))

    found = check(bench, INDEX)

    assert found["Provenance"]["BuilderName"] == "GitHub Actions"
    assert found["Provenance"]["Commit"] == COMMIT


@pytest.mark.parametrize("subject", [INDEX, AMD64])
def test_cosign_keeps_attestations_under_a_tag(bench: Bench, fake: FakeRegistry, subject: FakeImage) -> None:
    fake.push("team/web", cosign_tag(subject, "att"), in_envelope(subject))

    found = check(bench, INDEX)

    assert found["Provenance"]["BuilderName"] == "GitHub Actions"
    assert found["Signatures"] == []


@pytest.mark.parametrize("subject", [INDEX, AMD64])
@pytest.mark.parametrize(
    ("predicate", "predicate_type", "name"), [(spdx(), SPDX, "SPDX"), (cyclonedx(), CYCLONEDX, "CycloneDX")]
)
def test_an_sbom_is_a_statement_in_a_bundle(
    bench: Bench, fake: FakeRegistry, subject: FakeImage, predicate: object, predicate_type: str, name: str
) -> None:
    ReferrerLists(fake)
    fake.push("team/web", None, bundle_referrer(subject, statement(predicate, subject, predicate_type=predicate_type)))

    assert check(bench, INDEX)["SBOM"]["Format"] == name


@pytest.mark.parametrize("subject", [INDEX, AMD64])
@pytest.mark.parametrize(
    ("media_type", "document", "name"),
    [
        ("text/spdx+json", spdx(), "SPDX"),
        ("application/spdx+json", spdx(), "SPDX"),
        ("application/vnd.cyclonedx+json", cyclonedx(), "CycloneDX"),
    ],
)
@pytest.mark.parametrize("is_in_tag", [False, True])
def test_an_sbom_is_no_statement(
    bench: Bench,
    fake: FakeRegistry,
    subject: FakeImage,
    media_type: str,
    document: object,
    name: str,
    is_in_tag: bool,
) -> None:
    made = referrer(subject, media_type, {media_type: to_json(document)})
    if is_in_tag:
        fake.push("team/web", cosign_tag(subject, "sbom"), made)
    else:
        ReferrerLists(fake)
        fake.push("team/web", None, made)

    found = check(bench, INDEX)["SBOM"]

    assert (found["Format"], found["PackageCount"]) == (name, 1)


def test_an_sbom_that_cosign_attached_is_a_referrer(bench: Bench, fake: FakeRegistry) -> None:
    ReferrerLists(fake)
    of_cosign = "application/vnd.dev.cosign.artifact.sbom.v1+json"
    fake.push("team/web", None, referrer(AMD64, "", {"text/spdx+json": to_json(spdx())}, config_type=of_cosign))

    assert check(bench, AMD64)["SBOM"]["PackageCount"] == 1


@pytest.mark.parametrize("subject", [INDEX, AMD64])
@pytest.mark.parametrize("is_in_tag", [False, True])
@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (lambda subject: bundle_referrer(subject, None), "cosign"),
        (bundled, "sigstore"),
        (lambda subject: referrer(subject, "", {"text/plain": b"x"}, config_type=OLD_COSIGN), "cosign"),
        (lambda subject: referrer(subject, NOTATION, {"application/jose+json": b"{}"}), "notation"),
        (lambda subject: referrer(subject, "", {"application/cose": b"{}"}, config_type=NOTATION), "notation"),
    ],
)
def test_a_signature_is_a_referrer(
    bench: Bench,
    fake: FakeRegistry,
    subject: FakeImage,
    is_in_tag: bool,
    made: Callable[[FakeImage], FakeImage],
    kind: str,
) -> None:
    signature = made(subject)
    if is_in_tag:
        fake.push("team/web", fallback_tag(subject.digest), referrer_list(signature))
    else:
        ReferrerLists(fake)
        fake.push("team/web", None, signature)

    (found,) = check(bench, INDEX)["Signatures"]

    assert (found["Kind"], found["Digest"]) == (kind, signature.digest)


@pytest.mark.parametrize("subject", [INDEX, AMD64])
@pytest.mark.parametrize("has_lists", [False, True])
def test_a_signature_of_cosign_is_a_tag_that_nobody_reads(
    bench: Bench, fake: FakeRegistry, subject: FakeImage, has_lists: bool
) -> None:
    if has_lists:
        ReferrerLists(fake)
    fake.push("team/web", cosign_tag(subject, "sig"), image(layers=[9]))

    found = check(bench, INDEX)

    assert found["Signatures"] == [{"Kind": "cosign"}]
    assert fake.asked("GET", "/manifests/") == 3


@pytest.mark.parametrize("is_in_tag", [False, True])
def test_the_end_of_life_is_a_referrer_that_is_not_read(bench: Bench, fake: FakeRegistry, is_in_tag: bool) -> None:
    lives = [lifecycle(INDEX, "2026-12-31"), lifecycle(INDEX, "2027-06-30T00:00:00Z", "2026-11-21T10:00:00Z")]
    if is_in_tag:
        fake.push("team/web", fallback_tag(INDEX.digest), referrer_list(*lives))
    else:
        ReferrerLists(fake)
        for life in lives:
            fake.push("team/web", None, life)

    assert check(bench, INDEX)["EndOfLife"] == "2027-06-30"
    assert fake.asked("GET", "/manifests/") == 3 + is_in_tag


def test_an_image_for_one_platform_has_one_digest_to_ask_for(bench: Bench, fake: FakeRegistry) -> None:
    ReferrerLists(fake)
    fake.push("team/web", None, bundled(AMD64))

    found = check(bench, AMD64)

    assert found["Provenance"]["BuilderName"] == "GitHub Actions"
    assert fake.asked("GET", "/referrers/") == 1


def test_a_chart_has_no_claims(bench: Bench, fake: FakeRegistry) -> None:
    chart = referrer(AMD64, "application/vnd.cncf.helm.config.v1+json", {"application/x": b"x"})

    assert check(bench, chart) == {}
    assert fake.asked("GET", "/referrers/") == 0


def test_nothing_of_a_build_is_published_but_what_is_meant_to_be(bench: Bench) -> None:
    check(bench, attested(PROVENANCE, PROVENANCE_0_2))

    assert not any(SECRET.encode() in content for content in bench.files().values())


def test_labels_that_differ_from_the_provenance_are_named(bench: Bench) -> None:
    labels = {"org.opencontainers.image.revision": "f" * 40, "org.opencontainers.image.source": SOURCE}
    labelled = image(labels=labels)
    built = statement(buildkit_provenance(source=SOURCE), labelled)

    found = check(bench, attested_index((labelled, attestation(labelled, built))))

    assert found["Provenance"]["Differs"] == ["Commit"]


# What is not known, and what is not there


def test_an_image_without_claims_says_that_it_is_not_signed(bench: Bench, fake: FakeRegistry) -> None:
    assert check(bench, INDEX) == {"Signatures": []}


def test_a_fallback_tag_without_a_signature_does_not_show_that_there_is_none(
    bench: Bench, fake: FakeRegistry
) -> None:
    fake.push("team/web", fallback_tag(INDEX.digest), referrer_list(lifecycle(INDEX, "2026-12-31")))

    found = check(bench, INDEX)
    asked(fake)
    bench.check_later()

    assert found == {"EndOfLife": "2026-12-31"}
    assert asked(fake) == ["GET tags/list", "HEAD manifests/latest"]


def test_a_fallback_tag_that_is_no_list_says_nothing(bench: Bench, fake: FakeRegistry) -> None:
    fake.push("team/web", fallback_tag(INDEX.digest), AMD64)

    assert check(bench, INDEX) == {}


def test_a_list_of_tags_that_is_not_whole_does_not_show_that_there_is_no_signature(
    bench: Bench, fake: FakeRegistry
) -> None:
    ReferrerLists(fake)
    is_broken = broken(fake, "/tags/list", 403)

    first = check(bench, INDEX)
    is_broken.clear()
    bench.check_later()

    assert (first, claims(bench)) == ({}, {"Signatures": []})


def push_signed(bench: Bench) -> None:
    pushed = image(layers=[7])
    bench.fake.push("team/web", cosign_tag(pushed, "sig"), image())
    bench.fake.push("team/web", "latest", pushed)
    asked(bench.fake)
    bench.ask("latest")
    bench.refresher.refresh_requested(bench.repository)


def test_a_push_of_an_image_that_never_had_tags_of_cosign_does_not_ask_for_them(
    bench: Bench, fake: FakeRegistry
) -> None:
    check(bench, INDEX)
    push_signed(bench)

    after_push = claims(bench)
    requests = asked(fake)
    bench.refresh()

    assert after_push == {"Signatures": []}
    assert requests == ["HEAD manifests/latest", "GET manifests/…"]
    assert claims(bench) == {"Signatures": [{"Kind": "cosign"}]}


def test_a_push_of_an_image_that_was_signed_asks_for_the_tags_of_the_new_version(
    bench: Bench, fake: FakeRegistry
) -> None:
    fake.push("team/web", cosign_tag(INDEX, "sig"), image())
    check(bench, INDEX)
    push_signed(bench)

    assert claims(bench) == {"Signatures": [{"Kind": "cosign"}]}
    assert [request.partition("sha256-")[0] for request in asked(fake)].count("HEAD manifests/") == 3


def test_a_push_of_the_first_image_beside_charts_asks_for_its_tags(bench: Bench) -> None:
    check(bench, chart())
    push_signed(bench)

    assert claims(bench) == {"Signatures": [{"Kind": "cosign"}]}


def test_a_push_leaves_open_what_the_registry_does_not_say(bench: Bench, fake: FakeRegistry) -> None:
    fake.push("team/web", cosign_tag(INDEX, "sig"), image())
    check(bench, INDEX)
    fake.always("/manifests/sha256-", lambda _: Response(status=500))
    push_signed(bench)

    assert set(claims(bench)) == {"UnreadClaims"}


# Signatures that come later


def test_a_tag_that_comes_later_is_seen_at_once_and_costs_nothing(bench: Bench, fake: FakeRegistry) -> None:
    check(bench, INDEX)
    fake.push("team/web", cosign_tag(INDEX, "sig"), image())
    asked(fake)

    bench.check_later()

    assert claims(bench) == {"Signatures": [{"Kind": "cosign"}]}
    assert asked(fake) == ["GET tags/list", "HEAD manifests/latest"]


def test_a_tag_that_goes_takes_the_signature_with_it(bench: Bench, fake: FakeRegistry) -> None:
    tag = cosign_tag(INDEX, "sig")
    fake.push("team/web", tag, image())
    check(bench, INDEX)
    fake.delete("team/web", tag)

    bench.check_later()

    assert claims(bench) == {"Signatures": []}


def test_a_push_leaves_the_signatures_of_other_versions(bench: Bench, fake: FakeRegistry) -> None:
    fake.push("team/web", cosign_tag(INDEX, "sig"), image())
    check(bench, INDEX)
    fake.push("team/web", "other", image(layers=[7]))
    bench.ask("other")

    bench.refresher.refresh_requested(bench.repository)

    signed = [each["Signatures"] for each in bench.record["Versions"] if each["Digest"] == INDEX.digest]
    assert signed == [[{"Kind": "cosign"}]]


def push_and_sign(bench: Bench) -> FakeImage:
    """Have a version appear while the image is tracked, and be signed after the check."""
    check(bench, INDEX)
    pushed = image(layers=[7])
    fake = bench.fake
    fake.push("team/web", "latest", pushed)
    bench.ask("latest")
    bench.refresher.refresh_requested(bench.repository)
    fake.push("team/web", None, bundle_referrer(pushed, None))
    asked(fake)
    return pushed


def test_a_version_that_was_pushed_is_asked_about_once_more_an_hour_later(bench: Bench, fake: FakeRegistry) -> None:
    ReferrerLists(fake)
    push_and_sign(bench)
    unsigned = claims(bench)

    requests = []
    for minutes in (30, 31, 24 * 60):
        bench.time += timedelta(minutes=minutes)
        bench.refresh()
        requests.append(asked(fake)[2:])

    assert unsigned == {"Signatures": []}
    assert requests == [[], ["GET referrers/…"], []]
    assert [each["Kind"] for each in version(bench)["Signatures"]] == ["cosign"]


def test_a_push_does_not_ask_about_it_again(bench: Bench, fake: FakeRegistry) -> None:
    ReferrerLists(fake)
    push_and_sign(bench)
    bench.time += timedelta(hours=2)
    bench.ask("latest")

    bench.refresher.refresh_requested(bench.repository)

    assert asked(fake) == ["HEAD manifests/latest"]


def test_a_version_that_was_there_before_is_not_asked_about_again(bench: Bench, fake: FakeRegistry) -> None:
    ReferrerLists(fake)
    check(bench, INDEX)
    asked(fake)

    bench.check_later()

    assert asked(fake) == ["GET tags/list", "HEAD manifests/latest"]


# Few pulls


def few_pulls(fake: FakeRegistry, left: int) -> Allowance:
    allowance = Allowance(fake, 100)
    allowance.left = left
    return allowance


def test_where_pulls_are_limited_one_further_manifest_is_read(bench: Bench, fake: FakeRegistry) -> None:
    ReferrerLists(fake)
    fake.push("team/web", None, bundle_referrer(INDEX, statement(spdx(), INDEX, predicate_type=SPDX)))
    allowance = few_pulls(fake, 100)

    found = check(bench, attested(PROVENANCE))

    assert allowance.used == 4
    assert "Source" in found["Provenance"]


def test_what_cannot_be_afforded_is_said_to_be_there(bench: Bench, fake: FakeRegistry) -> None:
    ReferrerLists(fake)
    pushed = attested(PROVENANCE)
    fake.push("team/web", None, bundle_referrer(pushed, statement(spdx(), pushed, predicate_type=SPDX)))
    few_pulls(fake, 100)

    found = check(bench, pushed)

    assert found["SBOM"] == {"Format": "SPDX", "Unread": "reading it would cost one more pull"}


@pytest.mark.parametrize("is_listed", [False, True])
def test_a_tag_that_cannot_be_afforded_leaves_open_what_it_holds(
    bench: Bench, fake: FakeRegistry, is_listed: bool
) -> None:
    pushed = attested(PROVENANCE)
    tag = fallback_tag(pushed.digest) if is_listed else cosign_tag(pushed, "att")
    fake.push("team/web", tag, referrer_list() if is_listed else in_envelope(pushed))
    allowance = few_pulls(fake, 100)

    found = check(bench, pushed)
    asked(fake)
    bench.check_later()

    assert "would cost one more pull" in found["UnreadClaims"]
    assert asked(fake) == ["GET tags/list", "HEAD manifests/latest"]
    assert allowance.used == 4


@pytest.mark.parametrize(("left", "is_read"), [(28, False), (29, True)])
def test_claims_leave_a_quarter_of_the_pulls(bench: Bench, fake: FakeRegistry, left: int, is_read: bool) -> None:
    allowance = few_pulls(fake, left)

    found = check(bench, attested(PROVENANCE, BILL))

    assert ("Provenance" in found, "UnreadClaims" in found) == (is_read, not is_read)
    assert left - allowance.left == 3 + is_read
    assert "Unread" not in version(bench)


def test_claims_are_read_when_there_are_pulls_again(bench: Bench, fake: FakeRegistry) -> None:
    allowance = few_pulls(fake, 28)
    check(bench, attested(PROVENANCE, BILL))
    allowance.left = 100
    fake.manifest_headers = {}

    bench.check_later()
    bench.check_later()

    assert set(claims(bench)) == {"Provenance", "SBOM", "Signatures"}


# Failures


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize("path", ["/referrers/", f"/manifests/{attestation(AMD64, PROVENANCE).digest}"])
def test_a_failure_that_may_pass_leaves_the_image_alone_and_is_tried_at_the_next_check(
    bench: Bench, fake: FakeRegistry, status: int, path: str
) -> None:
    ReferrerLists(fake)
    is_broken = broken(fake, path, status)

    found = check(bench, attested(PROVENANCE))
    state = bench.freshness.checks.get(bench.repository)
    is_broken.clear()
    bench.check_later()

    assert "UnreadClaims" in found
    assert "Unread" not in version(bench)
    assert (state.reason, state.note) == (None, None)
    assert state.due_at
    assert state.due_at - bench.time > timedelta(hours=-5)
    assert set(claims(bench)) == {"Provenance", "Signatures"}


def test_a_registry_that_only_fails_is_asked_twice_in_a_check(bench: Bench, fake: FakeRegistry) -> None:
    broken(fake, "/referrers/", 500)
    for number in range(5):
        fake.push("team/web", f"1.{number}", image(layers=[number + 1]))

    bench.refresh()

    assert fake.asked("GET", "/referrers/") == 2
    assert all("UnreadClaims" in each for each in bench.record["Versions"])


def test_what_was_known_stays_if_it_cannot_be_read_again(bench: Bench, fake: FakeRegistry) -> None:
    ReferrerLists(fake)
    check(bench, image(layers=[7]))
    before = check(bench, attested(PROVENANCE))
    is_broken = broken(fake, "/referrers/", 500)

    bench.check_later()
    meanwhile = claims(bench)
    is_broken.clear()
    bench.check_later()

    assert set(before) == {"Provenance", "Signatures"}
    assert meanwhile == {**before, "UnreadClaims": meanwhile["UnreadClaims"]}
    assert claims(bench) == before


@pytest.mark.parametrize("status", [404, 403])
def test_what_is_broken_for_good_is_not_asked_for_at_every_check(
    bench: Bench, fake: FakeRegistry, status: int
) -> None:
    ReferrerLists(fake)
    is_broken = broken(fake, attestation(AMD64, PROVENANCE).digest, status)
    found = check(bench, attested(PROVENANCE))
    asked(fake)

    bench.time += timedelta(minutes=30)
    bench.refresh()
    soon = asked(fake)
    is_broken.clear()
    bench.check_later()

    assert set(found) == {"Signatures", "UnreadClaims"}
    assert soon == ["GET tags/list", "HEAD manifests/latest"]
    assert set(claims(bench)) == {"Provenance", "Signatures"}


def test_a_list_that_never_comes_delays_nothing_for_long(bench: Bench, fake: FakeRegistry) -> None:
    is_over = threading.Event()

    def hang(*_: object) -> Response:
        is_over.wait(60)
        return Response(status=500)

    fake.referrers = hang
    for number in range(5):
        fake.push("team/web", f"1.{number}", image(layers=[number + 1]))
    refresher = replace(bench.refresher, times=Times(seconds=6.0))
    try:
        assert refresher.refresh(bench.repository).error is None
    finally:
        is_over.set()

    assert len(bench.record["Versions"]) == 5
    assert all("UnreadClaims" in each and "Unread" not in each for each in bench.record["Versions"])


# What strangers write


def test_a_statement_about_another_digest_does_not_count(bench: Bench) -> None:
    elsewhere = statement(buildkit_provenance(source=SOURCE), ARM64)

    found = check(bench, attested(elsewhere))

    assert found == {"Signatures": []}
    assert bench.badge("provenance") == "provenance: no"


def test_an_sbom_about_another_digest_does_not_count(bench: Bench, fake: FakeRegistry) -> None:
    lists = ReferrerLists(fake)
    made = referrer(ARM64, "text/spdx+json", {"text/spdx+json": to_json(spdx())})
    fake.push("team/web", None, made)
    lists.more = [made.descriptor(artifactType="text/spdx+json")]

    assert "SBOM" not in check(bench, INDEX)


def oversized(kind: str, size: int) -> FakeImage:
    """Return an attestation whose only statement, which nobody has, is said to be so large."""
    layer = {
        **descriptor(b"nobody has it", IN_TOTO),
        "size": size,
        "annotations": {"in-toto.io/predicate-type": kind},
    }
    whole = attestation(AMD64)
    document = whole.raw.replace(b'"layers": []', b'"layers": [' + to_json(layer) + b"]")
    return FakeImage(document, whole.media_type, whole.blobs)


@pytest.mark.parametrize(
    ("kind", "size", "field", "reason"),
    [
        ("https://slsa.dev/provenance/v1", 40 * 1024**2, "Provenance", "it is larger than 4 MiB"),
        (SPDX, 40 * 1024**2, "SBOM", "it is larger than 8 MiB"),
    ],
)
def test_a_statement_of_forty_mebibytes_is_there_and_is_not_read(
    bench: Bench, fake: FakeRegistry, kind: str, size: int, field: str, reason: str
) -> None:
    found = check(bench, attested_index((AMD64, oversized(kind, size)), (ARM64, None)))

    assert found[field]["Unread"] == reason
    assert fake.asked("GET", f"/blobs/{digest_of(b'nobody has it')}") == 0
    assert "UnreadClaims" not in found


def test_the_size_of_an_sbom_that_is_not_read_is_known(bench: Bench) -> None:
    found = check(bench, attested_index((AMD64, oversized(SPDX, 40 * 1024**2)), (ARM64, None)))

    assert found["SBOM"]["SizeBytes"] == 40 * 1024**2


def test_ten_thousand_referrers_cost_two_lists_and_few_manifests(bench: Bench, fake: FakeRegistry) -> None:
    lists = ReferrerLists(fake)
    lists.more = [
        {"mediaType": AMD64.media_type, "digest": digest_of(b"%d" % number), "size": 1, "artifactType": BUNDLE}
        for number in range(10_000)
    ]

    found = check(bench, INDEX)

    assert (fake.asked("GET", "/referrers/"), fake.asked("GET", "/manifests/")) == (2, 3 + 4)
    assert len(found["Signatures"]) == 20
    assert "UnreadClaims" in found


def test_of_a_thousand_statements_ten_are_read(bench: Bench, fake: FakeRegistry) -> None:
    useless = [statement({"n": number}, ARM64) for number in range(1000)]

    found = check(bench, attested(*useless))

    assert sum(fake.asked("GET", f"/blobs/{digest_of(each)}") for each in useless) == 10
    assert "UnreadClaims" in found


@pytest.mark.parametrize("is_in_tag", [False, True])
def test_referrers_that_refer_to_themselves_are_read_once(bench: Bench, fake: FakeRegistry, is_in_tag: bool) -> None:
    entries = [each.descriptor(artifactType=BUNDLE) for each in (INDEX, AMD64, INDEX, AMD64)]
    if is_in_tag:
        for subject in (INDEX, AMD64):
            fake.push("team/web", fallback_tag(subject.digest), referrer_list(manifests=entries))
    else:
        ReferrerLists(fake).more = [*entries]

    found = check(bench, INDEX)

    assert "Provenance" not in found
    assert fake.asked("GET", "/manifests/") <= 3 + 2


def test_an_attestation_that_is_the_image_itself_says_nothing(bench: Bench, fake: FakeRegistry) -> None:
    marks = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": AMD64.digest}
    entries = [AMD64.descriptor(), AMD64.descriptor(annotations=marks, platform={"os": "unknown"})]
    document = {"schemaVersion": 2, "mediaType": INDEX.media_type, "manifests": entries}

    found = check(bench, FakeImage(to_json(document), INDEX.media_type, {}, (AMD64,)))

    assert found == {"Signatures": []}


def test_a_list_of_a_wrong_type_is_none(bench: Bench, fake: FakeRegistry) -> None:
    ReferrerLists(fake).content_type = "application/json"
    fake.push("team/web", None, bundle_referrer(INDEX, None))

    assert check(bench, INDEX) == {"Signatures": []}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100_000, b'{"manifests": 7}'])
def test_a_broken_list_leaves_the_image_alone(bench: Bench, fake: FakeRegistry, body: bytes) -> None:
    fake.referrers = lambda *_: Response(body, content_type="application/vnd.oci.image.index.v1+json")

    found = check(bench, attested(PROVENANCE))

    assert set(found) == {"Provenance", "UnreadClaims"}


@pytest.mark.parametrize("raw", [b"", b"{", b"{}", b"[" * 1000, b'{"_type": "https://in-toto.io/Statement/v1"}'])
def test_a_broken_statement_is_there_and_is_not_read(bench: Bench, fake: FakeRegistry, raw: bytes) -> None:
    made = attestation(AMD64, PROVENANCE)
    layer, other = descriptor(PROVENANCE, IN_TOTO), descriptor(raw, IN_TOTO)
    document = made.raw.replace(layer["digest"].encode(), other["digest"].encode())
    document = document.replace(f'"size": {len(PROVENANCE)}'.encode(), f'"size": {len(raw)}'.encode())
    damaged = FakeImage(document, made.media_type, {**made.blobs, digest_of(raw): raw})

    found = check(bench, attested_index((AMD64, damaged), (ARM64, None)))

    assert found["Provenance"]["Unread"]
    assert "UnreadClaims" not in found
