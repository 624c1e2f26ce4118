"""Whether a base image has moved, judged on documents: the traps of real images, and every way that it can go."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.base_images import BaseContentDocument, BaseEntryDocument, KnownBases, SightDocument
from microbadger.image.base_images import judged_base as judged
from microbadger.image.chains import chains_of
from microbadger.image.documents import BaseDocument, VersionDocument
from tests.image.versions import digest, platform, version

OCI = "org.opencontainers.image."
ALPINE, GOLANG, FRONTEND = "docker.io/library/alpine", "docker.io/library/golang", "docker.io/docker/dockerfile"
OWN = "abxy"
"""The layers of the version, a letter each: it is built on ``a``, ``ab`` or ``abx``."""
Contents = dict[tuple[str, str], BaseContentDocument]


def layers(letters: str) -> BaseContentDocument:
    """Return a manifest with these layers."""
    return {"Chain": chains_of(letters)[-1]} if letters else {}


def index(**architectures: str) -> BaseContentDocument:
    """Return an index that names a manifest for each architecture."""
    return {
        "Entries": [
            BaseEntryDocument(Digest=digest(letter), OS="linux", Architecture=architecture)
            for architecture, letter in architectures.items()
        ]
    }


def alpine(letter: str, content: BaseContentDocument) -> Contents:
    return {(ALPINE, digest(letter)): content}


# 1 and 2 are indexes of the tag one after the other, 3 is the second one with other attestations, and 4 has another
# image for arm64 only. 5 is for arm64 alone.
CONTENTS: Contents = {
    **alpine("1", index(amd64="a", arm64="b")),
    **alpine("2", index(amd64="c", arm64="d")),
    **alpine("3", index(amd64="c", arm64="d")),
    **alpine("4", index(amd64="c", arm64="e")),
    **alpine("5", index(arm64="b")),
    **alpine("6", {}),
    **alpine("7", index(amd64="f")),
    **alpine("a", layers("ab")),
    **alpine("b", layers("AB")),
    **alpine("c", layers("cd")),
    **alpine("d", layers("CD")),
    **alpine("e", layers("EF")),
    **alpine("f", layers("qr")),
}


def sights(digests: str) -> list[SightDocument]:
    """Return what a tag named: one digit after the other, each an hour later, the first one at the first look."""
    return [
        SightDocument(Digest=digest(letter), SeenAt=f"2026-11-20T{hour:02}:00:00Z", IsExact=hour > 0)
        for hour, letter in enumerate(digests)
    ]


def built(letters: str = OWN, *, name: str = "alpine:3.22", recorded: str = "", **fields: Any) -> VersionDocument:
    labels = {f"{OCI}base.name": name} | ({f"{OCI}base.digest": digest(recorded)} if recorded else {})
    return version("9", **{"Labels": labels, "DiffIDs": list(letters), **fields})


def known(named: str, reference: str = f"{ALPINE}:3.22") -> KnownBases:
    return KnownBases({reference: sights(named)}, CONTENTS)


def judge(document: VersionDocument, bases: KnownBases) -> BaseDocument:
    return judged(document, chains_of(document["DiffIDs"]), bases)


CASES = [
    # what it is, layers, recorded digest, what the tag named; the state and the hour of the move
    ("the tag is as it was recorded", OWN, "1", "1", "current", None),
    ("the tag moved", OWN, "1", "12", "outdated", 1),
    ("nothing is recorded, and the layers are those of the tag", OWN, "", "1", "current", None),
    ("nothing is recorded, and the tag moved", OWN, "", "12", "outdated", 1),
    ("trap 1: the recorded digest is that of a platform", OWN, "a", "1", "current", None),
    ("trap 1: and the tag moved", OWN, "a", "12", "outdated", 1),
    ("trap 1: and the tag had moved before anybody asked", OWN, "a", "2", "outdated", 0),
    ("trap 4: the recorded digest is older than the layers", "cdxy", "1", "12", "current", None),
    ("trap 4: the recorded digest is newer than the layers", OWN, "2", "12", "outdated", 1),
    ("trap 4: the recorded digest is of another image", OWN, "8", "1", "current", None),
    ("trap 4: so it is, and the layers are of nothing known", "wxyz", "8", "12", "unknown", None),
    ("trap 5: the index moved with new attestations", "cdxy", "2", "23", "current", None),
    ("trap 5: the index moved for another platform", "cdxy", "2", "24", "current", None),
    ("trap 5: the index moved twice, and once for our platform", OWN, "1", "1234", "outdated", 1),
    ("squashed, and the tag is as it was recorded", "z", "1", "1", "current", None),
    ("squashed, and the tag moved", "z", "1", "12", "unknown", None),
    ("squashed, and nothing is recorded", "z", "", "1", "unknown", None),
    ("compressed anew with the same content", OWN, "", "17", "outdated", 1),
    ("rebuilt with other diff IDs, and the tag moved", "pqxy", "1", "12", "unknown", None),
    ("the tag moved back", OWN, "1", "121", "current", None),
    ("the tag moved back and forth", OWN, "1", "1212", "outdated", 3),
    ("the layers are exactly those of the base", "ab", "", "1", "current", None),
    ("layers that are not known", "", "1", "1", "current", None),
    ("layers that are not known, and the tag moved", "", "1", "12", "unknown", None),
    ("the new index has no image for the platform", OWN, "1", "15", "unknown", None),
    ("the tag names no image any more", OWN, "1", "16", "unknown", None),
    ("what the tag names now was not read yet", OWN, "1", "18", "current", None),
    ("what the tag names now was not read, and is recorded", OWN, "8", "18", "current", None),
    ("the tag was asked about in vain", OWN, "1", "", "unknown", None),
]


@pytest.mark.parametrize(
    ("letters", "recorded", "named", "state", "hour"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_base_is_judged_by_digests_and_layers(
    letters: str, recorded: str, named: str, state: str, hour: int | None
) -> None:
    base = judge(built(letters, recorded=recorded), known(named))

    assert base["State"] == state
    assert base.get("MovedAt") == (None if hour is None else f"2026-11-20T{hour:02}:00:00Z")
    assert base.get("TagDigest") == (digest(named[-1]) if state == "outdated" else None)
    assert ("MovedAtIsExact" in base) == (hour == 0)


@pytest.mark.parametrize(
    ("letters", "recorded", "named", "count"),
    [(OWN, "1", "1", 2), ("ab", "1", "12", 2), ("z", "1", "1", None), ("wxyz", "", "12", None), (OWN, "1", "", None)],
)
def test_it_says_how_many_layers_are_those_of_the_base(
    letters: str, recorded: str, named: str, count: int | None
) -> None:
    assert judge(built(letters, recorded=recorded), known(named)).get("LayerCount") == count


@pytest.mark.parametrize(
    "name",
    ["alpine:3.22", "library/alpine:3.22", "docker.io/library/alpine:3.22", "index.docker.io/library/alpine:3.22"],
)
def test_trap_2_a_name_may_be_unqualified(name: str) -> None:
    assert judge(built(name=name), known("12")) == {
        "Name": name,
        "State": "outdated",
        "TagDigest": digest("2"),
        "MovedAt": "2026-11-20T01:00:00Z",
        "LayerCount": 2,
    }


def test_a_name_without_a_tag_is_that_of_the_latest() -> None:
    assert judge(built(name="alpine"), known("1", reference=f"{ALPINE}:latest"))["State"] == "current"


def test_a_name_may_bring_its_digest() -> None:
    base = judge(built("wxyz", name=f"alpine:3.22@{digest('1')}"), known("1"))

    assert (base["Digest"], base["State"]) == (digest("1"), "current")


def test_scratch_is_no_base_that_could_move() -> None:
    assert judge(built(name="scratch", recorded="1"), known("12")) == {"Name": "scratch"}


@pytest.mark.parametrize("name", [f"alpine@{digest('1')}", "not a name", "https://example.org/x", "UPPER/case"])
def test_of_a_name_that_cannot_be_followed_nothing_is_known(name: str) -> None:
    assert judge(built(name=name), known("12"))["State"] == "unknown"


def test_of_a_base_that_nobody_asked_about_only_the_name_is_said() -> None:
    assert judge(built(recorded="1"), KnownBases({}, {})) == {"Name": "alpine:3.22", "Digest": digest("1")}


def test_of_a_base_that_is_closed_nothing_is_said_but_that() -> None:
    bases = KnownBases({f"{ALPINE}:3.22": sights("12")}, CONTENTS, {ALPINE})

    assert judge(built(recorded="1"), bases) == {"Name": "alpine:3.22", "Digest": digest("1"), "State": "unknown"}


def test_a_version_of_another_platform_is_compared_with_that_one() -> None:
    arm = built("ABxy", Platforms=[platform("arm64", "9", Variant="v8")])

    assert [judge(arm, known(named))["State"] for named in ("1", "14")] == ["current", "outdated"]


def test_a_move_after_what_was_never_read_may_be_older() -> None:
    base = judge(built(recorded="1"), known("182"))

    assert (base["MovedAt"], base["MovedAtIsExact"]) == ("2026-11-20T02:00:00Z", False)


def test_an_annotation_comes_before_a_label() -> None:
    annotated = built("abxy", name="debian:12", Annotations={f"{OCI}base.name": "alpine:3.22"}, recorded="8")

    assert judge(annotated, known("1")) == {"Name": "alpine:3.22", "State": "current", "LayerCount": 2}


# Trap 3, and bases that only a build names.


def inputs(**digests: str) -> dict[str, Any]:
    """Return the provenance of a build that read images with these digests."""
    names = {"alpine": "alpine@3.22", "golang": "golang@1.25", "frontend": "docker/dockerfile@1"}
    urls = [(f"pkg:docker/{names[name]}?platform=linux%2Famd64", digest(letter)) for name, letter in digests.items()]
    entries = [{"URI": url, "Digest": each} for url, each in urls]
    return {"Provenance": {"PredicateType": "https://slsa.dev/provenance/v1", "Inputs": entries}}


def read(**contents: BaseContentDocument) -> KnownBases:
    """Return what is known if these inputs were read, and the tag of alpine moved."""
    keys = {"alpine": (ALPINE, digest("a")), "golang": (GOLANG, digest("e")), "frontend": (FRONTEND, digest("f"))}
    of_names = {keys[name]: content for name, content in contents.items()}
    return KnownBases({f"{ALPINE}:3.22": sights("12"), f"{GOLANG}:1.25": []}, {**CONTENTS, **of_names})


INPUTS = inputs(frontend="f", golang="e", alpine="a")
LABEL_OF_BASE: BaseContentDocument = {**layers("abx"), "BaseName": "alpine:3.22"}


def test_the_input_with_our_layers_is_the_base() -> None:
    bases = read(frontend=layers("f"), golang=layers("gh"), alpine=layers("ab"))

    assert judge(built(Labels={}, **INPUTS), bases) == {
        "Name": "alpine:3.22",
        "Digest": digest("a"),
        "State": "outdated",
        "TagDigest": digest("2"),
        "MovedAt": "2026-11-20T01:00:00Z",
        "LayerCount": 2,
    }


def test_of_several_inputs_with_our_layers_the_longest_is_the_base() -> None:
    bases = read(golang=layers("abx"), alpine=layers("ab"))

    assert judge(built(Labels={}, **INPUTS), bases)["Name"] == "golang:1.25"


@pytest.mark.parametrize("contents", [{}, {"alpine": layers("cd")}, {"frontend": layers("f")}, {"alpine": {}}])
def test_without_an_input_with_our_layers_no_base_is_known(contents: dict[str, BaseContentDocument]) -> None:
    bases = KnownBases({}, read(**contents).contents if contents else {})
    without = built("wxyz", Labels={}, **INPUTS)

    assert judge(without, bases) == {}


def test_trap_3_a_label_that_the_base_has_too_is_not_ours() -> None:
    bases = read(golang=LABEL_OF_BASE)

    assert judge(built(**INPUTS), bases)["Name"] == "golang:1.25"


def test_a_label_that_names_the_base_itself_is_ours() -> None:
    bases = read(golang={**layers("abx"), "BaseName": "debian:12"})

    assert judge(built(name="golang:1.25", **INPUTS), bases)["Name"] == "golang:1.25"


def test_a_label_is_not_inherited_from_a_stage_whose_layers_are_not_ours() -> None:
    bases = read(golang={**layers("gh"), "BaseName": "alpine:3.22"})

    assert judge(built(**INPUTS), bases)["Name"] == "alpine:3.22"


def test_a_label_that_a_tracked_parent_has_too_is_not_ours() -> None:
    inherited = built(InheritedLabels=[f"{OCI}base.name", f"{OCI}base.digest"], recorded="1")

    assert judge(inherited, known("12")) == {}


def test_an_annotation_is_never_inherited() -> None:
    annotated = built(Annotations={f"{OCI}base.name": "alpine:3.22"}, **INPUTS)

    assert judge(annotated, read(golang=LABEL_OF_BASE))["Name"] == "alpine:3.22"


@given(
    own=st.text("abcdxyz", max_size=6),
    recorded=st.sampled_from(["", *"12345678abc"]),
    named=st.text("12345678", max_size=6),
)
def test_a_judgement_is_never_half_a_one(own: str, recorded: str, named: str) -> None:
    base = judge(built(own, recorded=recorded), known(named))

    assert ("TagDigest" in base) == ("MovedAt" in base) == (base["State"] == "outdated")
    assert base["State"] != "current" or not has_moved(own, recorded, named)


def has_moved(own: str, recorded: str, named: Iterable[str]) -> bool:
    """Return whether what the tag named last was read, and neither its layers nor its digest are the version's."""
    last = [letter for letter in named if letter in "12345" or letter == recorded][-1:]
    fits = {"1": own.startswith("ab"), **dict.fromkeys("234", own.startswith("cd"))}
    entries = {"1": "1ab", "2": "2cd", "3": "3cd", "4": "4ce", "5": "5b"}
    return bool(last) and not fits.get(last[0]) and recorded not in (*last, *entries.get(last[0], ""))
