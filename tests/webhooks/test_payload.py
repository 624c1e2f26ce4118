"""Webhooks: what each sender's payload is about, which tracked images that is, and tokens nobody can guess.

A sample is laid out as its sender documents it; the addresses stand with the readers in `webhook_senders`.
"""

import base64
import copy
import doctest
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.reference import Reference, Repository, is_tag
from microbadger.webhooks import payload as webhooks
from microbadger.webhooks.payload import (
    MAX_REFERENCES,
    Named,
    Payload,
    is_signed_wrongly,
    read,
    references_to,
)
from microbadger.webhooks.tokens import WebhookUrls, hooks_token, image_token, is_token

ALPINE, TRIVY = Repository.parse("alpine"), Repository.parse("ghcr.io/aquasecurity/trivy")
DIGEST = f"sha256:{'a' * 64}"
SAMPLES = {
    file.stem: json.loads(file.read_text()) for file in Path(__file__).parents[1].glob("samples/webhooks/*.json")
}

REPLICATED, ARTIFACT = "event_data/replication", "event_data/replication/successful_artifact/0"
IN_HARBOR = "harbor.example.org/team/web"
IN_ALIBABA = "ours-registry.cn-hangzhou.cr.aliyuncs.com/team/web"

MEANT = [
    ("docker-hub", "docker-hub", ["docker.io/team/web:1.2"]),
    ("github-package", "github", ["ghcr.io/team/web:1.2"]),
    ("github-registry-package-untagged", "github", ["ghcr.io/team/web"]),
    ("github-ping", "github", []),
    ("quay", "quay", ["quay.io/team/web:1.2"]),
    ("quay-old", "quay", ["quay.io/team/web:1.2", "quay.io/team/web:latest"]),
    ("harbor", "harbor", ["harbor.example.org/team/web:1.2"]),
    ("harbor-by-digest", "harbor", ["localhost/team/web"]),
    ("harbor-deleted", "harbor", ["harbor.example.org/team/web:1.2"]),
    ("harbor-old", "harbor", ["harbor.example.org/team/web:1.2"]),
    ("harbor-cloudevents", "harbor", ["harbor.example.org/team/web:1.2"]),
    ("harbor-tag-created", "harbor", ["harbor.example.org/team/web:1.2"]),
    ("harbor-replicated", "harbor", [f"{IN_HARBOR}:1.2", f"{IN_HARBOR}:latest"]),
    ("harbor-replicated-cloudevents", "harbor", [f"{IN_HARBOR}:1.2", f"{IN_HARBOR}:latest"]),
    ("harbor-replicated-old", "harbor", ["harbor.example.org/team/web:1.2"]),
    ("harbor-replicated-count", "harbor", ["harbor.example.org/team/web"]),
    ("harbor-replicated-to-docker-hub", "harbor", ["docker.io/team/web:1.2", "docker.io/team/web"]),
    ("harbor-replication-failed", "harbor", []),
    ("harbor-replication-stopped", "harbor", []),
    ("harbor-retained", "harbor", ["harbor.example.org/team/web"]),
    ("harbor-retained-cloudevents", "harbor", ["harbor.example.org/team/web"]),
    ("harbor-retained-old", "harbor", ["harbor.example.org/team/web"]),
    ("harbor-scanned", "harbor", []),
    ("harbor-quota", "harbor", []),
    ("gitea", "gitea", ["git.example.org/team/web:1.2"]),
    ("gitea-deleted", "gitea", ["git.example.org/team/web:1.2"]),
    ("gitea-by-digest", "gitea", ["git.example.org/team/web"]),
    ("gitea-other-package", "gitea", []),
    ("gitea-push", "gitea", []),
    ("forgejo", "gitea", ["git.example.org/team/tools/web:1.2"]),
    ("alibaba", "alibaba", ["registry.cn-hangzhou.aliyuncs.com/team/web:1.2"]),
    ("alibaba-capitals", "alibaba", ["registry.cn-shanghai.aliyuncs.com/team/web:1.2"]),
    ("alibaba-event", "alibaba", [f"{IN_ALIBABA}:1.2"]),
    ("ci", "ci", []),
    ("distribution-v1", "distribution", ["registry:5000/team/web", "registry:5000/team/web:1.2"]),
    ("distribution-v2", "distribution", ["registry:5000/team/web:1.2"]),
    ("distribution-v2-deleted", "distribution", ["registry:5000/team/web"]),
    ("gitlab", "distribution", ["registry.gitlab.example.org/team/web:1.2"]),
    ("azure", "azure", ["myregistry.azurecr.io/team/web:1.2"]),
    ("azure-event-grid", "azure", ["myregistry.azurecr.io/team/web:1.2", "myregistry.azurecr.io/team/api"]),
    ("azure-event-grid-cloudevents", "azure", ["myregistry.azurecr.io/team/web:1.2"]),
    ("azure-event-grid-validation", "azure", []),
    ("ecr", "ecr", ["123456789012.dkr.ecr.us-west-2.amazonaws.com/team/web:1.2"]),
    ("ecr-replicated", "ecr", ["123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/team/web:1.2"]),
    ("google", "google", ["us-east1-docker.pkg.dev/project/team/web:1.2"]),
    ("google-unwrapped-deleted", "google", ["gcr.io/project/web"]),
    ("jfrog", "jfrog", ["example.jfrog.io/docker-remote-cache/team/web:1.2"]),
    ("zot", "zot", ["?/team/web:1.2"]),
    ("zot-deleted-by-digest", "zot", ["?/team/web"]),
    ("nexus-component", "nexus", ["?/docker-hosted/team/web:1.2"]),
    ("nexus-asset", "nexus", ["?/docker-hosted/team/web:1.2"]),
]


def payload_of(name: str, body: object = None) -> Payload:
    """What a sample tells, or another body under its headers."""
    sample = SAMPLES[name]
    return read(sample["headers"], json.dumps(sample["body"] if body is None else body).encode())


def names(payload: Payload) -> list[str]:
    return [str(named) for named in payload.named]


def changed(name: str, place: str, value: object) -> object:
    """The body of a sample with another value in a place; `...` takes out what stands there."""
    body = copy.deepcopy(SAMPLES[name]["body"])
    *parents, last = [int(key) if key.isdigit() else key for key in place.split("/")]
    inner = body
    for key in parents:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return body


@pytest.mark.parametrize(("name", "sender", "named"), MEANT)
def test_each_sender_is_known_and_understood(name: str, sender: str, named: list[str]) -> None:
    payload = payload_of(name)
    assert (payload.sender, names(payload)) == (sender, named)


def test_every_sample_is_one_of_those() -> None:
    assert {name for name, _, _ in MEANT} == set(SAMPLES)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("docker-hub", "named"),
        ("github-ping", "no-image"),
        ("ci", "tagged"),
        ("azure-event-grid-validation", "handshake"),
    ],
)
def test_a_payload_has_an_outcome(name: str, outcome: str) -> None:
    assert payload_of(name).outcome == outcome


@pytest.mark.parametrize(
    ("name", "place", "value", "named"),
    [
        ("docker-hub", "repository/repo_name", "mañana/x", []),
        ("docker-hub", "repository/repo_name", "library/alpine", ["docker.io/library/alpine:1.2"]),
        ("docker-hub", "repository/repo_name", "alpine", ["docker.io/library/alpine:1.2"]),
        ("docker-hub", "repository/repo_name", "ghcr.io/a/b", ["docker.io/ghcr.io/a/b:1.2"]),
        ("docker-hub", "repository/repo_name", "../../etc", []),
        ("docker-hub", "repository/repo_name", "Team/Web", []),
        ("docker-hub", "repository/repo_name", "team/web:1", []),
        ("docker-hub", "repository/repo_name", "team/web\n", []),
        ("docker-hub", "repository/repo_name", "", []),
        ("docker-hub", "repository/repo_name", ["team/web"], []),
        ("docker-hub", "repository/repo_name", {"team": "web"}, []),
        ("docker-hub", "repository/repo_name", 1, []),
        ("docker-hub", "push_data", ..., ["docker.io/team/web"]),
        ("docker-hub", "push_data/tag", "mañana", ["docker.io/team/web"]),
        ("docker-hub", "push_data/tag", DIGEST, ["docker.io/team/web"]),
        ("docker-hub", "push_data/tag", "../x", ["docker.io/team/web"]),
        ("docker-hub", "push_data/tag", "1.2\n", ["docker.io/team/web"]),
        ("docker-hub", "push_data/tag", "t" * 129, ["docker.io/team/web"]),
        ("docker-hub", "push_data/tag", ["1.2"], ["docker.io/team/web"]),
        ("github-package", "package", ..., []),
        ("github-package", "package/package_version", "1.2", []),
        ("github-package", "package/package_version/package_url", "mañana.io/Team/web:1.2", []),
        ("github-package", "package/package_version/package_url", "Team/web:1.2", []),
        ("github-package", "package/package_version/package_url", "https://npm.pkg.github.com/Team/web", []),
        ("github-package", "package/package_version/package_url", "ghcr.io/Team/../etc:1.2", []),
        ("github-package", "package/package_version/package_url", "ghcr.io/OTHER/One:1", ["ghcr.io/other/one:1.2"]),
        ("github-package", "package/package_version/package_url", ["ghcr.io/team/web"], []),
        ("github-package", "package/package_version/container_metadata", ..., ["ghcr.io/team/web:1.2"]),
        ("github-package", "package/package_version/container_metadata/tag/name", "A", ["ghcr.io/team/web:A"]),
        ("github-package", "package/package_version/container_metadata/tag/name", DIGEST, ["ghcr.io/team/web"]),
        ("github-package", "package/package_version/container_metadata/tag/name", {"a": 1}, ["ghcr.io/team/web"]),
        ("quay", "docker_url", "quay.io/Team/web", []),
        ("quay", "docker_url", "quay", []),
        ("quay", "docker_url", "quay.io/team/web\x00", []),
        ("quay", "docker_url", {"quay.io": "team/web"}, []),
        ("quay", "docker_url", "quay.io/other/one", ["quay.io/other/one:1.2"]),
        ("quay", "updated_tags", ..., []),
        ("quay", "updated_tags", "1.2", []),
        ("quay", "updated_tags", [None, 1, "\x1b[2J", "2"], ["quay.io/team/web", "quay.io/team/web:2"]),
        ("harbor", "type", "PULL_ARTIFACT", []),
        ("harbor", "type", ["PUSH_ARTIFACT"], []),
        ("harbor", "type", ..., []),
        ("harbor", "event_data/resources", ..., ["?/team/web"]),
        ("harbor", "event_data/resources", {"tag": "1.2"}, ["?/team/web"]),
        ("harbor", "event_data/resources", ["1.2"], ["?/team/web"]),
        ("harbor", "event_data/resources/0/resource_url", "harbor/team/web:1.2", ["?/team/web:1.2"]),
        ("harbor", "event_data/resources/0/resource_url", 5, ["?/team/web:1.2"]),
        ("harbor", "event_data/repository", ..., ["harbor.example.org/team/web:1.2"]),
        ("harbor", "event_data/repository/repo_full_name", "../etc", []),
        ("harbor", "event_data/repository/repo_full_name", ["team/web"], []),
        ("harbor", "event_data/repository/repo_full_name", "Team/Web", []),
        ("harbor-old", "type", "deleteImage", [f"{IN_HARBOR}:1.2"]),
        ("harbor-cloudevents", "type", "harbor.scan.completed", []),
        ("harbor-cloudevents", "type", "harbor.artifact.deleted", [f"{IN_HARBOR}:1.2"]),
        ("harbor-cloudevents", "type", "harbor.tag.created", [f"{IN_HARBOR}:1.2"]),
        ("harbor-cloudevents", "type", "harbor.tag.deleted", [f"{IN_HARBOR}:1.2"]),
        ("harbor-cloudevents", "data", "team/web", []),
        ("harbor-replicated", "type", "SCANNING_COMPLETED", []),
        ("harbor-replicated", "type", "QUOTA_WARNING", []),
        ("harbor-replicated", "event_data/replication", "team/web", []),
        ("harbor-replicated", f"{REPLICATED}/successful_artifact", {"name_tag": "web:1.2"}, []),
        ("harbor-replicated", f"{REPLICATED}/successful_artifact", ["web:1.2"], []),
        ("harbor-replicated", f"{ARTIFACT}/references", ..., [IN_HARBOR]),
        ("harbor-replicated", f"{ARTIFACT}/references", [], [IN_HARBOR]),
        ("harbor-replicated", f"{ARTIFACT}/references", "1.2", [IN_HARBOR]),
        ("harbor-replicated", f"{ARTIFACT}/references", [DIGEST], [IN_HARBOR]),
        ("harbor-replicated", f"{ARTIFACT}/references", [1, "1"], [IN_HARBOR, f"{IN_HARBOR}:1"]),
        ("harbor-replicated-old", f"{ARTIFACT}/name_tag", "a/b:2", ["harbor.example.org/team/a/b:2"]),
        ("harbor-replicated", f"{ARTIFACT}/name_tag", ..., []),
        ("harbor-replicated", f"{ARTIFACT}/name_tag", "../etc", []),
        ("harbor-replicated", f"{REPLICATED}/dest_resource", ..., ["?/library/web:1.2", "?/library/web:latest"]),
        ("harbor-replicated", f"{REPLICATED}/dest_resource/endpoint", 5, ["?/team/web:1.2", "?/team/web:latest"]),
        ("harbor-replicated-old", f"{REPLICATED}/dest_resource/endpoint", "http://A.B/", ["a.b/team/web:1.2"]),
        ("harbor-replicated", f"{REPLICATED}/dest_resource/namespace", "Team", []),
        ("harbor-replicated-old", f"{ARTIFACT}/name_tag", "web", [IN_HARBOR]),
        ("harbor-replicated-old", f"{ARTIFACT}/name_tag", "web [120 item(s) in total]", [IN_HARBOR]),
        ("harbor-replicated-old", f"{ARTIFACT}/name_tag", f"web@{DIGEST}", [IN_HARBOR]),
        ("harbor-replicated-old", f"{REPLICATED}/dest_resource/namespace", "", ["harbor.example.org/library/web:1.2"]),
        ("harbor-retained", "event_data/retention", ..., []),
        ("harbor-retained", "event_data/retention/deleted_artifact", ..., []),
        ("harbor-retained", "event_data/retention/deleted_artifact/0/name_tag", ..., []),
        ("harbor-retained", "event_data/retention/harbor_hostname", ..., ["?/team/web"]),
        ("harbor-retained", "event_data/retention/project_name", "../x", []),
        ("harbor-scanned", "type", "PULL_ARTIFACT", []),
        ("harbor-scanned", "type", "SCANNING_FAILED", []),
        ("harbor-scanned", "type", "SCANNING_STOPPED", []),
        ("harbor-scanned", "type", "DELETE_TAG", [f"{IN_HARBOR}:1.2"]),
        ("gitea", "action", "updated", []),
        ("gitea", "action", ["created"], []),
        ("gitea", "action", ..., []),
        ("gitea", "package", "web", []),
        ("gitea", "package/type", "CONTAINER", []),
        ("gitea", "package/owner", ..., []),
        ("gitea", "package/owner/login", ..., ["git.example.org/team/web:1.2"]),
        ("gitea", "package/owner/login", "mañana", []),
        ("gitea", "package/name", "../etc", []),
        ("gitea", "package/name", ["web"], []),
        ("gitea", "package/version", ..., ["git.example.org/team/web"]),
        ("gitea", "package/html_url", ..., ["?/team/web:1.2"]),
        ("gitea", "package/html_url", "http://localhost:3000/x", ["localhost:3000/team/web:1.2"]),
        ("gitea", "package/html_url", "https://git.example.org/x?from=http://a.b/", ["git.example.org/team/web:1.2"]),
        ("gitea", "package/html_url", {"https": "//"}, ["?/team/web:1.2"]),
        ("alibaba", "push_data", ..., ["registry.cn-hangzhou.aliyuncs.com/team/web"]),
        ("alibaba", "push_data/tag", DIGEST, ["registry.cn-hangzhou.aliyuncs.com/team/web"]),
        ("alibaba", "repository/region", ..., ["?/team/web:1.2"]),
        ("alibaba", "repository/region", "../..", ["?/team/web:1.2"]),
        ("alibaba", "repository/repo_full_name", "", ["registry.cn-hangzhou.aliyuncs.com/team/web:1.2"]),
        ("alibaba", "repository/repo_full_name", ["team/web"], ["registry.cn-hangzhou.aliyuncs.com/team/web:1.2"]),
        ("alibaba", "repository/namespace", "mañana", ["registry.cn-hangzhou.aliyuncs.com/team/web:1.2"]),
        ("alibaba-event", "type", "cr:Artifact:BuildCompleted", [f"{IN_ALIBABA}:1.2"]),
        ("alibaba-event", "type", "cr:Artifact:ScanCompleted", []),
        ("alibaba-event", "data/RepoName", ..., []),
        ("alibaba-event", "data/RepoName", "Web", [f"{IN_ALIBABA}:1.2"]),
        ("alibaba-event", "data/InstanceName", ..., ["?/team/web:1.2"]),
        ("alibaba-event", "data/Tag", ["1.2"], [IN_ALIBABA]),
        ("distribution-v2", "events", {}, []),
        ("distribution-v2", "events", "push", []),
        ("distribution-v2", "events", [[[[]]], None, "push", 1], []),
        ("distribution-v2", "events/0/action", "pull", []),
        ("distribution-v2", "events/0/action", {"push": 1}, []),
        ("distribution-v2", "events/0/target", [], []),
        ("distribution-v2", "events/0/target/mediaType", "application/octet-stream", []),
        ("distribution-v2", "events/0/target/mediaType", 5, ["registry:5000/team/web:1.2"]),
        ("distribution-v2", "events/0/target/repository", "../../etc", []),
        ("distribution-v2", "events/0/target/repository", "team/web:1", []),
        ("distribution-v2", "events/0/target/repository", None, []),
        ("distribution-v2", "events/0/target/repository", "a" * 242, []),
        ("distribution-v2", "events/0/target/repository", "a/" * 100_000, []),
        ("distribution-v2", "events/0/target/tag", "mañana", ["registry:5000/team/web"]),
        ("distribution-v2", "events/0/request", "registry:5000", ["?/team/web:1.2"]),
        ("distribution-v2", "events/0/request/host", "Registry.Example", ["registry.example/team/web:1.2"]),
        ("distribution-v2", "events/0/request/host", "mañana.example", ["?/team/web:1.2"]),
        ("distribution-v2", "events/0/request/host", "registry", ["?/team/web:1.2"]),
        ("distribution-v2", "events/0/request/host", "../..", ["?/team/web:1.2"]),
        ("distribution-v2", "events/0/request/host", "r.example\r\nX: y", ["?/team/web:1.2"]),
        ("azure", "action", "chart_push", []),
        ("azure", "action", ..., []),
        ("azure", "target/repository", "Team/web", []),
        ("azure", "target/repository", {"name": "team/web"}, []),
        ("azure", "target/tag", DIGEST, ["myregistry.azurecr.io/team/web"]),
        ("azure", "request/host", ..., []),
        ("azure", "request/host", "myregistry.azurecr.io/..", []),
        ("azure-event-grid", "0/data", "push", ["myregistry.azurecr.io/team/api"]),
        ("azure-event-grid", "0/eventType", ["Microsoft"], ["myregistry.azurecr.io/team/api"]),
        ("azure-event-grid", "0", [[[]]], ["myregistry.azurecr.io/team/api"]),
        ("ecr", "detail/result", "FAILURE", []),
        ("ecr", "detail/result", ..., []),
        ("ecr", "detail/action-type", "PULL", []),
        ("ecr", "detail/action-type", "DELETE", ["123456789012.dkr.ecr.us-west-2.amazonaws.com/team/web:1.2"]),
        ("ecr", "detail/repository-name", ["team/web"], []),
        ("ecr", "detail/repository-name", "team/web@evil", []),
        ("ecr", "detail/image-tag", ..., ["123456789012.dkr.ecr.us-west-2.amazonaws.com/team/web"]),
        ("ecr", "account", None, []),
        ("ecr", "account", "evil.example/x?", []),
        ("ecr", "region", "", []),
        ("google", "message/data", "mañana", []),
        ("google", "message/data", "%%%", []),
        ("google", "message/data", "a", []),
        ("google", "message/data", {"action": "INSERT"}, []),
        ("google", "message/data", base64.b64encode(b"[" * 100_000).decode(), []),
        ("google", "message/data", base64.b64encode(b'{"action":"INSERT"}').decode(), []),
        ("google-unwrapped-deleted", "action", "UPDATE", []),
        ("google-unwrapped-deleted", "digest", "GCR.io/project/web:x", ["gcr.io/project/web:x"]),
        ("google-unwrapped-deleted", "digest", "project/web", []),
        ("google-unwrapped-deleted", "digest", ["gcr.io/project/web"], []),
        ("jfrog", "data/image_name", ..., ["example.jfrog.io/docker-remote-cache/team/web:1.2"]),
        ("jfrog", "data/path", ..., ["example.jfrog.io/docker-remote-cache/team/web:1.2"]),
        ("jfrog", "data/path", "a/b/c/1.2/manifest.json", ["example.jfrog.io/docker-remote-cache/a/b/c:1.2"]),
        ("jfrog", "data/path", "../../etc/passwd", []),
        ("jfrog", "data/repo_key", "Docker", ["example.jfrog.io/team/web:1.2"]),
        ("jfrog", "data/repo_key", ["docker"], ["example.jfrog.io/team/web:1.2"]),
        ("jfrog", "jpd_origin", "http://[", ["?/docker-remote-cache/team/web:1.2"]),
        ("jfrog", "jpd_origin", 1, ["?/docker-remote-cache/team/web:1.2"]),
        ("zot", "name", "Team/Web", []),
        ("zot", "name", ["team/web"], []),
        ("zot", "name", ..., []),
        ("zot", "reference", "1.2\x7f", ["?/team/web"]),
        ("zot", "reference", {"tag": "1.2"}, ["?/team/web"]),
        ("nexus-component", "component/format", "npm", []),
        ("nexus-component", "component/name", {"team": "web"}, []),
        ("nexus-component", "component/version", None, ["?/docker-hosted/team/web"]),
        ("nexus-component", "repositoryName", "Docker Hosted", ["?/team/web:1.2"]),
        ("nexus-asset", "asset/name", "/v2/team/web/manifests/1.2", ["?/docker-hosted/team/web:1.2"]),
        ("nexus-asset", "asset/name", f"v2/team/web/manifests/{DIGEST}", ["?/docker-hosted/team/web"]),
        ("nexus-asset", "asset/name", "v2/a/manifests/b/manifests/1", ["?/docker-hosted/a/manifests/b:1"]),
        ("nexus-asset", "asset/name", f"v2/-/blobs/{DIGEST}", []),
        ("nexus-asset", "asset/name", "v2/../manifests/1.2", []),
        ("nexus-asset", "asset/format", "raw", []),
        ("nexus-asset", "asset", "v2/team/web/manifests/1.2", []),
    ],
)
def test_what_is_not_as_it_should_be_is_left_out(name: str, place: str, value: object, named: list[str]) -> None:
    assert names(payload_of(name, changed(name, place, value))) == named


@pytest.mark.parametrize("kind", ["image.lint_failed", "image.scanned", "repository.created", "mañana"])
def test_other_events_of_zot_name_no_image(kind: str) -> None:
    headers = {"Ce-Type": f"zotregistry.{kind}"}
    assert read(headers, json.dumps(SAMPLES["zot"]["body"]).encode()) == Payload("zot", (), "no-image")


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("alibaba", ("team/web",)),
        ("jfrog", ("docker-remote-cache/team/web", "docker-remote/team/web", "team/web")),
        ("nexus-component", ("docker-hosted/team/web", "team/web")),
        ("zot", ("team/web",)),
    ],
)
def test_every_path_that_clients_may_use_is_named(name: str, paths: tuple[str, ...]) -> None:
    assert payload_of(name).named[0].paths == paths


@pytest.mark.parametrize(("name", "sender"), [(name, sender) for name, sender, named in MEANT if named])
def test_only_a_public_service_knows_the_host_of_its_images(name: str, sender: str) -> None:
    is_public = sender in {"docker-hub", "github", "quay", "azure", "ecr", "google"}
    assert {named.is_anywhere for named in payload_of(name).named} == {not is_public}


def test_a_name_of_alibaba_may_have_capitals_in_any_place() -> None:
    repository = {"namespace": "Team", "name": "Web", "repo_full_name": "Other/Web"}
    body = changed("alibaba", "repository", repository)
    assert payload_of("alibaba", body).named[0].paths == ("other/web", "team/web")


@pytest.mark.parametrize("header", ["X-Gitea-Event", "X-Forgejo-Event"])
def test_one_header_is_enough_to_know_gitea(header: str) -> None:
    assert read({header: "package"}, json.dumps(SAMPLES["gitea"]["body"]).encode()).sender == "gitea"


def test_docker_hub_is_known_by_its_website_in_any_case() -> None:
    name = "harbor-replicated-to-docker-hub"
    body = changed(name, f"{REPLICATED}/dest_resource/endpoint", "https://Hub.Docker.com")
    assert payload_of(name, body) == payload_of(name)


@pytest.mark.parametrize("spelled", [str.upper, str.lower, str.title])
def test_headers_are_known_in_any_case(spelled: Callable[[str], str]) -> None:
    headers = {spelled(name): value for name, value in SAMPLES["zot"]["headers"].items()}
    assert names(read(headers, json.dumps(SAMPLES["zot"]["body"]).encode())) == ["?/team/web:1.2"]


def test_github_is_understood_when_it_sends_a_form() -> None:
    sample = SAMPLES["github-package"]
    body = f"payload={quote_plus(json.dumps(sample['body']))}".encode()
    assert names(read(sample["headers"], body)) == ["ghcr.io/team/web:1.2"]


@pytest.mark.parametrize(
    ("body", "tags"),
    [
        ('{"tag": "1.2"}', ("1.2",)),
        ('\ufeff{"tag": "1.2"}', ("1.2",)),
        ('{"tag": "1.2", "image": "mañana"}', ("1.2",)),
        ('{"tag": ["1.2", "latest", "1.2"]}', ("1.2", "latest")),
        ("tag=1.2", ("1.2",)),
        ("wait=60&tag=1.2&tag=latest", ("1.2", "latest")),
        ("tag=1.2" + "&a=b" * 99, ("1.2",)),
        ("payload=%7B%22tag%22%3A+%221.2%22%7D", ("1.2",)),
        ("payload=%7B%22tag%22%3A+%221.2%22%7D&token=a", ("1.2",)),
        ('{"tag": "1.2", "url": "https://ci.example/?a=%22+&b"}', ("1.2",)),
        ('{"tag": "mañana"}', ()),
        ('{"tag": ["1.2", "mañana"]}', ()),
        ('{"tag": ["1.2", null]}', ()),
        ('{"tag": []}', ()),
        ('{"tag": ""}', ()),
        ('{"tag": null}', ()),
        ('{"tag": 1.2}', ()),
        ('{"tag": {"name": "1.2"}}', ()),
        (f'{{"tag": "{DIGEST}"}}', ()),
        ('{"tags": "1.2"}', ()),
        ('[{"tag": "1.2"}]', ()),
        ('{"object_kind": "release", "tag": "1.2"}', ()),
        ("tag=1.2&tag=mañana", ()),
    ],
)
def test_a_ci_job_names_tags_or_else_the_whole_image(body: str, tags: tuple[str, ...]) -> None:
    assert read({}, body.encode()).tags == tags


def test_a_ci_job_names_a_thousand_tags_at_most() -> None:
    assert len(read({}, json.dumps({"tag": [str(number) for number in range(1500)]}).encode()).tags) == 1000


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"ci"}))
def test_a_known_sender_names_no_tag_without_an_image(name: str) -> None:
    assert payload_of(name).tags == ()


def test_gitea_is_understood_when_it_sends_a_form() -> None:
    sample = SAMPLES["gitea"]
    body = f"payload={quote_plus(json.dumps(sample['body']))}".encode()
    assert names(read(sample["headers"], body)) == ["git.example.org/team/web:1.2"]


@pytest.mark.parametrize("others", [[], SAMPLES["azure-event-grid"]["body"]], ids=["alone", "behind other events"])
def test_event_grid_gets_the_code_it_asks_for(others: list[object]) -> None:
    payload = payload_of("azure-event-grid-validation", others + SAMPLES["azure-event-grid-validation"]["body"])
    assert payload.handshake == "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"


@pytest.mark.parametrize("code", ["a", "a" * 100])
def test_a_code_has_up_to_a_hundred_characters(code: str) -> None:
    body = changed("azure-event-grid-validation", "0/data/validationCode", code)
    assert payload_of("azure-event-grid-validation", body).handshake == code


@pytest.mark.parametrize("kind", ["Microsoft.ContainerRegistry.ImagePushed", "", None, ["a"], ...])
def test_a_code_in_another_event_is_not_answered(kind: object) -> None:
    body = changed("azure-event-grid-validation", "0/eventType", kind)
    assert payload_of("azure-event-grid-validation", body).handshake is None


@pytest.mark.parametrize("code", ["mañana", "", "<script>", "a" * 101, "a\n", 5, None, ["a"], ...])
def test_only_a_code_is_answered(code: object) -> None:
    body = changed("azure-event-grid-validation", "0/data/validationCode", code)
    assert payload_of("azure-event-grid-validation", body).handshake is None


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("mañana".encode(), "not-json"),
        (b"", "empty"),
        (b"\x00", "not-json"),
        (b"\xff\xfe", "not-json"),
        (b"payload=%7B%7D", "unknown-sender"),
        (b"a=b&c=d", "not-json"),
        (b"tag", "not-json"),
        (b"tag=", "not-json"),
        (b"tag=\xff", "not-json"),
        (b"tag=%FF", "unknown-sender"),
        (b"tag=1" + b"&a=b" * 100, "not-json"),
        (b"payload=\xff%", "not-json"),
        (b"null", "not-json"),
        (b"[]", "unknown-sender"),
        (b"{}", "unknown-sender"),
        (b'"events"', "unknown-sender"),
        (b"NaN", "not-json"),
        (b'{"events": {}}', "no-image"),
        (b'{"events": "push"}', "no-image"),
        (b'{"repository": "a/b"}', "unknown-sender"),
        (b'{"repository": []}', "unknown-sender"),
        (b"[" * 100_000, "not-json"),
        (b'{"a":' * 100_000, "not-json"),
        (b"1" * 10_000, "unknown-sender"),
        (b"[" * 900 + b"]" * 900, "unknown-sender"),
        (b'{"event_data":' * 400 + b"1" + b"}" * 400, "no-image"),
    ],
)
def test_a_body_without_an_image_has_an_outcome(body: bytes, outcome: str) -> None:
    assert (read({}, body).named, read({}, body).outcome) == ((), outcome)


def events_of(paths: list[tuple[str, str]]) -> bytes:
    target = SAMPLES["distribution-v2"]["body"]["events"][0]
    events = [{**target, "target": {**target["target"], "repository": path, "tag": tag}} for path, tag in paths]
    return json.dumps({"events": events}).encode()


def test_one_body_can_name_several_images() -> None:
    body = events_of([("a/b", "1"), ("c/d", "2"), ("a/b", "1")])
    assert names(read({}, body)) == ["registry:5000/a/b:1", "registry:5000/c/d:2"]


def test_one_body_tells_of_a_thousand_images_at_most() -> None:
    assert len(read({}, events_of([("a/b", str(number)) for number in range(1500)])).named) == 1000


@pytest.mark.parametrize(("place", "outcome"), [(5000, "named"), (5001, "no-image")])
def test_of_one_body_five_thousand_events_are_read(place: int, outcome: str) -> None:
    event = SAMPLES["distribution-v2"]["body"]["events"][0]
    assert read({}, json.dumps({"events": [{}] * (place - 1) + [event]}).encode()).outcome == outcome


def test_of_a_list_without_end_the_beginning_is_read() -> None:
    body = b'{"events":[%s]}' % b",".join([b"{}"] * 200_000)
    assert read({}, body).outcome == "no-image"


TRACKED = [
    Repository.parse(name)
    for name in (
        "team/web",
        "registry.example.org/team/web",
        "ghcr.io/team/web",
        "ghcr.io/team/other",
        "registry:5000/team/other",
        "nexus.example.org/docker-hosted/team/tool",
        "nexus.example.org:8082/team/tool",
    )
]


def tracked_at(path: str) -> Iterator[Repository]:
    return (repository for repository in TRACKED if repository.path == path)


def named(host: str | None, *paths: str, tag: str | None = None, is_anywhere: bool = True) -> Named:
    return Named(host, paths, tag, is_anywhere)


@pytest.mark.parametrize(
    ("image", "references"),
    [
        (named(None, "mañana/web"), []),
        (named("docker.io", "team/web", tag="1", is_anywhere=False), ["team/web:1"]),
        (named("quay.io", "team/web", is_anywhere=False), []),
        (named("ghcr.io", "team/web", is_anywhere=False), ["ghcr.io/team/web"]),
        (named("registry:5000", "team/other", tag="1"), ["registry:5000/team/other:1"]),
        (named("registry:5001", "team/other"), ["ghcr.io/team/other", "registry:5000/team/other"]),
        (named("registry:5000", "team/web", tag="1"), ["registry.example.org/team/web:1", "ghcr.io/team/web:1"]),
        (named(None, "team/web"), ["registry.example.org/team/web", "ghcr.io/team/web"]),
        (named("docker.io", "team/web"), ["team/web"]),
        (
            named(None, "docker-hosted/team/tool", "team/tool"),
            ["nexus.example.org/docker-hosted/team/tool", "nexus.example.org:8082/team/tool"],
        ),
        (named("nexus.example.org:8082", "docker-hosted/team/tool", "team/tool"), ["nexus.example.org:8082/team/tool"]),
    ],
)
def test_it_finds_the_tracked_images_that_were_meant(image: Named, references: list[str]) -> None:
    assert [str(reference) for reference in references_to([image], tracked_at)] == references


def test_an_image_named_twice_is_found_once() -> None:
    pushed = [named("ghcr.io", "team/web", tag="1"), named(None, "team/web", tag="1")]
    assert references_to(pushed, lambda _: [TRACKED[2]]) == [Reference(TRACKED[2], "1", None)]


def test_a_name_shared_by_many_registries_finds_a_thousand_at_most() -> None:
    registries = [Repository(f"r{number}.example", "team/web") for number in range(1500)]
    assert len(references_to([named(None, "team/web")], lambda _: registries)) == 1000


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_sample_finds_the_image_it_is_about_and_no_other(name: str) -> None:
    payload = payload_of(name)
    meant = [Repository(each.host or "registry.example.org", each.paths[0]) for each in payload.named]
    others = [Repository("docker.io", "library/alpine"), TRIVY]
    found = references_to(payload.named, lambda path: [each for each in meant + others if each.path == path])
    assert {reference.repository for reference in found} == set(meant)


def test_the_examples_are_true() -> None:
    assert doctest.testmod(webhooks).failed == 0


BODY = '{"mañana": 1}'.encode()


def signed(key: str, algorithm: str, body: bytes = BODY) -> str:
    return hmac.digest(key.encode(), body, algorithm).hex()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "mañana"},
        {"X-Hub-Signature-256": f"sha256={signed('t0ken', 'sha256')}"},
        {"x-hub-signature-256": f"sha256={signed('t0ken', 'sha256')}"},
        {"X-Nexus-Webhook-Signature": signed("t0ken", "sha1")},
        {"X-JFrog-Event-Auth": signed("t0ken", "sha256")},
        {"X-JFrog-Event-Auth": "t0ken"},
    ],
)
def test_what_is_signed_with_the_token_or_not_at_all_is_taken(headers: dict[str, str]) -> None:
    assert not is_signed_wrongly(headers, BODY, "t0ken")


FORM = b"payload=%7B%22a%22%3A+1%7D"


@pytest.mark.parametrize("event", ["X-Gitea-Event", "X-Forgejo-Event", "x-gitea-event"])
@pytest.mark.parametrize(
    "signatures",
    [
        {},
        {"X-Gitea-Signature": "", "X-Hub-Signature-256": "sha256=", "X-Hub-Signature": "sha1="},
        {"X-Gitea-Signature": signed("t0ken", "sha256", b'{"a": 1}')},
        {"X-Forgejo-Signature": signed("t0ken", "sha256", FORM)},
        {"X-Hub-Signature-256": f"sha256={signed('t0ken', 'sha256', FORM)}"},
    ],
)
def test_gitea_signs_the_json_in_a_form_or_leaves_its_signature_empty(event: str, signatures: dict[str, str]) -> None:
    assert not is_signed_wrongly({event: "package", **signatures}, FORM, "t0ken")


@pytest.mark.parametrize(
    "signatures",
    [
        {"X-Gitea-Signature": "mañana"},
        {"X-Gitea-Signature": signed("other", "sha256", FORM)},
        {"X-Gogs-Signature": "", "X-Forgejo-Signature": "sha256"},
        {"X-Gitea-Signature": "", "X-Hub-Signature-256": f"sha256={signed('other', 'sha256', FORM)}"},
    ],
)
def test_a_wrong_signature_of_gitea_is_found(signatures: dict[str, str]) -> None:
    assert is_signed_wrongly({"X-Gitea-Event": "package", **signatures}, FORM, "t0ken")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Hub-Signature-256": "mañana"},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "t0ken"},
        {"X-Hub-Signature-256": signed("t0ken", "sha256")},
        {"X-Hub-Signature-256": f"sha256={signed('other', 'sha256')}"},
        {"X-Hub-Signature-256": f"sha256={signed('t0ken', 'sha256', b'{}')}"},
        {"X-Hub-Signature-256": f"sha1={signed('t0ken', 'sha1')}"},
        {"X-HUB-SIGNATURE-256": "\udcff"},
        {"X-Nexus-Webhook-Signature": signed("other", "sha1")},
        {"X-Nexus-Webhook-Signature": "t0ken"},
        {"X-JFrog-Event-Auth": "other"},
        {"X-JFrog-Event-Auth": signed("t0ken", "sha1")},
        {"X-JFrog-Event-Auth": "t0ken", "X-Hub-Signature-256": "sha256="},
    ],
)
def test_a_wrong_signature_is_found(headers: dict[str, str]) -> None:
    assert is_signed_wrongly(headers, BODY, "t0ken")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["push", "team/web", "ghcr.io/a/b:1", "1.2", "docker", "PUSH_ARTIFACT", "INSERT", DIGEST]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def places_in(value: object, place: tuple[str, ...] = ()) -> Iterator[str]:
    """Every place within a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield "/".join((*place, str(key)))
        yield from places_in(each, (*place, str(key)))


PLACES = [(name, place) for name, sample in sorted(SAMPLES.items()) for place in places_in(sample["body"])]
WORDS = {"named", "tagged", "empty", "not-json", "unknown-sender", "no-image", "handshake"}


def is_sound(payload: Payload) -> bool:
    """Return whether a payload can be used as it is: known outcomes and valid names."""
    references = [
        Reference(Repository(each.host or "localhost", path), each.tag, None)
        for each in payload.named
        for path in each.paths
    ]
    words = payload.outcome in WORDS and (payload.outcome == "named") == bool(payload.named)
    words = words and (payload.outcome == "tagged") == bool(payload.tags) and all(map(is_tag, payload.tags))
    return words and len(references) >= len(payload.named) <= MAX_REFERENCES


@given(st.sampled_from(PLACES), json_values | st.just(...))
def test_no_change_of_a_payload_breaks_it(place: tuple[str, str], value: object) -> None:
    assert is_sound(payload_of(place[0], changed(*place, value)))


@pytest.mark.parametrize("value", ["mañana", "", None, True, 1e999, [], {}, [[[{}]]], "../x", "A/B", "\x00", ...])
def test_no_field_of_any_payload_breaks_it(value: object) -> None:
    assert all(is_sound(payload_of(name, changed(name, place, value))) for name, place in PLACES)


@given(st.dictionaries(st.sampled_from(["X-GitHub-Event", "Ce-Type"]) | st.text(), st.text()), st.binary())
def test_no_bytes_and_headers_break_it(headers: Mapping[str, str], body: bytes) -> None:
    assert is_sound(read(headers, body))


@given(st.sampled_from(sorted(SAMPLES)), json_values)
def test_no_body_under_any_senders_headers_breaks_it(name: str, body: object) -> None:
    assert is_sound(read(SAMPLES[name]["headers"], json.dumps(body).encode()))


@given(st.sampled_from(["X-Hub-Signature-256", "X-JFrog-Event-Auth"]), st.text().filter("t0ken".__ne__), st.binary())
def test_no_guess_is_a_signature(header: str, value: str, body: bytes) -> None:
    assert is_signed_wrongly({header: value}, body, "t0ken")


@pytest.mark.parametrize("secret", ["mañana", "", "s3cret", "x" * 1000])
def test_a_token_is_safe_in_a_url_and_too_long_to_guess(secret: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,64}", image_token(secret, ALPINE))


def test_a_token_stays_the_same_for_ever() -> None:
    assert image_token("s3cret", ALPINE) == "aa3Sg2qAAi6m9qDR6RlSzh8Tuv2YW0yHy15WgRuWe9E"


def test_the_token_for_all_images_stays_the_same_for_ever() -> None:
    assert hooks_token("s3cret") == "z6M5AAebH_rSedxsNGxCWOAs_vkegTQZMR-bPZOpN-s"


def test_the_addresses_of_webhooks_do_not_show_the_secret_in_a_log() -> None:
    assert "s3cret" not in f"{WebhookUrls('https://badges.example', 's3cret')!r}"


def test_each_image_has_a_token_of_its_own() -> None:
    assert image_token("s3cret", ALPINE) != image_token("s3cret", TRIVY)


def test_each_secret_gives_other_tokens() -> None:
    assert image_token("s3cret", ALPINE) != image_token("s3cret2", ALPINE)


@pytest.mark.parametrize("name", ["hooks", "library/hooks", "a/hooks"])
def test_no_image_has_the_token_for_all_images(name: str) -> None:
    assert image_token("s3cret", Repository.parse(name)) != hooks_token("s3cret")


def test_the_token_for_all_images_depends_on_the_secret() -> None:
    assert hooks_token("s3cret") != hooks_token("s3cret2")


@pytest.mark.parametrize("given", ["mañana", "", "\udcff", "\x00", "t0ke", "t0ken=", "T0KEN", " t0ken"])
def test_any_other_token_is_refused(given: str) -> None:
    assert not is_token(given, "t0ken")


def test_the_token_itself_is_accepted() -> None:
    assert is_token("t0ken", "t0ken")
