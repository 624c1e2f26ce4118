"""Attack: a registry, an administrator or a file has the service ask, or publish, what is not theirs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.wrappers import Response

from microbadger.freshness.stored_images import TrackedImage
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.http.client import Network
from microbadger.image.manifest import Manifest, parse_manifest
from microbadger.image.reference import Repository
from microbadger.registry.credentials import Credential
from microbadger.registry.errors import Refused, RegistryError
from microbadger.registry.remote import RemoteRepository
from microbadger.registry.servers import Servers
from microbadger.site.folder import PublicFolder
from microbadger.store.database import Database
from tests.fakes.registry import FakeRegistry, RawServer, image
from tests.freshness.bench import Bench
from tests.registry.bench import listed, registry_client

PATH = "team/app"
PUSHED = image(labels={"whose": "the stranger's"})


def config_of(remote: RemoteRepository) -> bytes:
    manifest = parse_manifest(remote.manifest(PUSHED.digest).raw)
    assert isinstance(manifest, Manifest)
    return remote.blob(manifest.config, 10_000)


READINGS: dict[str, tuple[str, Callable[[RemoteRepository], object]]] = {
    "list": ("/tags/", listed),
    "head": ("/manifests/", lambda remote: remote.head("latest")),
    "tag": ("/manifests/", lambda remote: remote.manifest("latest")),
    "digest": ("/manifests/", lambda remote: remote.manifest(PUSHED.digest)),
    "blob": ("/blobs/", config_of),
}
# How an operator may have named the internal host, for another image than that of the stranger.
NAMED: dict[str, Callable[[str], Servers]] = {
    "plain http": lambda inside: Servers(http_registries=[inside]),
    "a mirror": lambda inside: Servers(mirrors={"docker.io": f"http://{inside}"}),
    "a mirror for https": lambda inside: Servers(mirrors={"quay.io": f"https://{inside}"}),
    "another registry's realm": lambda inside: Servers(others={"registry.test": [f"http://{inside}/token"]}),
    "Docker Hub's web API": lambda inside: Servers(hub_url=f"http://{inside}"),
}
ALICE = Credential("alice", "a secret")


@pytest.fixture
def stranger() -> Iterator[FakeRegistry]:
    with FakeRegistry() as stranger:
        stranger.push(PATH, "latest", PUSHED)
        yield stranger


@pytest.fixture
def inside() -> Iterator[FakeRegistry]:
    """A host that the operator named for another image, which has what a stranger would like to be asked for."""
    with FakeRegistry() as inside:
        inside.push(PATH, "latest", PUSHED)
        inside.push("secret/app", "latest", image(labels={"whose": "the operator's"}))
        yield inside


def attempt(reading: Callable[[RemoteRepository], object], remote: RemoteRepository) -> object:
    try:
        return reading(remote)
    except RegistryError:
        return None


@pytest.mark.parametrize("named", NAMED)
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("status", [301, 307])
def test_a_registry_redirects_to_no_host_that_was_named_for_another(
    stranger: FakeRegistry, inside: FakeRegistry, status: int, reading: str, named: str
) -> None:
    at, read = READINGS[reading]
    to = f"{inside.url}/admin/delete?all=1"
    stranger.always(at, lambda request: Response(status=status, headers={"Location": to}))
    registry = registry_client(servers=NAMED[named](inside.host))
    assert attempt(read, registry.repository(Repository(stranger.host, PATH))) is None
    assert inside.requests == []


@pytest.mark.parametrize("named", NAMED)
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("credential", [None, ALICE])
def test_a_registry_names_no_realm_on_a_host_that_was_named_for_another(
    stranger: FakeRegistry, inside: FakeRegistry, credential: Credential | None, reading: str, named: str
) -> None:
    _, read = READINGS[reading]
    challenge = f'Bearer realm="{inside.url}/admin/delete?all=1",service="x"'
    stranger.always("/v2/", lambda request: Response(status=401, headers={"WWW-Authenticate": challenge}))
    registry = registry_client(servers=NAMED[named](inside.host), credentials=lambda place: credential)
    remote = registry.repository(Repository(stranger.host, PATH), private=credential is not None)
    assert attempt(read, remote) is None
    assert inside.requests == []


@pytest.mark.parametrize("named", NAMED)
def test_a_link_to_the_next_page_leads_to_no_other_host(
    stranger: FakeRegistry, inside: FakeRegistry, named: str
) -> None:
    stranger.then(
        "/tags/",
        Response(b'{"tags": ["1"]}', headers={"Link": f'<{inside.url}/v2/secret/app/tags/list?n=1>; rel="next"'}),
    )
    remote = registry_client(servers=NAMED[named](inside.host)).repository(Repository(stranger.host, PATH))
    assert attempt(listed, remote) == ["1", "latest"]
    assert inside.requests == []


def test_what_was_named_for_a_registry_is_not_reached_through_a_stranger_it_redirects_to(
    stranger: FakeRegistry, inside: FakeRegistry
) -> None:
    """The registry may lead to its storage, but a host that is not named and lies between may not."""
    with FakeRegistry() as between:
        between.always("/", lambda request: Response(status=307, headers={"Location": f"{inside.url}/admin"}))
        stranger.always("/v2/", lambda request: Response(status=307, headers={"Location": between.url}))
        servers = Servers(others={stranger.host: [inside.url]})
        with pytest.raises(Refused):
            listed(registry_client(servers=servers).repository(Repository(stranger.host, PATH)))
        assert between.requests == inside.requests == []


@pytest.mark.parametrize("reading", READINGS)
def test_a_named_host_is_reached_for_its_own_repositories(inside: FakeRegistry, reading: str) -> None:
    _, read = READINGS[reading]
    registry = registry_client(servers=Servers(http_registries=[inside.host]))
    assert attempt(read, registry.repository(Repository(inside.host, PATH), is_named=False))


# Images that were tracked without the operator


@pytest.fixture
def tracked(tmp_path: Path) -> TrackedImages:
    (tmp_path / "images.txt").write_text("127.0.0.1:5000/team/web\n")
    return TrackedImages(tmp_path / "images.txt", "10.0.0.1/team/web", Database(f"sqlite:///{tmp_path}/test.db"))


@pytest.mark.parametrize(
    ("registry", "is_named"),
    [
        ("127.0.0.1:5000", True),
        ("10.0.0.1", True),
        ("127.0.0.1:5001", False),
        ("127.0.0.1", False),
        ("registry.internal", False),
    ],
)
def test_the_file_and_the_settings_name_registries(tracked: TrackedImages, registry: str, is_named: bool) -> None:
    assert tracked.names_registry(registry) is is_named


def test_an_image_that_is_put_names_no_registry_but_one_that_a_command_tracks_does(tracked: TrackedImages) -> None:
    put = TrackedImage(Repository("localhost:5001", PATH))
    tracked.put(put)
    assert not tracked.names_registry("localhost:5001")
    tracked.track(put)
    assert tracked.names_registry("localhost:5001")


@pytest.mark.parametrize(
    "name", ["127.0.0.1:{port}", "localhost:{port}", "[::1]:{port}", "inside.test:{port}", "10.1.2.3"]
)
@pytest.mark.parametrize("reading", READINGS)
def test_a_private_registry_that_nobody_named_is_not_asked(name: str, reading: str) -> None:
    _, read = READINGS[reading]
    network = Network("tests", resolve=lambda host, port: ["127.0.0.1"])
    with RawServer(lambda connection: None) as inside:
        host = name.format(port=inside.url.rstrip("/").rpartition(":")[2])
        remote = registry_client(network=network).repository(Repository(host, PATH), is_named=False)
        assert attempt(read, remote) is None
        assert inside.connections == 0


def test_an_administrator_has_no_private_registry_asked_that_nobody_named(tmp_path: Path, inside: FakeRegistry) -> None:
    bench = Bench(tmp_path, inside, named="")
    put = TrackedImage(Repository(inside.host, PATH))
    bench.freshness.track(put)
    assert bench.refresher.refresh(put.repository).error
    assert inside.requests == []
    bench.list_images(f"{inside.host}/secret/app")
    assert bench.refresher.refresh(put.repository).error is None


# Symbolic links in the public folder

OUT: dict[str, tuple[str, str]] = {
    "a file": ("secret.txt", "outside/secret.txt"),
    "a folder": ("folder", "outside"),
    "a relative way": ("relative.txt", "../outside/secret.txt"),
    "a folder above": ("above", ".."),
    "a sibling with a longer name": ("sibling", "public-not"),
    "a link to a link": ("second.txt", "public/secret.txt"),
}


@pytest.mark.parametrize("name", ["secret.txt", "folder/secret.txt", "relative.txt", "above/outside/secret.txt",
                                  "sibling/secret.txt", "second.txt", "folder/deep/secret.txt"])  # fmt: skip
def test_a_symbolic_link_that_leads_out_is_not_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "public").mkdir()
    for folder in ("outside", "outside/deep", "public-not"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "secret.txt").write_text("a secret")
    for link, to in OUT.values():
        (tmp_path / "public" / link).symlink_to(to if to.startswith("..") else tmp_path / to)
    assert (tmp_path / "public" / name).read_text() == "a secret"
    assert PublicFolder(tmp_path / "public").read(name) is None


def test_one_that_stays_inside_is_followed_and_so_is_the_folder_itself(tmp_path: Path) -> None:
    (tmp_path / "releases/1").mkdir(parents=True)
    (tmp_path / "public").symlink_to("releases/1")
    publisher = PublicFolder(tmp_path / "public")
    publisher.write("a/file.txt", b"public")
    (tmp_path / "public/link.txt").symlink_to("a/file.txt")
    assert [publisher.read(name) for name in ("a/file.txt", "link.txt")] == [b"public", b"public"]
    (tmp_path / "releases/2").mkdir()
    (tmp_path / "public").unlink()
    (tmp_path / "public").symlink_to("releases/2")
    publisher.write("a/file.txt", b"new")
    assert publisher.read("a/file.txt") == b"new"


def test_a_file_that_is_published_takes_the_place_of_a_link_that_leads_out(tmp_path: Path) -> None:
    (tmp_path / "public").mkdir()
    (tmp_path / "secret.txt").write_bytes(b"same")
    (tmp_path / "public/file.txt").symlink_to("../secret.txt")
    publisher = PublicFolder(tmp_path / "public")
    assert publisher.write("file.txt", b"same")
    assert not (tmp_path / "public/file.txt").is_symlink()
    assert (tmp_path / "secret.txt").read_bytes() == b"same"
