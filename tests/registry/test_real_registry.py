"""What the client for registries makes of a real one, compared with what skopeo and the files on disk say."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

import pytest

from microbadger.image.configs import Config, parse_config
from microbadger.image.manifest import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Index,
    Manifest,
    layer_steps,
    parse_manifest,
)
from microbadger.image.reference import Repository
from microbadger.registry.client import Registry
from microbadger.registry.credentials import Credential, Credentials
from microbadger.registry.errors import Denied, NotFound, Refused, Unreachable
from microbadger.registry.remote import RemoteRepository
from microbadger.registry.servers import Servers
from tests.real_registry import PASSWORD, USER, Image, ImageMaker, RunningRegistry, need
from tests.registry.bench import listed, registry_client
from tests.web.test_nginx import running_nginx

OCI_LABELS = {
    "org.opencontainers.image.title": "Größe, 大小 = \"size\"\nand more",
    "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
    "org.opencontainers.image.revision": "",
}
LABEL_SCHEMA_LABELS = {
    "org.label-schema.name": "<b>ünïcode</b> & $(id)",
    "org.label-schema.schema-version": "1.0",
    "org.label-schema.vcs-ref": "1a2b3c4",
}
ANNOTATIONS = {"org.opencontainers.image.source": "https://example.com/ä, b"}
MAX_CONFIG_BYTES = 1024**2


@dataclass(frozen=True)
class Shelf:
    """A registry filled once for all tests that only read: one repository, a tag for each kind of content."""

    registry: RunningRegistry
    maker: ImageMaker
    amd64: Image
    arm64: Image
    pushed: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.registry.host}/team/deep/web-app"

    @property
    def remote(self) -> RemoteRepository:
        return client().repository(Repository.parse(self.name))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, image_maker: ImageMaker) -> Iterator[Shelf]:
    need("docker-registry")
    content = {"usr/share/größe.txt": bytes(range(256)) * 400}
    amd64 = image_maker.make(
        [content, {}, {"b": b"2"}],
        labels=OCI_LABELS,
        annotations=ANNOTATIONS,
        author="Jörg <j@example.com>",
        commands=["COPY größe.txt /usr/share/", "RUN true", "COPY b /"],
        cmd="sh",
    )
    arm64 = image_maker.make([{"c": b"3"}], labels=LABEL_SCHEMA_LABELS, architecture="arm64", variant="v8")
    with RunningRegistry(tmp_path_factory.mktemp("shelf")) as registry:
        shelf = Shelf(registry, image_maker, amd64, arm64, {})
        both, name = [amd64, arm64], shelf.name
        shelf.pushed["Image_1.0-RC.1"] = image_maker.push(amd64, f"{name}:Image_1.0-RC.1")
        shelf.pushed["schema2"] = image_maker.push(amd64, f"{name}:schema2", schema2=True)
        shelf.pushed["_label-schema"] = image_maker.push(arm64, f"{name}:_label-schema")
        shelf.pushed["index"] = image_maker.push_index(both, f"{name}:index", annotations=ANNOTATIONS, attested=True)
        shelf.pushed["list"] = image_maker.push_index(both, f"{name}:list", schema2=True)
        yield shelf


class TokenRealm:
    """A token endpoint that gives everybody the same token and keeps (query, Authorization) of each request."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, list[str]], str | None]] = []
        asked = self.asked

        class Endpoint(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append((parse_qs(urlsplit(self.path).query), self.headers["Authorization"]))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"token": "any-token-will-do", "expires_in": 300}')

            def log_request(self, code: object = "-", size: object = "-") -> None:
                """Keep quiet: ``asked`` has it all."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}/token"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(frozen=True)
class Guarded:
    """A registry that wants a token, and the realm that gives it."""

    registry: RunningRegistry
    realm: TokenRealm

    @property
    def repository(self) -> Repository:
        return Repository.parse(f"{self.registry.host}/team/guarded")


@pytest.fixture
def guarded(tmp_path: Path, image_maker: ImageMaker) -> Iterator[Guarded]:
    need("docker-registry")
    with ExitStack() as running:
        realm = running.enter_context(TokenRealm())
        registry = running.enter_context(RunningRegistry(tmp_path / "registry", token_realm=realm.url))
        guarded = Guarded(registry, realm)
        image_maker.push(image_maker.make([{"a": b"1"}]), f"{guarded.repository}:1")
        realm.asked.clear()
        yield guarded


@pytest.fixture
def private_name(tmp_path: Path, image_maker: ImageMaker) -> Iterator[str]:
    """An image in a registry that only USER can read; the maker's file has the credential."""
    need("docker-registry")
    with RunningRegistry(tmp_path / "registry", private=True) as registry:
        image_maker.login(registry.host)
        image_maker.push(image_maker.make([{"a": b"1"}]), f"{registry.host}/team/secret:1")
        yield f"{registry.host}/team/secret"


def client(*, others: Mapping[str, Sequence[str]] | None = None, credential: Credential | None = None) -> Registry:
    """A client that does not wait between tries."""
    return registry_client(servers=Servers(others=others or {}), credentials=lambda host: credential)


def read_image(remote: RemoteRepository, reference: str) -> tuple[Manifest, Config]:
    content = remote.manifest(reference)
    manifest = parse_manifest(content.raw, content.media_type)
    assert isinstance(manifest, Manifest)
    return manifest, parse_config(remote.blob(manifest.config, MAX_CONFIG_BYTES))


def read_index(remote: RemoteRepository, reference: str) -> Index:
    content = remote.manifest(reference)
    index = parse_manifest(content.raw, content.media_type)
    assert isinstance(index, Index)
    return index


KINDS = pytest.mark.parametrize(
    ("tag", "media_type"),
    [
        ("Image_1.0-RC.1", OCI_MANIFEST),
        ("_label-schema", OCI_MANIFEST),
        ("schema2", DOCKER_MANIFEST),
        ("index", OCI_INDEX),
        ("list", DOCKER_INDEX),
    ],
)


def test_it_lists_every_tag_and_only_tags(shelf: Shelf) -> None:
    assert sorted(listed(shelf.remote)) == sorted(shelf.pushed)


@KINDS
def test_a_tag_names_the_digest_that_skopeo_pushed_and_reads(shelf: Shelf, tag: str, media_type: str) -> None:
    raw = shelf.maker.raw_manifest(f"{shelf.name}:{tag}")

    assert shelf.remote.head(tag) == f"sha256:{sha256(raw).hexdigest()}" == shelf.pushed[tag]


@KINDS
def test_it_reads_the_bytes_that_skopeo_reads_by_tag_and_by_digest(shelf: Shelf, tag: str, media_type: str) -> None:
    raw = shelf.maker.raw_manifest(f"{shelf.name}:{tag}")

    by_tag, by_digest = shelf.remote.manifest(tag), shelf.remote.manifest(shelf.pushed[tag])

    assert by_tag == by_digest
    assert (by_tag.raw, by_tag.digest, by_tag.media_type) == (raw, shelf.pushed[tag], media_type)


def test_asking_what_a_tag_names_reads_nothing(shelf: Shelf) -> None:
    shelf.registry.forget_requests()

    shelf.remote.head("index")

    assert shelf.registry.requests() == [("HEAD", "/v2/team/deep/web-app/manifests/index")]


@pytest.mark.parametrize(
    ("tag", "labels"),
    [("Image_1.0-RC.1", OCI_LABELS), ("schema2", OCI_LABELS), ("_label-schema", LABEL_SCHEMA_LABELS)],
)
def test_it_reads_the_labels_an_image_was_built_with(shelf: Shelf, tag: str, labels: dict[str, str]) -> None:
    _, config = read_image(shelf.remote, tag)

    assert config.labels == labels


def test_it_reads_annotations_of_manifests_and_indexes(shelf: Shelf) -> None:
    manifest, _ = read_image(shelf.remote, "Image_1.0-RC.1")

    assert manifest.annotations == read_index(shelf.remote, "index").annotations == ANNOTATIONS


def test_it_reads_who_made_the_image_when_and_for_what(shelf: Shelf) -> None:
    _, config = read_image(shelf.remote, "Image_1.0-RC.1")

    created = config.created.isoformat() if config.created else None
    assert (config.author, created) == ("Jörg <j@example.com>", "2026-11-20T10:00:00+00:00")
    assert str(config.platform) == "linux/amd64"


@pytest.mark.parametrize("tag", ["Image_1.0-RC.1", "schema2"])
def test_sizes_are_those_of_the_compressed_layers_on_disk(shelf: Shelf, tag: str) -> None:
    manifest, _ = read_image(shelf.remote, tag)

    assert [layer.size_bytes for layer in manifest.layers] == shelf.amd64.layer_sizes


def test_each_layer_stands_beside_the_command_that_made_it(shelf: Shelf) -> None:
    manifest, config = read_image(shelf.remote, "Image_1.0-RC.1")

    steps = [(step.command, step.layer and step.layer.digest) for step in layer_steps(manifest, config)]

    digests = [layer["digest"] for layer in shelf.amd64.manifest["layers"]]
    commands = ["COPY größe.txt /usr/share/", "RUN true", "COPY b /"]
    assert steps == [*zip(commands, digests, strict=True), ('CMD ["sh"]', None)]


def test_attestations_are_no_images(shelf: Shelf) -> None:
    index = read_index(shelf.remote, "index")

    assert len(index.manifests) == 4
    assert [entry.digest for entry in index.images] == [shelf.amd64.digest, shelf.arm64.digest]


@pytest.mark.parametrize("tag", ["index", "list"])
def test_an_index_leads_to_an_image_for_each_platform(shelf: Shelf, tag: str) -> None:
    index = read_index(shelf.remote, tag)

    images = [read_image(shelf.remote, entry.digest) for entry in index.images]

    assert [str(entry.platform) for entry in index.images] == ["linux/amd64", "linux/arm64/v8"]
    assert [config.labels for _, config in images] == [OCI_LABELS, LABEL_SCHEMA_LABELS]


@pytest.mark.parametrize("reference", ["no-such-tag", f"sha256:{'0' * 64}"])
def test_what_the_registry_does_not_have_is_not_found(shelf: Shelf, reference: str) -> None:
    assert shelf.remote.head(reference) is None
    with pytest.raises(NotFound):
        shelf.remote.manifest(reference)


def test_a_repository_that_never_was_is_not_found(shelf: Shelf) -> None:
    with pytest.raises(NotFound):
        listed(client().repository(Repository.parse(f"{shelf.registry.host}/team/nothing")))


def test_a_mirror_answers_for_docker_hub(shelf: Shelf) -> None:
    registry = registry_client(servers=Servers(mirrors={"docker.io": f"http://{shelf.registry.host}/"}))

    remote = registry.repository(Repository.parse("team/deep/web-app"))

    assert remote.head("index") == shelf.pushed["index"]


def test_a_deleted_tag_is_not_found_and_not_listed(real_registry: RunningRegistry, image_maker: ImageMaker) -> None:
    name = f"{real_registry.host}/web"
    for tag in ("1", "2"):
        image_maker.push(image_maker.make([{"a": tag.encode()}]), f"{name}:{tag}")
    image_maker.delete_tag(f"{name}:1")

    remote = client().repository(Repository.parse(name))

    assert listed(remote) == ["2"]
    with pytest.raises(NotFound):
        remote.manifest("1")


def test_a_registry_that_was_down_is_unreachable_and_then_as_before(
    real_registry: RunningRegistry, image_maker: ImageMaker
) -> None:
    name = f"{real_registry.host}/web"
    digest = image_maker.push(image_maker.make([{"a": b"1"}]), f"{name}:1")
    remote = client().repository(Repository.parse(name))
    assert remote.head("1") == digest

    real_registry.stop()
    with pytest.raises(Unreachable):
        remote.manifest("1")

    real_registry.start()
    assert remote.head("1") == digest


def test_a_credential_opens_a_private_repository(private_name: str) -> None:
    registry = client(credential=Credential(USER, PASSWORD))

    remote = registry.repository(Repository.parse(private_name), private=True)

    assert listed(remote) == ["1"]
    assert read_image(remote, "1")[1].labels == {}


def test_the_docker_config_that_skopeo_uses_opens_it_too(private_name: str, image_maker: ImageMaker) -> None:
    config = json.loads(image_maker.auth_file.read_bytes())
    credentials = Credentials.from_config(config, lambda helper, server: None)
    registry = registry_client(credentials=credentials)

    assert listed(registry.repository(Repository.parse(private_name), private=True)) == ["1"]


@pytest.mark.parametrize(
    ("credential", "private"),
    [
        (Credential(USER, "öffne dich: Gerste"), True),
        (Credential("niemand", PASSWORD), True),
        (Credential(USER, PASSWORD), False),
        (None, False),
        (None, True),
    ],
)
def test_without_the_right_credential_in_use_it_is_denied(
    private_name: str, credential: Credential | None, private: bool
) -> None:
    remote = client(credential=credential).repository(Repository.parse(private_name), private=private)

    with pytest.raises(Denied) as denied:
        remote.manifest("1")

    assert "write 'private'" in str(denied.value)
    assert PASSWORD not in str(denied.value)


def test_an_anonymous_token_for_the_repository_lets_it_in(guarded: Guarded) -> None:
    remote = client(others={guarded.registry.host: [guarded.realm.url]}).repository(guarded.repository)

    assert listed(remote) == ["1"]
    assert guarded.realm.asked == [
        ({"service": ["real-registry"], "scope": ["repository:team/guarded:pull"]}, None)
    ]


def test_a_token_is_kept_for_the_next_requests(guarded: Guarded) -> None:
    remote = client(others={guarded.registry.host: [guarded.realm.url]}).repository(guarded.repository)

    read_image(remote, "1")
    remote.head("1")

    assert len(guarded.realm.asked) == 1


def test_the_realm_of_a_private_repository_is_shown_the_credential(guarded: Guarded) -> None:
    credential = Credential(USER, PASSWORD)
    registry = client(others={guarded.registry.host: [guarded.realm.url]}, credential=credential)

    registry.repository(guarded.repository, private=True).head("1")

    assert [authorization for _, authorization in guarded.realm.asked] == [credential.basic]


def test_a_realm_inside_that_nobody_named_is_not_asked(guarded: Guarded) -> None:
    with pytest.raises(Refused):
        listed(client().repository(guarded.repository))

    assert guarded.realm.asked == []


# Behind nginx

SITE = """
server {{
    listen 80;
    root /srv/microbadger/public;
    location = / {{ return 200; }}
    location /v2/ {{ {directive} }}
}}
"""
ONLY_GET = "if ($request_method != GET) {{ return {status}; }} proxy_pass http://{registry};"
FEWER_TAGS = "if ($arg_n = 1000) {{ return {status}; }} proxy_pass http://{registry};"
ELSEWHERE = "rewrite ^/v2/mine/(.*)$ http://{registry}/v2/$1 redirect;"


def behind(url: str, path: str, registry: RunningRegistry, *others: str) -> RemoteRepository:
    host = url.removeprefix("http://")
    servers = Servers(others={host: [f"http://{registry.host}", *others]})
    return registry_client(servers=servers).repository(Repository(host, path))


@pytest.mark.parametrize("status", [400, 403, 404, 405, 501])
def test_a_registry_that_allows_only_get_is_read(shelf: Shelf, tmp_path: Path, status: int) -> None:
    directive = ONLY_GET.format(status=status, registry=shelf.registry.host)
    with running_nginx(tmp_path / "nginx", tmp_path, SITE.format(directive=directive)) as url:
        remote = behind(url, "team/deep/web-app", shelf.registry)
        assert sorted(listed(remote)) == sorted(shelf.pushed)
        assert remote.head("index") is None
        assert remote.manifest("index").digest == shelf.pushed["index"]
        assert read_image(remote, "schema2")[1].labels == OCI_LABELS


@pytest.mark.parametrize("status", [400, 405, 413])
def test_a_registry_that_refuses_a_thousand_tags_a_page_is_read(shelf: Shelf, tmp_path: Path, status: int) -> None:
    directive = FEWER_TAGS.format(status=status, registry=shelf.registry.host)
    with running_nginx(tmp_path / "nginx", tmp_path, SITE.format(directive=directive)) as url:
        assert sorted(listed(behind(url, "team/deep/web-app", shelf.registry))) == sorted(shelf.pushed)


def test_a_host_that_redirects_to_a_registry_with_a_token_service_is_read(guarded: Guarded, tmp_path: Path) -> None:
    directive = ELSEWHERE.format(registry=guarded.registry.host)
    with running_nginx(tmp_path / "nginx", tmp_path, SITE.format(directive=directive)) as url:
        remote = behind(url, "mine/team/guarded", guarded.registry, guarded.realm.url)
        assert listed(remote) == ["1"]
        assert remote.head("1") == remote.manifest("1").digest
        assert read_image(remote, "1")
    assert [authorization for _, authorization in guarded.realm.asked] == [None]
