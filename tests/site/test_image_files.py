"""The files of an image that was checked again and found the same."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from microbadger.image.describe import describe_image
from microbadger.image.documents import ImageDocument, PlatformDocument, VersionDocument
from microbadger.image.reference import Repository
from microbadger.site.image_files import checked_files, record_files

BASE = "https://badges.example.org"
CHECKED_AT = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
WEB = Repository.parse("example/web")
RECORD, PAGE = "v1/images/example/web.json", "images/example/web/index.html"


def image_of(repository: Repository, days: int = 0, *, webhook_url: str | None = None, **labels: str) -> ImageDocument:
    """Return the document of an image with one version, as it was checked so many days later."""
    sha = "6" * 64
    version = VersionDocument(
        SHA=sha,
        Tags=[],
        ImageName=repository.familiar,
        Author="",
        LayerCount=1,
        DownloadSize=2048,
        Digest=f"sha256:{sha}",
        MediaType="application/vnd.oci.image.manifest.v1+json",
        Platforms=[PlatformDocument(OS="linux", Architecture="amd64", Digest="", DownloadSize=2048, LayerCount=1)],
        Labels=labels,
    )
    checked_at = CHECKED_AT + timedelta(days=days)
    return describe_image(repository, [version], updated_at=checked_at, webhook_url=webhook_url)


def files_of(repository: Repository, image: ImageDocument) -> dict[str, bytes]:
    return record_files(repository, image, None, [], BASE)


@pytest.mark.parametrize("name", ["example/web", "library/alpine"])
@pytest.mark.parametrize("webhook_url", [None, "https://badges.example.org/images/example/web/secret"])
@pytest.mark.parametrize("labels", [{}, {"UpdatedAt": "yesterday"}, {"a": '{"LatestSHA":"","UpdatedAt":"yesterday"}'}])
def test_they_are_those_that_would_be_written(name: str, webhook_url: str | None, labels: Mapping[str, str]) -> None:
    repository = Repository.parse(name)
    last, now = (image_of(repository, days, webhook_url=webhook_url, **labels) for days in (0, 40))

    checked = checked_files(repository, now["UpdatedAt"], files_of(repository, last).get)

    assert checked == files_of(repository, now)


def test_the_record_under_the_name_that_is_read_comes_last() -> None:
    repository = Repository.parse("library/alpine")
    checked = checked_files(repository, "2026-11-25T12:30:00Z", files_of(repository, image_of(repository)).get)

    assert list(checked or ())[-1] == "v1/images/library/alpine.json"


@pytest.mark.parametrize("path", [PAGE, RECORD])
@pytest.mark.parametrize("damaged", [None, b"", b"{}\n", b"garbage"])
def test_where_one_of_them_is_not_whole_all_have_to_be_written_anew(path: str, damaged: bytes | None) -> None:
    published = files_of(WEB, image_of(WEB)) | {path: damaged}

    assert checked_files(WEB, "2026-11-25T12:30:00Z", published.get) is None


def sorted_record(image: ImageDocument) -> bytes:
    return json.dumps(image, sort_keys=True, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize(
    "record",
    [
        files_of(WEB, image_of(WEB))[RECORD][:-9],
        json.dumps(image_of(WEB)).encode() + b"\n",
        sorted_record(image_of(WEB, LatestSHA="", UpdatedAt="yesterday")),
    ],
)
def test_a_record_that_was_cut_or_edited_has_to_be_written_anew(record: bytes) -> None:
    published = files_of(WEB, image_of(WEB)) | {RECORD: record}

    assert checked_files(WEB, "2026-11-25T12:30:00Z", published.get) is None
