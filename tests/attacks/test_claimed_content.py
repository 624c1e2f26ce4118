"""Attack: a registry names the digest of what another repository has, and does not have it itself."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.wrappers import Request, Response

from microbadger.image.reference import Repository
from tests.fakes.registry import FakeImage, FakeRegistry, image, index, to_json
from tests.freshness.bench import Bench

SECRET = image(labels={"org.opencontainers.image.title": "a secret title"}, layers=[1, 2, 3])


def head_only(request: Request) -> Response:
    """Claim a digest, and have no content of it."""
    headers = {"Docker-Content-Digest": SECRET.digest} if request.method == "HEAD" else {}
    return Response(status=200 if request.method == "HEAD" else 404, headers=headers)


def index_of(claimed: FakeImage) -> FakeImage:
    """Return an index that refers to an image without having it."""
    document = {"schemaVersion": 2, "mediaType": index().media_type, "manifests": [claimed.descriptor()]}
    return FakeImage(to_json(document), index().media_type)


def manifest_of(claimed: FakeImage) -> FakeImage:
    """Return a manifest that refers to a config without having it; another annotation makes it another manifest."""
    raw = claimed.raw.replace(b'"schemaVersion": 2', b'"annotations": {"a": "b"}, "schemaVersion": 2')
    return FakeImage(raw, claimed.media_type)


def claim_by_head(fake: FakeRegistry) -> None:
    fake.push("stranger/app", "latest", image())
    fake.always("/v2/stranger/app/manifests/", head_only)


CLAIMS: dict[str, Callable[[FakeRegistry], object]] = {
    "HEAD": claim_by_head,
    "an index": lambda fake: fake.push("stranger/app", "latest", index_of(SECRET)),
    "a manifest": lambda fake: fake.push("stranger/app", "latest", manifest_of(SECRET)),
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with FakeRegistry() as fake:
        yield Bench(tmp_path, fake, named=f"{fake.host}/team/web {fake.host}/stranger/app")


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_another_repository_has_is_not_published_for_one_that_only_names_it(bench: Bench, claim: str) -> None:
    bench.fake.push("team/web", "latest", SECRET)
    assert bench.refresh() is None
    CLAIMS[claim](bench.fake)
    missing = [SECRET.digest, *SECRET.blobs]
    bench.fake.always(
        "/v2/stranger/app/",
        lambda request: Response(status=404) if any(digest in request.path for digest in missing) else None,
    )
    stranger = Repository(bench.fake.host, "stranger/app")
    bench.refresher.refresh(stranger)
    record = bench.freshness.records.image(stranger)
    assert "a secret title" not in str(record)
    about = {path: content for path, content in bench.files().items() if "stranger/app" in path}
    assert not [path for path, content in about.items() if b"a secret title" in content]
