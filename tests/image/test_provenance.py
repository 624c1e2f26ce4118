"""Provenance: who says to have built an image, from what and when, and nothing of what else a builder writes down."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.documents import ProvenanceDocument, document_bytes
from microbadger.image.provenance import read_provenance, unread_provenance
from microbadger.image.shapes import has_shape
from microbadger.image.statements import Statement, parse_statement
from tests.fakes.claims import (
    ALPINE,
    COMMIT,
    RUN,
    SECRET,
    SLSA_0_1,
    SLSA_0_2,
    SLSA_1,
    WORKFLOW,
    buildkit_provenance,
    buildkit_provenance_0_2,
    bundle,
    envelope,
    github_provenance,
    statement,
)
from tests.fakes.registry import image
from tests.image.json_values import OBJECTS, spoiled

APP = image()
SOURCE = "https://github.com/owner/app"
MOST_BYTES = 24 * 1024
GIT_CONTEXT = f"{SOURCE}.git#refs/heads/main"
HINT = {"source": "git@github.com:owner/app.git", "revision": COMMIT, "localdir:context": "."}
LONGER_COMMIT = "a" * 64
BUILDKIT = [(SLSA_1, buildkit_provenance), (SLSA_0_2, buildkit_provenance_0_2)]
BUILDKIT_TYPES = {
    SLSA_1: "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
    SLSA_0_2: "https://mobyproject.org/buildkit@v1",
}
ALPINE_INPUT = {"URI": "pkg:docker/alpine@3.17?platform=linux%2Famd64", "Digest": f"sha256:{ALPINE}"}


def read(predicate: object, predicate_type: str = SLSA_1) -> ProvenanceDocument:
    raw = statement(predicate, APP, predicate_type=predicate_type)
    return read_provenance(parse_statement(raw, {APP.digest}))


def with_inputs(*inputs: object) -> ProvenanceDocument:
    return read({"buildDefinition": {"resolvedDependencies": list(inputs)}})


@pytest.mark.parametrize(("predicate_type", "made"), BUILDKIT)
def test_every_fact_of_a_build_from_git_is_read(predicate_type: str, made: Any) -> None:
    assert read(made(builder=RUN, source=GIT_CONTEXT), predicate_type) == {
        "PredicateType": predicate_type,
        "Builder": RUN,
        "BuilderName": "GitHub Actions",
        "BuildType": BUILDKIT_TYPES[predicate_type],
        "Source": SOURCE,
        "Commit": COMMIT,
        "Dockerfile": "docker/Dockerfile",
        "Inputs": [ALPINE_INPUT, {"URI": GIT_CONTEXT, "Digest": f"sha1:{COMMIT}"}],
        "InputCount": 2,
        "StartedAt": "2026-11-20T10:00:00.466513Z",
        "FinishedAt": "2026-11-20T10:00:01.256820Z",
        "Invocation": "yirbp1aosi1vqjmi3z6bc75nb",
        "Hermetic": False,
        "Reproducible": False,
    }


@pytest.mark.parametrize(("predicate_type", "made"), BUILDKIT)
def test_of_a_build_from_a_folder_the_hint_tells_the_source(predicate_type: str, made: Any) -> None:
    found = read(made(hint=HINT), predicate_type)
    assert (found["Source"], found["Commit"], found["Dockerfile"]) == (SOURCE, COMMIT, "docker/Dockerfile")
    assert not found.keys() & {"Builder", "BuilderName"}


@pytest.mark.parametrize(("predicate_type", "made"), BUILDKIT)
def test_a_build_from_a_folder_without_a_hint_has_no_source(predicate_type: str, made: Any) -> None:
    assert not read(made(), predicate_type).keys() & {"Source", "Commit"}


@pytest.mark.parametrize(("predicate_type", "made"), BUILDKIT)
def test_the_hint_comes_after_what_the_builder_knows(predicate_type: str, made: Any) -> None:
    hint = {"source": "https://github.com/owner/other", "revision": "b" * 40}
    found = read(made(source=GIT_CONTEXT, hint=hint), predicate_type)
    assert (found["Source"], found["Commit"]) == (SOURCE, COMMIT)


@pytest.mark.parametrize(
    "predicate_and_type",
    [
        (buildkit_provenance(builder=RUN, source=GIT_CONTEXT, hint=HINT), SLSA_1),
        (buildkit_provenance_0_2(builder=RUN, source=GIT_CONTEXT, hint=HINT), SLSA_0_2),
        (github_provenance(), SLSA_1),
    ],
)
def test_no_argument_nor_anything_else_is_published(predicate_and_type: tuple[dict[str, Any], str]) -> None:
    predicate, predicate_type = predicate_and_type
    assert SECRET in json.dumps(predicate)
    assert SECRET not in json.dumps(read(predicate, predicate_type))


def test_of_a_build_that_is_a_part_of_another_the_root_tells_the_source() -> None:
    predicate = buildkit_provenance(hint={})
    arguments = {"vcs:source": HINT["source"], "vcs:revision": COMMIT, "build-arg:PASSWORD": SECRET}
    root = {"configSource": {"path": "other/Dockerfile"}, "request": {"frontend": "gateway.v0", "args": arguments}}
    parameters = predicate["buildDefinition"]["externalParameters"]
    parameters |= {"configSource": {}, "request": {"frontend": "dockerfile.v0", "root": root}}
    found = read(predicate)
    assert (found["Source"], found["Commit"], found["Dockerfile"]) == (SOURCE, COMMIT, "other/Dockerfile")
    assert SECRET not in json.dumps(found)
    root["configSource"] = {"uri": GIT_CONTEXT, "digest": {"sha1": "b" * 40}}
    assert read(predicate)["Commit"] == "b" * 40


def test_what_github_attests_is_read() -> None:
    assert read(github_provenance()) == {
        "PredicateType": SLSA_1,
        "Builder": WORKFLOW,
        "BuilderName": "GitHub Actions",
        "BuildType": "https://actions.github.io/buildtypes/workflow/v1",
        "Source": SOURCE,
        "Commit": COMMIT,
        "Inputs": [{"URI": f"git+{SOURCE}@refs/heads/main", "Digest": f"gitCommit:{COMMIT}"}],
        "InputCount": 1,
        "Invocation": f"{RUN}/attempts/1",
    }


@pytest.mark.parametrize("wrap", [envelope, bundle])
def test_provenance_in_an_envelope_says_the_same(wrap: Any) -> None:
    raw = statement(github_provenance(), APP)
    assert read_provenance(parse_statement(wrap(raw), {APP.digest})) == read(github_provenance())


def from_git(uri: str, **digest: str) -> dict[str, Any]:
    return {"uri": uri, "digest": digest}


def of_parameters(parameters: object, *dependencies: object) -> dict[str, Any]:
    return {"buildDefinition": {"externalParameters": parameters, "resolvedDependencies": list(dependencies)}}


# What other builders write, by their documentation.
OTHER_BUILDERS = {
    "Google Cloud Build": (
        SLSA_1,
        of_parameters(
            {"buildConfigSource": {"repository": f"git+{SOURCE}", "ref": "refs/heads/main", "path": "cloudbuild.yaml"}},
            from_git(f"git+{SOURCE}@refs/heads/main", gitCommit=COMMIT),
            from_git(f"gcr.io/cloud-builders/docker@sha256:{ALPINE}", sha256=ALPINE),
        ),
    ),
    "Google Cloud Build, version 0.1": (
        SLSA_0_1,
        {
            "recipe": {"type": "https://cloudbuild.googleapis.com/CloudBuildYaml@v0.1", "entryPoint": "build.yaml"},
            "materials": [from_git(f"git+{SOURCE}", sha1=COMMIT)],
        },
    ),
    "the first example of version 0.1": (
        SLSA_0_1,
        {
            "recipe": {"definedInMaterial": 1},
            "materials": [from_git("https://github.com/owner/tool", sha1="b" * 40), from_git(SOURCE, sha1=COMMIT)],
        },
    ),
    "a generator on GitHub, version 0.2": (
        SLSA_0_2,
        {"invocation": {"configSource": from_git(f"git+{SOURCE}@refs/tags/v1", sha1=COMMIT)}},
    ),
    "a builder in a container on GitHub": (
        SLSA_1,
        of_parameters({"source": from_git(f"git+{SOURCE}@refs/tags/v1", sha1=COMMIT)}),
    ),
    "GitLab": (SLSA_1, of_parameters({"source": SOURCE}, from_git(SOURCE, gitCommit=COMMIT))),
    "GitLab's runner, which names the wrong algorithm": (
        SLSA_0_2,
        {"invocation": {"configSource": from_git(SOURCE, sha256=COMMIT)}},
    ),
    "BuildKit, whose context has the commit among the inputs only": (
        SLSA_1,
        of_parameters({"configSource": {"uri": GIT_CONTEXT}}, from_git(GIT_CONTEXT, sha1=COMMIT)),
    ),
}


@pytest.mark.parametrize(("predicate_type", "predicate"), OTHER_BUILDERS.values(), ids=OTHER_BUILDERS.keys())
def test_the_source_is_found_where_other_builders_put_it(predicate_type: str, predicate: object) -> None:
    found = read(predicate, predicate_type)
    assert (found["Source"], found["Commit"]) == (SOURCE, COMMIT)
    assert "Dockerfile" not in found


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        (SOURCE, SOURCE),
        (f"{SOURCE}.git", SOURCE),
        (f"{SOURCE}.git#refs/heads/main:docker", SOURCE),
        (f"git+{SOURCE}@refs/heads/main", SOURCE),
        (f"git+{SOURCE}.git@v1@2", SOURCE),
        ("http://github.com/owner/app", SOURCE),
        ("https://GitHub.com/owner/app", SOURCE),
        (f"https://user:{SECRET}@github.com/owner/app.git", SOURCE),
        (f"https://{SECRET}@github.com/owner/app@refs/heads/main", SOURCE),
        (f"https://github.com/owner/app?token={SECRET}", SOURCE),
        ("git@github.com:owner/app.git", SOURCE),
        ("git@github.com:owner/app.git#main", SOURCE),
        ("ssh://git@github.com/owner/app.git", SOURCE),
        ("ssh://git@github.com:22/owner/app.git#main", SOURCE),
        ("git://github.com/owner/app", SOURCE),
        ("github.com/owner/app", SOURCE),
        ("https://gitlab.com/a/b/c/app.git", "https://gitlab.com/a/b/c/app"),
        ("https://example.org:8443/app", "https://example.org:8443/app"),
        ("https://127.0.0.1/app", None),
        ("https://localhost/app", None),
        ("file:///home/user/app", None),
        ("/home/user/app", None),
        ("javascript:alert(1)", None),
        ("https://github.com/owner/app\" onload=x", None),
        ("https://github.com/../..", None),
        (f"https://github.com/{'x' * 2000}", None),
        ("mañana", None),
        (" ", None),
        (["https://github.com/owner/app"], None),
        (7, None),
    ],
)
def test_a_source_is_a_plain_address_without_a_user_and_a_ref(uri: object, source: str | None) -> None:
    assert read(of_parameters({"configSource": {"uri": uri}})).get("Source") == source


@pytest.mark.parametrize(
    ("uri", "digest", "commit"),
    [
        (GIT_CONTEXT, {"sha1": COMMIT}, COMMIT),
        (GIT_CONTEXT, {"gitCommit": COMMIT}, COMMIT),
        (GIT_CONTEXT, {"gitCommit": LONGER_COMMIT}, LONGER_COMMIT),
        (GIT_CONTEXT, {"sha256": LONGER_COMMIT}, LONGER_COMMIT),
        (f"git+{SOURCE}", {"sha256": LONGER_COMMIT}, LONGER_COMMIT),
        ("git@github.com:owner/app", {"sha256": LONGER_COMMIT}, LONGER_COMMIT),
        (f"{SOURCE}/archive/main.tar.gz", {"sha256": LONGER_COMMIT}, None),
        (GIT_CONTEXT, {"sha1": COMMIT[:7]}, None),
        (GIT_CONTEXT, {"sha1": COMMIT.upper()}, None),
        (GIT_CONTEXT, {"sha1": f"{COMMIT}-dirty"}, None),
        (GIT_CONTEXT, {"sha1": "g" * 40}, None),
        (GIT_CONTEXT, {"sha1": "٣" * 40}, None),
        (GIT_CONTEXT, {"sha1": LONGER_COMMIT}, None),
        (GIT_CONTEXT, {"sha1": [COMMIT]}, None),
        (GIT_CONTEXT, {"md5": COMMIT}, None),
        (GIT_CONTEXT, COMMIT, None),
        (GIT_CONTEXT, None, None),
    ],
)
def test_a_commit_is_forty_or_sixty_four_digits(uri: str, digest: object, commit: str | None) -> None:
    assert read(of_parameters({"configSource": {"uri": uri, "digest": digest}})).get("Commit") == commit


def test_a_commit_of_another_repository_is_not_that_of_the_source() -> None:
    other = from_git("https://github.com/owner/other.git", sha1="b" * 40)
    assert "Commit" not in read(of_parameters({"configSource": {"uri": GIT_CONTEXT}}, other))
    assert "Commit" not in read(of_parameters({}, other))


@pytest.mark.parametrize(
    ("builder", "name"),
    [
        ("https://github.com/docker-library", "Docker Official Images"),
        (RUN, "GitHub Actions"),
        (f"{RUN}/attempts/1", "GitHub Actions"),
        (WORKFLOW, "GitHub Actions"),
        ("https://octo.ghe.com/owner/app/.github/workflows/a.yml@refs/tags/v1", "GitHub Actions"),
        ("https://github.com/actions/runner/github-hosted", "GitHub Actions"),
        ("https://github.com/actions/runner/self-hosted", "GitHub Actions"),
        ("https://github.com/Attestations/GitHubHostedActions@v1", "GitHub Actions"),
        (
            "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/"
            "generator_container_slsa3.yml@refs/tags/v2.0.0",
            "GitHub Actions",
        ),
        ("https://gitlab.com/group/app/-/runners/12270831", "GitLab CI"),
        ("https://gitlab.example.org/a/b/c/-/runners/7", "GitLab CI"),
        ("https://cloudbuild.googleapis.com/GoogleHostedWorker", "Google Cloud Build"),
        ("https://cloudbuild.googleapis.com/GoogleHostedWorker@v0.3", "Google Cloud Build"),
        ("https://tekton.dev/chains/v2", "Tekton Chains"),
        ("https://github.com/docker-library-of-somebody", None),
        ("https://github.com/docker-library/x", None),
        ("https://github.com/owner/app", None),
        ("https://github.com/owner/app/actions/runs/x", None),
        ("https://github.com.example.com/owner/app/actions/runs/7", None),
        ("https://example.com/https://github.com/owner/app/actions/runs/7", None),
        ("https://cloudbuild.googleapis.com.example.com/GoogleHostedWorker", None),
        ("http://github.com/owner/app/actions/runs/7", None),
        ("GitHub Actions", None),
        ("mañana", None),
    ],
)
def test_a_builder_has_a_name_only_if_its_id_is_a_known_one(builder: str, name: str | None) -> None:
    found = read(buildkit_provenance(builder=builder))
    assert (found["Builder"], found.get("BuilderName")) == (builder, name)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("pkg:docker/alpine@3.17?platform=linux%2Famd64", "pkg:docker/alpine@3.17?platform=linux%2Famd64"),
        ("pkg:docker/ghcr.io%2Fo%2Fr@v1", "pkg:docker/ghcr.io%2Fo%2Fr@v1"),
        ("pkg:oci/app@sha256%3Aa?repository_url=ghcr.io/o/app", "pkg:oci/app@sha256%3Aa?repository_url=ghcr.io/o/app"),
        ("pkg:docker/a@1?digest=sha256:a&platform=b", "pkg:docker/a@1?digest=sha256:a&platform=b"),
        (f"pkg:docker/a@1?ref_type=bundle&vcs_url=https://{SECRET}@example.com", "pkg:docker/a@1?ref_type=bundle"),
        (f"pkg:oci/a?repository_url={SECRET}@example.com/a&tag=1", "pkg:oci/a?tag=1"),
        (f"pkg:generic/a@1?download_url=https://u:{SECRET}@example.com", "pkg:generic/a@1"),
        (f"https://u:{SECRET}@example.com/a.tgz", "https://example.com/a.tgz"),
        (f"https://example.com/a.tgz?X-Amz-Signature={SECRET}#b", "https://example.com/a.tgz#b"),
        (f"https://u:{SECRET}/@example.com/a.tgz", None),
        (f"https://u:{SECRET}@v@example.com/a.tgz", "https://example.com/a.tgz"),
        (f"ssh://{SECRET}@github.com/owner/app.git#main", "ssh://github.com/owner/app.git#main"),
        (f"{SECRET}@github.com:owner/app.git#main", SOURCE),
        (f"{SECRET}@localhost:owner/app.git", None),
        (f"user:{SECRET}@github.com/owner/app.git", None),
        (f"git:{SECRET}@github.com:owner/app.git", None),
        (f"https:/user:{SECRET}@github.com/owner/app", None),
        (f"https://example.com/https://u:{SECRET}@example.com/a", None),
        (f"pkg:docker/u%3A{SECRET}%40example.com%2Fa@1", None),
        (f"PKG:docker/a@1?token={SECRET}", "PKG:docker/a@1"),
        ("pkg:docker/localhost%3A5000%2Fa@1", "pkg:docker/localhost%3A5000%2Fa@1"),
        (f"alpine:3.22@sha256:{ALPINE}", f"alpine:3.22@sha256:{ALPINE}"),
        (f"git+{SOURCE}@refs/heads/main", f"git+{SOURCE}@refs/heads/main"),
        ("https://[::1]:80/a", "https://[::1]:80/a"),
        (f"gcr.io/cloud-builders/docker@sha256:{ALPINE}", f"gcr.io/cloud-builders/docker@sha256:{ALPINE}"),
        ("größe\u202e\x00 \n", "größe"),
        ("x" * 300, "x" * 300),
        ("x" * 301, None),
        (" ", None),
        (None, None),
        ({}, None),
    ],
)
def test_an_input_is_named_without_what_can_be_a_secret(uri: object, shown: str | None) -> None:
    assert [each["URI"] for each in with_inputs({"uri": uri}).get("Inputs", [])] == ([shown] if shown else [])


def test_an_input_is_kept_without_a_digest_that_is_none() -> None:
    digests = [{"sha256": "x"}, {"sha256": ALPINE, "sha1": COMMIT}, {"sha512": "a" * 128}, None, {"sha256": [ALPINE]}]
    found = with_inputs(*({"uri": "pkg:docker/a", "digest": digest} for digest in digests))
    expected = [None, f"sha256:{ALPINE}", f"sha512:{'a' * 128}", None, None]
    assert [each.get("Digest") for each in found["Inputs"]] == expected


def test_twenty_inputs_are_shown_images_first_and_all_are_counted() -> None:
    files = [{"uri": f"https://example.com/{number}"} for number in range(30)]
    found = with_inputs(*files, {"uri": "pkg:oci/b"}, {"uri": "pkg:docker/a"}, None, "x")
    assert [each["URI"] for each in found["Inputs"][:3]] == ["pkg:oci/b", "pkg:docker/a", "https://example.com/0"]
    assert (len(found["Inputs"]), found["InputCount"]) == (20, 34)


def test_of_a_hundred_thousand_inputs_few_are_shown() -> None:
    found = with_inputs(*([{"uri": "<" * 300}] * 20), *([{"uri": "a"}] * 99_980))
    assert (len(found["Inputs"]), found["InputCount"]) == (4, 100_000)
    assert len(document_bytes(found)) < MOST_BYTES


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"buildkit_hermetic": True, "buildkit_reproducible": True}, {"Hermetic": True, "Reproducible": True}),
        ({"buildkit_hermetic": "true", "buildkit_reproducible": 1}, {}),
        ({"invocationID": "a"}, {"Invocation": "a"}),
        ({"invocationId": "a", "invocationID": "b"}, {"Invocation": "a"}),
        ({"invocationId": f"https://u:{SECRET}@example.com/1"}, {"Invocation": "https://example.com/1"}),
        ({"startedOn": "2026-11-20T12:00:00+02:00"}, {"StartedAt": "2026-11-20T10:00:00Z"}),
        ({"startedOn": "0001-01-01T00:00:00Z", "finishedOn": "1970-01-01T00:00:00Z"}, {}),
        ({"startedOn": 7, "finishedOn": "mañana"}, {}),
        ([], {}),
        (None, {}),
    ],
)
def test_what_is_said_of_the_run_is_read_if_it_is_sound(metadata: object, expected: dict[str, object]) -> None:
    assert read({"runDetails": {"metadata": metadata}}) == {"PredicateType": SLSA_1, **expected}


@pytest.mark.parametrize("field", ["buildInvocationID", "buildInvocationId"])
def test_an_older_invocation_is_read_in_both_spellings(field: str) -> None:
    assert read({"metadata": {field: "a"}}, SLSA_0_2)["Invocation"] == "a"


@pytest.mark.parametrize("predicate_type", [SLSA_1, SLSA_0_2, SLSA_0_1])
@pytest.mark.parametrize("predicate", [{}, None, [], "x", {"buildDefinition": [], "runDetails": 7, "materials": {}}])
def test_provenance_that_says_nothing_is_there_all_the_same(predicate_type: str, predicate: object) -> None:
    assert read(predicate, predicate_type) == {"PredicateType": predicate_type}


def test_provenance_that_cannot_be_read_says_why() -> None:
    assert unread_provenance(SLSA_1, "it is larger than 4 MiB") == {
        "PredicateType": SLSA_1,
        "Unread": "it is larger than 4 MiB",
    }


SOUND = [
    buildkit_provenance(builder=RUN, source=GIT_CONTEXT, hint=HINT),
    buildkit_provenance_0_2(builder=RUN, source=GIT_CONTEXT, hint=HINT),
    github_provenance(),
    *(predicate for _, predicate in OTHER_BUILDERS.values()),
]


@given(spoiled(*SOUND) | OBJECTS, st.sampled_from([SLSA_1, SLSA_0_2, SLSA_0_1, ""]))
def test_whatever_stands_where_the_document_is_sound_and_small(predicate: dict[str, Any], predicate_type: str) -> None:
    found = read_provenance(Statement(predicate_type, json.loads(json.dumps(predicate))))
    assert has_shape(found, ProvenanceDocument)
    assert len(document_bytes(found)) < MOST_BYTES
