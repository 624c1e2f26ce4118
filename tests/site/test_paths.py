"""The public tree as one table: repository → path."""

import pytest

from microbadger.image.reference import Repository
from microbadger.site.paths import ImagePaths, addresses, has_own_paths

SHA = "0123456789abcdef" * 4

# image, metadata, page, badge of the image, badge of a tag
TREE = [
    (
        "library/alpine",
        "v1/images/library/alpine.json",
        "images/library/alpine/index.html",
        "badges/image/library/alpine.svg",
        "badges/image/library/alpine:3.20_x.svg",
    ),
    (
        "microscaling/microscaling",
        "v1/images/microscaling/microscaling.json",
        "images/microscaling/microscaling/index.html",
        "badges/image/microscaling/microscaling.svg",
        "badges/image/microscaling/microscaling:3.20_x.svg",
    ),
    (
        "quay.io/a/b/c",
        "v1/images/quay.io/a/b/c.json",
        "images/quay.io/a/b/c/index.html",
        "badges/image/quay.io/a/b/c.svg",
        "badges/image/quay.io/a/b/c:3.20_x.svg",
    ),
    (
        "localhost:5000/web",
        "v1/images/localhost:5000/web.json",
        "images/localhost:5000/web/index.html",
        "badges/image/localhost:5000/web.svg",
        "badges/image/localhost:5000/web:3.20_x.svg",
    ),
]


@pytest.mark.parametrize(("name", "metadata", "page", "badge", "tag_badge"), TREE)
def test_each_file_of_an_image_has_its_place(
    name: str, metadata: str, page: str, badge: str, tag_badge: str
) -> None:
    paths = ImagePaths.of(Repository.parse(name))
    badges = paths.badge("image", None, "svg"), paths.badge("image", "3.20_x", "svg")
    assert (paths.metadata, paths.page, *badges) == (metadata, page, badge, tag_badge)


def test_a_version_stands_below_its_image() -> None:
    assert ImagePaths("a/b").version(SHA) == f"v1/images/a/b/version/{SHA}.json"


def test_the_page_of_an_image_is_the_folder_of_its_file() -> None:
    assert ImagePaths("a/b").page == f"{ImagePaths('a/b').page_url}/index.html"


def test_an_official_image_stands_under_both_its_names() -> None:
    names = [paths.name for paths in ImagePaths.all_of(Repository.parse("alpine"))]
    assert names == ["library/alpine", "alpine"]


@pytest.mark.parametrize("name", ["microscaling/microscaling", "ghcr.io/aquasecurity/trivy", "quay.io/alpine"])
def test_any_other_image_stands_under_one_name(name: str) -> None:
    assert [paths.name for paths in ImagePaths.all_of(Repository.parse(name))] == [name]


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("example/web", True),
        ("localhost:5000/version/web", True),
        ("ghcr.io/a/b.json", True),
        (f"ghcr.io/a/version/{SHA}", False),
        ("ghcr.io/a/b.json/c", False),
        ("ghcr.io/a/b.svg/c", False),
        ("example/index.html", False),
        ("ghcr.io/a/index.html/c", False),
    ],
)
def test_a_name_that_reads_as_a_file_of_another_image_has_no_paths_of_its_own(name: str, own: bool) -> None:
    assert has_own_paths(Repository.parse(name)) is own


@pytest.mark.parametrize(
    ("path", "also"),
    [
        ("index.html", ["/"]),
        ("images/alpine/index.html", ["/images/alpine", "/images/alpine/"]),
        ("images/localhost:5000/web/index.html", ["/images/localhost:5000/web", "/images/localhost:5000/web/"]),
        ("v1/images/a/b.json", ["/v1/images/a/b", "/v1/images/a/b/"]),
        ("v1/images/a/version/0a.json", ["/v1/images/a/version/0a", "/v1/images/a/version/0a/"]),
        ("v1/images.json", ["/v1/images", "/v1/images/"]),
        ("v1/images/a/-/changes.json", []),
        ("images/a/-/feed.xml", []),
        ("badges/image/ghcr.io/a/web:1.0.svg", []),
        ("badges/image/a/b.json", []),
        ("assets/page.js", []),
        ("openapi.json", []),
    ],
)
def test_a_file_is_reached_at_its_path_and_where_the_service_answers_with_it_too(path: str, also: list[str]) -> None:
    assert addresses(path) == [f"/{path}", *also]
