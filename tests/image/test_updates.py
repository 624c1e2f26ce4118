"""Which release a user of a tag can update to, in tables as images really have them.

In the tags of an image each line is one version: its tags name the same digest.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.updates import update_for


def digests(image: str) -> dict[str, str]:
    versions = [line.split() for line in image.splitlines()]
    return {tag: f"sha256:{number}" for number, tags in enumerate(versions) for tag in tags}


def update(image: str, tag: str, **options: bool) -> str | None:
    return update_for(tag, digests(image), **options)


PYTHON = """
3.14.0a2 3.14-rc 3.14.0a2-bookworm
3.14.0a1
3.14.0a2-alpine3.21 3.14.0a2-alpine
3.13.1 3.13 3 latest 3.13.1-bookworm 3.13-bookworm bookworm
3.13.1-slim 3.13-slim slim 3.13.1-slim-bookworm 3.13-slim-bookworm
3.13.1-alpine3.21 3.13.1-alpine 3.13-alpine 3-alpine alpine 3.13-alpine3.21
3.13.1-alpine3.20 3.13-alpine3.20
3.13.1-windowsservercore-ltsc2022
3.13.0
3.12.8 3.12 3.12.8-bookworm
3.12.8-alpine3.21 3.12.8-alpine 3.12-alpine
3.12.7
3.12.7-slim
3.12.7-slim-bookworm
3.12.7-slim-bullseye
3.12.7-alpine3.20
3.12.7-alpine3.19
3.12.7-windowsservercore-ltsc2019
3.9
2.7.18 2.7 2
"""
NODE = """
24.0.0-nightly20250101
23.5.0 23 current latest 23.5.0-bookworm
23.5.0-slim 23-slim slim 23.5.0-bookworm-slim
23.5.0-alpine3.21 23.5-alpine 23.5.0-alpine 23-alpine alpine
23.4.0
22.12.0 22.12 22 lts jod
22.11.0-alpine3.20 22.11.0-alpine
22.11.0-bookworm-slim
22
20.18.1 20 iron
0.12.18 0.12 0
"""
POSTGRES = """
18beta1 18beta1-bookworm
17.2 17 latest 17.2-bookworm bookworm
17.2-alpine3.21 17-alpine 17.2-alpine alpine
17.1
17rc1
17beta3 17beta3-bookworm
16.6 16
16.6-alpine3.20
9.6.24 9.6 9
"""
NGINX = """
1.27.3 1.27 1 mainline latest 1.27.3-bookworm
1.27.3-alpine 1.27-alpine mainline-alpine alpine
1.27.3-alpine-slim
1.27.3-perl mainline-perl
1.26.2 1.26 stable
1.26.2-alpine stable-alpine
1.26.2-alpine-slim
1.26.1-perl
1.25.5-otel
"""
ALPINE = """
3.22.0_rc1
3.21.0 3.21 3 latest
3.20.3 3.20
3.20.2
20241212 edge
20240923
20230901
2.7
"""
BITNAMI = """
1.3.0 1.3 1 latest 1.3.0-debian-12-r2 1.3.0-debian-12 1-debian-12
1.3.0-debian-12-r1
1.3.0-debian-12-r0
1.2.3 1.2 1.2.3-debian-12-r10
1.2.3-debian-12-r9
1.2.3-debian-12-r5
1.2.3-debian-11-r90
1.2.3-photon-5-r3
"""
V = """
v2.0.0-rc.2
v2.0.0-rc.1
v1.10.0 v1.10 v1 latest
v1.9.0 v1.9
v1.9.0-alpine
v1.10.0-beta.1
7f3a2b1 v1.8.0
main 9c8b7a6
"""
RELEASE = """
release-1.1.0 release-1.1 latest
release-1.0.9
release-1.0.10
main
1234567
"""
MIXED_UBUNTU = """
24.04 noble noble-20241118.1 latest
noble-20241015
22.04 jammy jammy-20240911.1
jammy-20240808
20.04 focal
"""
MINIO = """
RELEASE.2024-12-18T13-15-44Z latest
RELEASE.2024-12-13T22-19-12Z
RELEASE.2023-01-01T00-00-00Z RELEASE.2023-01-01T00-00-00Z-cpuv1
edge
"""
DATES = """
2025-01-05 latest
2024-12-30
2024-12-30-slim
2025-01-04-slim
"""
REVISIONS = """
1.2.4-1
1.2.3-10
1.2.3-2
1.2.3-2-alpine
1.2.3-3-alpine
1.0.2u
1.0.2a
"""


@pytest.mark.parametrize(
    ("image", "tag", "newest"),
    [
        (PYTHON, "3.13.1", "3.13.1"),
        (PYTHON, "3.13.0", "3.13.1"),
        (PYTHON, "3.13", "3.13"),
        (PYTHON, "3", "3"),
        (PYTHON, "latest", "latest"),
        (PYTHON, "3.12.7", "3.13.1"),
        (PYTHON, "3.12", "3.13"),
        (PYTHON, "3.9", "3.13"),
        (PYTHON, "2", "3"),
        (PYTHON, "2.7.18", "3.13.1"),
        (PYTHON, "3.12.7-slim", "3.13.1-slim"),
        (PYTHON, "3.12.7-slim-bookworm", "3.13.1-slim-bookworm"),
        (PYTHON, "3.12.7-slim-bullseye", "3.12.7-slim-bullseye"),
        (PYTHON, "3.12.7-alpine3.20", "3.13.1-alpine3.20"),
        (PYTHON, "3.12.7-alpine3.19", "3.13.1-alpine3.21"),
        (PYTHON, "3.12.8-alpine", "3.13.1-alpine"),
        (PYTHON, "3.12-alpine", "3.13-alpine"),
        (PYTHON, "3.13.1-alpine3.20", "3.13.1-alpine3.20"),
        (PYTHON, "3.12.7-windowsservercore-ltsc2019", "3.13.1-windowsservercore-ltsc2022"),
        (PYTHON, "alpine", "alpine"),
        (PYTHON, "slim", "slim"),
        (PYTHON, "3.14.0a1", "3.14.0a2"),
        (PYTHON, "3.14.0a2", "3.14.0a2"),
        (PYTHON, "3.14-rc", "3.14-rc"),
        (NODE, "22.11.0-alpine", "23.5.0-alpine"),
        (NODE, "22.11.0-alpine3.20", "23.5.0-alpine3.21"),
        (NODE, "22.11.0-bookworm-slim", "23.5.0-bookworm-slim"),
        (NODE, "23", "23"),
        (NODE, "22", "23"),
        (NODE, "22.12", "23.5.0"),
        (NODE, "current", "current"),
        (NODE, "lts", "23.5.0"),
        (NODE, "0.12", "23.5.0"),
        (POSTGRES, "17", "17"),
        (POSTGRES, "17.1", "17.2"),
        (POSTGRES, "16", "17"),
        (POSTGRES, "16.6", "17.2"),
        (POSTGRES, "16.6-alpine3.20", "17.2-alpine3.21"),
        (POSTGRES, "17rc1", "18beta1"),
        (POSTGRES, "17beta3-bookworm", "18beta1-bookworm"),
        (POSTGRES, "9.6.24", "17.2"),
        (POSTGRES, "alpine", "alpine"),
        (NGINX, "1.27", "1.27"),
        (NGINX, "1.26", "1.27"),
        (NGINX, "1", "1"),
        (NGINX, "stable", "1.27.3"),
        (NGINX, "mainline", "mainline"),
        (NGINX, "stable-alpine", "1.27.3-alpine"),
        (NGINX, "1.26.2-alpine-slim", "1.27.3-alpine-slim"),
        (NGINX, "1.26.1-perl", "1.27.3-perl"),
        (NGINX, "1.25.5-otel", "1.25.5-otel"),
        (ALPINE, "3.21.0", "3.21.0"),
        (ALPINE, "3.20", "3.21"),
        (ALPINE, "3.20.2", "3.21.0"),
        (ALPINE, "2.7", "3.21"),
        (ALPINE, "edge", "edge"),
        (ALPINE, "20240923", "20241212"),
        (ALPINE, "20241212", "20241212"),
        (BITNAMI, "1.3.0-debian-12-r1", "1.3.0-debian-12-r2"),
        (BITNAMI, "1.3.0-debian-12-r2", "1.3.0-debian-12-r2"),
        (BITNAMI, "1.3.0-debian-12", "1.3.0-debian-12"),
        (BITNAMI, "1-debian-12", "1-debian-12"),
        (BITNAMI, "1.2.3-debian-12-r9", "1.3.0-debian-12-r2"),
        (BITNAMI, "1.2.3-debian-11-r90", "1.3.0-debian-12-r2"),
        (BITNAMI, "1.2.3-photon-5-r3", "1.2.3-photon-5-r3"),
        (BITNAMI, "1.2.3", "1.3.0"),
        (BITNAMI, "1.2", "1.3"),
        (V, "v1.10.0", "v1.10.0"),
        (V, "v1.9.0", "v1.10.0"),
        (V, "v1.9", "v1.10"),
        (V, "v1.9.0-alpine", "v1.9.0-alpine"),
        (V, "v1.10.0-beta.1", "v2.0.0-rc.2"),
        (V, "v2.0.0-rc.1", "v2.0.0-rc.2"),
        (V, "7f3a2b1", "v1.10.0"),
        (V, "main", None),
        (V, "9c8b7a6", None),
        (RELEASE, "release-1.0.9", "release-1.1.0"),
        (RELEASE, "release-1.1", "release-1.1"),
        (RELEASE, "latest", "latest"),
        (RELEASE, "main", None),
        (RELEASE, "1234567", None),
        (MIXED_UBUNTU, "22.04", "24.04"),
        (MIXED_UBUNTU, "jammy", "24.04"),
        (MIXED_UBUNTU, "jammy-20240808", "jammy-20240911.1"),
        (MIXED_UBUNTU, "noble-20241118.1", "noble-20241118.1"),
        (MINIO, "RELEASE.2023-01-01T00-00-00Z", "RELEASE.2024-12-18T13-15-44Z"),
        (MINIO, "RELEASE.2024-12-13T22-19-12Z", "RELEASE.2024-12-18T13-15-44Z"),
        (MINIO, "RELEASE.2024-12-18T13-15-44Z", "RELEASE.2024-12-18T13-15-44Z"),
        (MINIO, "RELEASE.2023-01-01T00-00-00Z-cpuv1", "RELEASE.2023-01-01T00-00-00Z-cpuv1"),
        (MINIO, "latest", "latest"),
        (MINIO, "edge", None),
        (DATES, "2024-12-30", "2025-01-05"),
        (DATES, "2024-12-30-slim", "2025-01-04-slim"),
        (REVISIONS, "1.2.3-2", "1.2.4-1"),
        (REVISIONS, "1.2.3-2-alpine", "1.2.3-3-alpine"),
        (REVISIONS, "1.0.2a", "1.2.4-1"),
        ("1.0.2u\n1.0.2a", "1.0.2a", "1.0.2u"),
        ("latest", "latest", None),
        ("1.0", "mañana", None),
        ("", "latest", None),
    ],
)
def test_the_newest_release_of_the_variant_is_named(image: str, tag: str, newest: str | None) -> None:
    assert update(image, tag) == newest


@pytest.mark.parametrize(
    ("image", "tag", "newest"),
    [
        (PYTHON, "3.13.1", "3.14.0a2"),
        (PYTHON, "3", "3.14.0a2"),
        (PYTHON, "3.13.1-alpine", "3.14.0a2-alpine"),
        (PYTHON, "3.13.1-slim", "3.13.1-slim"),
        (POSTGRES, "17", "18beta1"),
        (ALPINE, "latest", "3.22.0_rc1"),
        (V, "v1.9.0", "v2.0.0-rc.2"),
        ("2.0.0\n2.0.0-rc1\n1.0.0", "1.0.0", "2.0.0"),
        ("2.0.1-rc1\n2.0", "2.0", "2.0"),
    ],
)
def test_pre_releases_count_if_asked_for(image: str, tag: str, newest: str) -> None:
    assert update(image, tag, pre_releases=True) == newest


@pytest.mark.parametrize(
    ("image", "tag", "newest"),
    [
        ("2.0.0\n2.0.0-rc1", "2.0.0-rc1", "2.0.0"),
        ("2.0\n2.0.0-rc1", "2.0.0-rc1", "2.0"),
        ("2\n2.0.0-rc1", "2.0.0-rc1", "2"),
        ("2\n2.1.0-rc1", "2.1.0-rc1", "2.1.0-rc1"),
        ("17.2\n17rc1", "17rc1", "17.2"),
        ("1.9\n2.0.0-rc1", "2.0.0-rc1", "2.0.0-rc1"),
        ("2.0.0-alpine\n2.0.0-rc1-alpine\n2.0.1", "2.0.0-rc1-alpine", "2.0.0-alpine"),
    ],
)
def test_a_pre_release_is_outdated_by_its_release(image: str, tag: str, newest: str) -> None:
    assert update(image, tag) == newest


@pytest.mark.parametrize(
    ("image", "tag", "newest"),
    [
        ("1.3.3\n1.3.2 1.3", "1.3", "1.3.3"),
        ("1.3.2 1.3\n1.2.0", "1.3", "1.3"),
        ("1.3.3\n1.3.2\n1.3", "1.3", "1.3"),
        ("1.4.0\n1.3.2 1 latest", "1", "1.4.0"),
        ("1.4.0\n1.3.2 1 latest", "latest", "1.4.0"),
        ("1.3.3-alpine3.21\n1.3.2-alpine3.20 1.3-alpine", "1.3-alpine", "1.3.3-alpine3.21"),
        ("1.3.2\n1.3", "1.3.2", "1.3.2"),
        ("1.4.0\n1", "1", "1"),
    ],
)
def test_a_moving_tag_names_the_newest_of_its_line_unless_its_digest_says_otherwise(
    image: str, tag: str, newest: str
) -> None:
    assert update(image, tag) == newest


def test_tags_whose_digest_is_unknown_have_nothing_in_common() -> None:
    assert update_for("main", {"main": "", "1.0": ""}) is None


TAGS = st.from_regex(
    r"(?:v|release-)?[0-9]{1,3}(?:\.[0-9]{1,3}){0,3}(?:-?(?:rc|alpine|r|slim|debian-)[0-9.]{0,3}){0,2}", fullmatch=True
)
IMAGES = st.dictionaries(TAGS | st.sampled_from(["latest", "main", "7f3a2b1"]), st.sampled_from("abcd"), min_size=1)


@given(IMAGES, st.data())
def test_who_updates_is_up_to_date(image: dict[str, str], data: st.DataObject) -> None:
    tag = data.draw(st.sampled_from(sorted(image)))
    newest = update_for(tag, image)
    if newest is not None:
        assert newest in image
        assert update_for(newest, image) == newest


@given(st.lists(st.text(max_size=40), max_size=20), st.text(max_size=40))
def test_any_text_can_be_asked_about(tags: list[str], tag: str) -> None:
    assert update_for(tag, dict.fromkeys(tags, "a")) in {None, tag, *tags}
