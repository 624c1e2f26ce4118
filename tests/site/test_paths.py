"""The public tree as one table: repository → path."""

import pytest

from microbadger.image.reference import Repository
from microbadger.site.paths import ImagePaths, addresses, has_own_paths, image_in

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


def test_the_page_about_a_tag_has_a_folder_of_its_own() -> None:
    assert ImagePaths("a/b").tag_page("1.0") == "images/a/b:1.0/index.html"


def test_what_is_no_part_of_a_name_comes_after_a_dash() -> None:
    paths = ImagePaths("a/b")
    assert [paths.feed, paths.changes, paths.history, paths.releases, paths.status] == [
        "images/a/b/-/feed.xml",
        "v1/images/a/b/-/changes.json",
        "v1/images/a/b/-/history.json",
        "v1/images/a/b/-/releases.json",
        "v1/images/a/b/-/status.json",
    ]


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
        (f"ghcr.io/a/version/{SHA}{SHA}", False),
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


@pytest.mark.parametrize(
    ("path", "image"),
    [
        ("badges/size/alpine.svg", "alpine"),
        ("badges/size/library/alpine:3.20_x.json", "alpine"),
        ("badges/size/localhost:5000/web.svg", "localhost:5000/web"),
        ("badges/size/localhost:5000/web:1.0.svg", "localhost:5000/web"),
        ("badges/size/localhost:5000.svg", "localhost"),
        ("images/a/b/index.html", "a/b"),
        ("images/a/b:1.0/index.html", "a/b"),
        ("images/a/b/-/feed.xml", "a/b"),
        ("v1/images/a/b.json", "a/b"),
        (f"v1/images/a/b/version/{SHA}.json", "a/b"),
        (f"v1/images/version/{SHA}.json", f"version/{SHA}"),
        ("v1/images/a/version/b.json", "a/version/b"),
        ("v1/images/ghcr.io/a/b/-/changes.json", "ghcr.io/a/b"),
        ("v1/images/ghcr.io/a/b/-/history.json", "ghcr.io/a/b"),
        ("v1/images/ghcr.io/a/b/-/releases.json", "ghcr.io/a/b"),
    ],
)
def test_a_path_names_the_image_it_belongs_to(path: str, image: str) -> None:
    assert image_in(path) == Repository.parse(image)


@pytest.mark.parametrize(
    "path",
    [
        "index.html",
        "v1/images.json",
        "openapi.json",
        "api/index.html",
        "assets/page.js",
        "images/index.html",
        "images/Alpine/index.html",
        "images/a/b:/index.html",
        "images/a/b@sha256:" + SHA + "/index.html",
        "images/docker.io/library/alpine/index.html",
        "images/index.docker.io/a/b/index.html",
        "images/../etc/index.html",
        "v1/images/a/b:1.0.json",
        f"v1/images/a/b:1.0/version/{SHA}.json",
        "v1/images/a/b:1.0/-/changes.json",
        "badges/size/a/b.png",
        "badges/alpine.svg",
        "",
        "images/a\n/index.html",
        "images/" + "a/" * 5000 + "index.html",
    ],
)
def test_a_path_that_is_not_one_of_an_image_names_none(path: str) -> None:
    assert image_in(path) is None
