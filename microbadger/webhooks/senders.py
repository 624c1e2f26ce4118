"""A table of the senders of push webhooks: how to recognize a payload of each, and where it names images.

A sender is recognized by a header, or by a field that all of its payloads have. A `Mention` holds the host, the path
and the tag in a payload, unchecked. Pushes, copies and deletions mention an image; pulls, scans and pings do not.

A CloudEvent may have its type in a header or in its body; `cloud_event` brings both into the same form.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from microbadger.image import DOCKER_HUB, parse_json

_MAX_LISTED = 5000  # the size of the largest batches, which Event Grid sends

_PUSH_OR_DELETE = ("push", "delete")
_BLOB = "application/octet-stream"
_HARBOR_CHANGES = (
    *("PUSH_ARTIFACT", "DELETE_ARTIFACT"),
    *("pushImage", "deleteImage"),  # before Harbor 2
    *("CREATE_TAG", "DELETE_TAG"),
    *("harbor.artifact.pushed", "harbor.artifact.deleted"),  # as CloudEvents
    *("harbor.tag.created", "harbor.tag.deleted"),
)
_HARBOR_REPLICATIONS = ("REPLICATION", "harbor.replication.status.changed")
_HARBOR_RETENTIONS = ("TAG_RETENTION", "harbor.tag_retention.finished")
_HARBOR_COUNT = re.compile(r" \[[0-9]+ item\(s\) in total\]", re.ASCII)
_GITEA_CHANGES = ("created", "deleted")
_ALIBABA_CHANGES = ("cr:Artifact:PushCompleted", "cr:Artifact:BuildCompleted")
_ECR_CHANGES = ("PUSH", "DELETE", "REPLICATE")
_GOOGLE_CHANGES = ("INSERT", "DELETE")
_ZOT_CHANGES = ("zotregistry.image.updated", "zotregistry.image.deleted")
_DOCKER_HUB_WEBSITE = "hub.docker.com"
_EVENT_GRID_ASKS = "Microsoft.EventGrid.SubscriptionValidationEvent"
_EVENT_GRID_CODE = re.compile(r"[A-Za-z0-9-]{1,100}", re.ASCII)

Headers = Mapping[str, str]
"""The headers of a request, with names in lower case."""


@dataclass(frozen=True, slots=True)
class Mention:
    """An image as a payload names it, unchecked. Clients use one of the paths."""

    host: object
    paths: tuple[object, ...]
    tag: object


@dataclass(frozen=True, slots=True)
class Sender:
    """How to recognize and read the payloads of a sender, and whether it knows the host name that clients use."""

    name: str
    sent: Callable[[Headers, object], bool]
    mentions: Callable[[object], Iterator[Mention]]
    knows_its_host: bool


def sender_of(headers: Headers, payload: object) -> Sender | None:
    """Return the sender of a payload, or None if it is unknown."""
    return next((sender for sender in _SENDERS if sender.sent(headers, payload)), None)


def parsed(body: bytes) -> object:
    """Return the JSON value in a body, or None if it is not JSON or too large."""
    try:
        return parse_json(body)
    except ValueError:
        return None


def members(value: object) -> list[object]:
    """Return the members of a list, at most 5000; empty if the value is not a list."""
    return value[:_MAX_LISTED] if isinstance(value, list) else []


def cloud_event(headers: Headers, payload: object) -> object:
    """Return a CloudEvent with its type in the body, even if it came in a header. Other payloads are unchanged.

    https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md (section 3.1)
    """
    return {"type": headers["ce-type"], "data": payload} if "ce-type" in headers else payload


def event_grid_code(event: object) -> str | None:
    """Return the code that Azure Event Grid expects back before it sends events, or None for any other payload.

    https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema
    """
    code = _text(_at(event, "data", "validationCode"))
    is_asked = _at(event, "eventType") == _EVENT_GRID_ASKS and _EVENT_GRID_CODE.fullmatch(code)
    return code if is_asked else None


def _docker_hub(payload: object) -> Iterator[Mention]:
    """https://docs.docker.com/docker-hub/repos/manage/webhooks/"""
    name = _text(_at(payload, "repository", "repo_name"))
    path = name if "/" in name else f"library/{name}"
    yield Mention(DOCKER_HUB, (path,), _at(payload, "push_data", "tag"))


def _github(payload: object) -> Iterator[Mention]:
    """https://docs.github.com/en/webhooks/webhook-events-and-payloads#registry_package

    The owner may have upper-case letters, which registries do not allow. The tag of an untagged manifest is empty.
    """
    for event in ("package", "registry_package"):
        version = _at(payload, event, "package_version")
        host, path, tag = _written(_at(version, "package_url"))
        yield Mention(host, (path.lower(),), _at(version, "container_metadata", "tag", "name") or tag)


def _quay(payload: object) -> Iterator[Mention]:
    """https://docs.quay.io/guides/notifications.html; older versions send the tags as the keys of an object."""
    host, path, _ = _written(_at(payload, "docker_url"))
    tags = _at(payload, "updated_tags")
    for tag in members(list(tags) if isinstance(tags, dict) else tags):
        yield Mention(host, (path,), tag)


def _harbor(payload: object) -> Iterator[Mention]:
    """https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks/"""
    kind, data = _at(payload, "type"), _at(payload, "event_data") or _at(payload, "data")
    if kind in _HARBOR_REPLICATIONS:
        yield from _harbor_replication(_at(data, "replication"))
    if kind in _HARBOR_RETENTIONS:
        yield from _harbor_retention(_at(data, "retention"))
    if kind not in _HARBOR_CHANGES:
        return
    for resource in members(_at(data, "resources")) or [None]:
        host, path, _ = _written(_at(resource, "resource_url"))
        yield Mention(host, (_at(data, "repository", "repo_full_name") or path,), _at(resource, "tag"))


def _harbor_replication(replication: object) -> Iterator[Mention]:
    """https://github.com/goharbor/harbor, src/controller/event/handler/webhook/artifact/replication.go

    Only the artifacts that arrived are mentioned, at their destination. Their tags are in `references`. Older versions
    have no `references`, and may write a count in place of the tag.
    """
    destination = _at(replication, "dest_resource")
    for artifact in members(_at(replication, "successful_artifact")):
        path, tag = _harbor_name(_at(destination, "namespace"), artifact)
        for reference in members(_at(artifact, "references")) or [tag]:
            yield Mention(_host_of(_at(destination, "endpoint")), (path,), reference)


def _harbor_retention(retention: object) -> Iterator[Mention]:
    """https://github.com/goharbor/harbor, src/controller/event/handler/webhook/artifact/retention.go

    The payload names only one of the deleted tags, so the image is mentioned without a tag. Harbor 2.0 called the
    deleted artifacts successful.
    """
    for key in ("deleted_artifact", "successful_artifact"):
        for artifact in members(_at(retention, key)):
            path, _ = _harbor_name(_at(retention, "project_name"), artifact)
            yield Mention(_at(retention, "harbor_hostname"), (path,), None)


def _harbor_name(project: object, artifact: object) -> tuple[str, str]:
    """Return the path and the tag of an artifact in a project. Artifacts of Docker Hub may have no project."""
    name = _HARBOR_COUNT.sub("", _text(_at(artifact, "name_tag"))).partition("@")[0]
    name, _, tag = name.partition(":")
    return f"{_text(project) or 'library'}/{name}", tag


def _distribution(payload: object) -> Iterator[Mention]:
    """https://distribution.github.io/distribution/about/notifications/; GitLab and older registries send the same."""
    for event in members(_at(payload, "events")):
        yield from _registry_event(event)


def _azure(payload: object) -> Iterator[Mention]:
    """https://learn.microsoft.com/azure/container-registry/container-registry-webhook-reference

    Event Grid wraps the same payload: https://learn.microsoft.com/azure/event-grid/event-schema-container-registry
    """
    yield from _registry_event(_at(payload, "data") or payload)


def _registry_event(event: object) -> Iterator[Mention]:
    is_of_blob = _at(event, "target", "mediaType") == _BLOB  # a deletion has no media type
    if _at(event, "action") in _PUSH_OR_DELETE and not is_of_blob:
        path, tag = _at(event, "target", "repository"), _at(event, "target", "tag")
        yield Mention(_at(event, "request", "host"), (path,), tag)


def _ecr(payload: object) -> Iterator[Mention]:
    """https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html"""
    detail = _at(payload, "detail")
    if _at(detail, "action-type") in _ECR_CHANGES and _at(detail, "result") == "SUCCESS":
        account, region = _text(_at(payload, "account")), _text(_at(payload, "region"))
        country = ".cn" if region.startswith("cn-") else ""
        host = f"{account}.dkr.ecr.{region}.amazonaws.com{country}"
        yield Mention(host, (_at(detail, "repository-name"),), _at(detail, "image-tag"))


def _google(payload: object) -> Iterator[Mention]:
    """https://cloud.google.com/artifact-registry/docs/configure-notifications

    A subscription can be configured to send the event without the surrounding message.
    """
    data = _at(payload, "message", "data")
    event = payload if data is None else parsed(_decoded(data))
    if _at(event, "action") in _GOOGLE_CHANGES:
        host, path, tag = _written(_at(event, "tag") or _at(event, "digest"))
        yield Mention(host, (path,), tag)


def _jfrog(payload: object) -> Iterator[Mention]:
    """https://docs.jfrog.com/administration/docs/event-types

    Clients use a path with the repository key, or without it if the repository has its own host or port. A pull
    through a remote repository is reported for its cache.
    """
    data = _at(payload, "data")
    repository = _text(_at(data, "repo_key"))
    image = "/".join(_text(_at(data, "path")).split("/")[:-2]) or _text(_at(data, "image_name"))
    host = _host_of(_at(payload, "jpd_origin"))
    paths = (f"{repository}/{image}", f"{repository.removesuffix('-cache')}/{image}", image)
    yield Mention(host, paths, _at(data, "tag"))


def _zot(payload: object) -> Iterator[Mention]:
    """https://zotregistry.dev/latest/articles/events/"""
    if _at(payload, "type") in _ZOT_CHANGES:
        yield Mention(None, (_at(payload, "data", "name"),), _at(payload, "data", "reference"))


def _nexus(payload: object) -> Iterator[Mention]:
    """https://help.sonatype.com/en/example-headers-and-payloads.html

    A component is an image with a tag, and an asset is one of its files. Clients use a path with the repository name,
    or without it if the repository has its own port.
    """
    component, asset = _at(payload, "component"), _at(payload, "asset")
    path, tag = _text(_at(component, "name")), _at(component, "version")
    if asset is not None:
        path, _, tag = _text(_at(asset, "name")).removeprefix("/").removeprefix("v2/").rpartition("/manifests/")
    if "docker" in (_at(component, "format"), _at(asset, "format")):
        yield Mention(None, (f"{_text(_at(payload, 'repositoryName'))}/{path}", path), tag)


def _gitea(payload: object) -> Iterator[Mention]:
    """https://docs.gitea.com/usage/webhooks, event "package"; Forgejo sends the same.

    Names may have upper-case letters, which registries do not allow. The version of an untagged manifest is its digest.
    """
    package = _at(payload, "package")
    if _at(payload, "action") in _GITEA_CHANGES and _at(package, "type") == "container":
        owner = _text(_at(package, "owner", "login")) or _text(_at(package, "owner", "username"))
        path = f"{owner}/{_text(_at(package, 'name'))}".lower()
        yield Mention(_host_of(_at(package, "html_url")), (path,), _at(package, "version"))


def _alibaba(payload: object) -> Iterator[Mention]:
    """https://www.alibabacloud.com/help/en/acr/user-guide/manage-webhooks

    The region determines the shared host. Clients may use the host of an instance or of a private network instead.
    """
    repository = _at(payload, "repository")
    parts = (_text(_at(repository, "namespace")), _text(_at(repository, "name")))
    paths = (_text(_at(repository, "repo_full_name")).lower(), "/".join(parts).lower())
    host = f"registry.{_text(_at(repository, 'region'))}.aliyuncs.com"
    yield Mention(host, paths, _at(payload, "push_data", "tag"))


def _alibaba_event(payload: object) -> Iterator[Mention]:
    """https://www.alibabacloud.com/help/en/eventbridge/user-guide/container-registry-events"""
    data = _at(payload, "data")
    if _at(payload, "type") in _ALIBABA_CHANGES:
        host = f"{_text(_at(data, 'InstanceName'))}-registry.{_text(_at(data, 'RegionId'))}.cr.aliyuncs.com"
        path = f"{_text(_at(data, 'RepoNamespaceName'))}/{_text(_at(data, 'RepoName'))}".lower()
        yield Mention(host, (path,), _at(data, "Tag"))


def _has_header(*names: str) -> Callable[[Headers, object], bool]:
    return lambda headers, _payload: any(name in headers for name in names)


def _has_type(beginning: str) -> Callable[[Headers, object], bool]:
    return lambda _headers, payload: _text(_at(payload, "type") or _at(payload, "eventType")).startswith(beginning)


def _is_google_event(_headers: Headers, payload: object) -> bool:
    return _at(payload, "action") in _GOOGLE_CHANGES


def _has(*keys: str) -> Callable[[Headers, object], bool]:
    return lambda _headers, payload: _at(payload, *keys) is not None


_SENDERS = (
    # Gitea also sends the header of GitHub.
    Sender("gitea", _has_header("x-gitea-event", "x-forgejo-event"), _gitea, knows_its_host=False),
    Sender("github", _has_header("x-github-event"), _github, knows_its_host=True),
    Sender("nexus", _has_header("x-nexus-webhook-id"), _nexus, knows_its_host=False),
    Sender("zot", _has_type("zotregistry."), _zot, knows_its_host=False),
    Sender("harbor", _has_type("harbor."), _harbor, knows_its_host=False),
    Sender("harbor", _has("event_data"), _harbor, knows_its_host=False),
    Sender("azure", _has_type("Microsoft.ContainerRegistry."), _azure, knows_its_host=True),
    Sender("azure", _has("target", "repository"), _azure, knows_its_host=True),
    Sender("distribution", _has("events"), _distribution, knows_its_host=False),
    Sender("docker-hub", _has("repository", "repo_name"), _docker_hub, knows_its_host=True),
    Sender("alibaba", _has("repository", "repo_full_name"), _alibaba, knows_its_host=False),
    Sender("alibaba", _has_type("cr:Artifact:"), _alibaba_event, knows_its_host=False),
    Sender("quay", _has("docker_url"), _quay, knows_its_host=True),
    Sender("ecr", _has("detail", "repository-name"), _ecr, knows_its_host=True),
    Sender("jfrog", _has("data", "repo_key"), _jfrog, knows_its_host=False),
    Sender("google", _has("message", "data"), _google, knows_its_host=True),
    Sender("google", _is_google_event, _google, knows_its_host=True),
)


def _at(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _written(image: object) -> tuple[str, str, str]:
    """Split the name of an image into host, path and tag without checking them; missing parts are empty."""
    host, _, rest = _text(image).partition("@")[0].partition("/")
    path, _, tag = rest.partition(":")
    return host, path, tag


def _host_of(url: object) -> str:
    """Return the host in a URL with its port, unchecked. For Docker Hub's website, return the host of its registry."""
    host = _text(url).partition("://")[2].partition("/")[0].lower()
    return DOCKER_HUB if host == _DOCKER_HUB_WEBSITE else host


def _decoded(data: object) -> bytes:
    try:
        return b64decode(_text(data))
    except ValueError:
        return b""
