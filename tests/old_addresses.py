"""Addresses as they stand in READMEs, where the same thing is now, and what a badge says there.

The images are those of `tests.web.test_old_addresses`.
"""

from dataclasses import dataclass

IMAGES = "https://images.microbadger.com/badges"
PAGES = "https://microbadger.com/images"
SHIELDS = "https://img.shields.io"
BADGEN = "https://badgen.net/docker"
GHCR = "https://ghcr-badge.egpl.dev"
LAYERS = "https://badge.imagelayers.io"


@dataclass(frozen=True)
class Form:
    """An old address, the new one below the base URL, and what a badge there says; nothing if it is no badge."""

    old: str
    new: str
    says: str = ""


NEW_IMAGE, OLD_IMAGE, ALPINE = "2.0 KiB: 1 layer", "1.0 KiB: 2 layers", "500 B: 1 layer"
DEAD = [
    # microbadger.com
    Form(f"{IMAGES}/image/example/web.svg", "/badges/image/example/web.svg", NEW_IMAGE),
    Form(f"{IMAGES}/version/example/web.svg", "/badges/version/example/web.svg", "version: 1.2"),
    Form(f"{IMAGES}/commit/example/web.svg", "/badges/commit/example/web.svg", "commit: 1a2b3c4"),
    Form(f"{IMAGES}/license/example/web.svg", "/badges/license/example/web.svg", "license: MIT"),
    Form(f"{IMAGES}/image/example/web:1.0.svg", "/badges/image/example/web:1.0.svg", OLD_IMAGE),
    Form(f"{IMAGES}/version/example/my_tool-3.8.svg", "/badges/version/example/my_tool-3.8.svg", "version: V1"),
    Form(f"{IMAGES}/version/example/my_tool-3.8:V1.svg", "/badges/version/example/my_tool-3.8:V1.svg", "version: V1"),
    Form(f"{IMAGES}/image/library/alpine.svg", "/badges/image/library/alpine.svg", ALPINE),
    Form(f"{IMAGES}/image/alpine.svg", "/badges/image/alpine.svg", ALPINE),
    Form(f"{IMAGES}/version/alpine:3.20.svg", "/badges/version/alpine:3.20.svg", "version: 3.20"),
    Form(f"{IMAGES}/image/example/web:nope.svg", "/badges/image/example/web:nope.svg", "nope: not found"),
    Form(
        f"{IMAGES}/version/example/web.svg?style=flat-square",
        "/badges/version/example/web.svg?style=flat-square",
        "version: 1.2",
    ),
    Form(
        f"{IMAGES}/version/example/web.svg?colorB=red&label=my%20web&logo=docker",
        "/badges/version/example/web.svg?color=red&label=my%20web",
        "my web: 1.2",
    ),
    Form(
        f"{IMAGES}/version/ghcr.io/example/web:1.1.svg", "/badges/version/ghcr.io/example/web:1.1.svg", "version: 1.1"
    ),
    Form(f"{IMAGES}/image/Example/Web.svg", "/badges/image/example/web.svg", NEW_IMAGE),
    Form(f"{IMAGES}/image/example/web.svg/", "/badges/image/example/web.svg", NEW_IMAGE),
    Form(f"{IMAGES}//image/example//web.svg", "/badges/image/example/web.svg", NEW_IMAGE),
    Form("http://images.microbadger.com/badges/image/example/web.svg", "/badges/image/example/web.svg", NEW_IMAGE),
    Form("//images.microbadger.com/badges/image/example/web.svg", "/badges/image/example/web.svg", NEW_IMAGE),
    Form("https://microbadger.com/badges/image/example/web.svg", "/badges/image/example/web.svg", NEW_IMAGE),
    Form("https://www.microbadger.com/badges/image/example/web.svg", "/badges/image/example/web.svg", NEW_IMAGE),
    Form("https://api.microbadger.com/badges/image/example/web.svg", "/badges/image/example/web.svg", NEW_IMAGE),
    Form("HTTPS://Images.MicroBadger.com/badges/image/example/web.svg", "/badges/image/example/web.svg", NEW_IMAGE),
    Form("https://images.microbadger.com:443/badges/image/alpine.svg", "/badges/image/alpine.svg", ALPINE),
    Form(f"{PAGES}/example/web", "/images/example/web"),
    Form(f"{PAGES}/example/web/", "/images/example/web"),
    Form(f"{PAGES}/example//web", "/images/example/web"),
    Form(f"{PAGES}/example/web:1.0", "/images/example/web:1.0"),
    Form(f"{PAGES}/Example/Web", "/images/example/web"),
    Form(f"{PAGES}/alpine", "/images/alpine"),
    Form(f"{PAGES}/library/alpine", "/images/library/alpine"),
    Form("http://microbadger.com/images/example/web", "/images/example/web"),
    Form("//microbadger.com/images/example/web", "/images/example/web"),
    Form("https://microbadger.com/image/example/web", "/images/example/web"),
    Form("https://microbadger.com/#/images/example/web", "/images/example/web"),
    Form("http://microbadger.com/#/images/example/web:1.0", "/images/example/web:1.0"),
    Form("https://www.microbadger.com/#/images/Example/Web/", "/images/example/web"),
    Form("https://microbadger.com/registry/docker/images/example/web", "/images/example/web"),
    Form("https://microbadger.com/labels", "/"),
    Form("https://microbadger.com/about", "/"),
    Form("https://microbadger.com/", "/"),
    Form("https://microbadger.com", ""),
    Form("https://microbadger.com/#!/images/example/web", "/images/example/web"),
    Form("https://microbadger.com/#images/example/web", "/images/example/web"),
    Form("https://microbadger.com/?utm_source=x#/images/example/web", "/images/example/web"),
    Form("https://microbadger.com/#/labels", "/"),
    Form(f"{PAGES}/_/alpine", "/images/library/alpine"),
    Form(f"{PAGES}/example/web%3A1.0", "/images/example/web:1.0"),
    Form(f"{IMAGES}/image/_/alpine.svg", "/badges/image/library/alpine.svg", ALPINE),
    Form(f"{IMAGES}/image/example/web", "/badges/image/example/web.svg", NEW_IMAGE),
    Form(f"{IMAGES}/version/example/my_tool-3.8", "/badges/version/example/my_tool-3.8.svg", "version: V1"),
    Form(f"{IMAGES}/image/example/web.png?maxAge=3600", "/badges/image/example/web.svg", NEW_IMAGE),
    Form("https://api.microbadger.com", ""),
    Form("https://api.microbadger.com/v1", "/v1"),
    Form("https://api.microbadger.com/v1/images/example/web", "/v1/images/example/web"),
    Form("https://api.microbadger.com/v1/images/example/web:1.0", "/v1/images/example/web:1.0"),
    Form("https://api.microbadger.com/v1/images/alpine/", "/v1/images/alpine"),
    Form("https://api.microbadger.com/v1/images/search/web", "/v1/images/search/web"),
    Form("https://api.microbadger.com/v1/images?query=recent&page=2", "/v1/images?query=recent&page=2"),
    Form("https://api.microbadger.com/v1/badges/counts", "/v1/badges/counts"),
    # what shields.io drew of microbadger.com
    Form(f"{SHIELDS}/microbadger/image-size/example/web.svg", "/badges/size/example/web.svg", "size: 2.0 KiB"),
    Form(f"{SHIELDS}/microbadger/image-size/example/web", "/badges/size/example/web.svg", "size: 2.0 KiB"),
    Form(f"{SHIELDS}/microbadger/layers/example/web.svg", "/badges/layers/example/web.svg", "layers: 1"),
    Form(f"{SHIELDS}/microbadger/layers/example/web/1.0.svg", "/badges/layers/example/web:1.0.svg", "layers: 2"),
    Form(f"{SHIELDS}/microbadger/layers/_/alpine.svg", "/badges/layers/library/alpine.svg", "layers: 1"),
    Form(f"{SHIELDS}/microbadger/layers/_/alpine/3.20", "/badges/layers/library/alpine:3.20.svg", "layers: 1"),
    Form(f"{SHIELDS}/microbadger/layers/layers/example/web.svg", "/badges/layers/example/web.svg", "layers: 1"),
    Form(
        f"{SHIELDS}/microbadger/image-size/image-size/example/web/1.0.svg",
        "/badges/size/example/web:1.0.svg",
        "size: 1.0 KiB",
    ),
    Form(
        f"{SHIELDS}/microbadger/layers/layers/example%2Fweb%2F1.0.svg",
        "/badges/layers/example/web:1.0.svg",
        "layers: 2",
    ),
    Form(f"{SHIELDS}/microbadger/layers/Example/Web.svg", "/badges/layers/example/web.svg", "layers: 1"),
    Form(
        f"{SHIELDS}/microbadger/image-size/example/web.svg?colorA=333&colorB=94398d&style=for-the-badge&logoColor=fff",
        "/badges/size/example/web.svg?labelColor=333&color=94398d&style=for-the-badge",
        "size: 2.0 KiB",
    ),
    Form(
        f"{SHIELDS}/microbadger/image-size/example/web?&label=&style=flat-square",
        "/badges/size/example/web.svg?label=&style=flat-square",
        "2.0 KiB",
    ),
    # imagelayers.io, and what shields.io drew of it
    Form(f"{LAYERS}/example/web:latest.svg", "/badges/image/example/web:latest.svg", NEW_IMAGE),
    Form(f"{LAYERS}/example/web:1.0.svg", "/badges/image/example/web:1.0.svg", OLD_IMAGE),
    Form(f"{LAYERS}/alpine.svg", "/badges/image/alpine.svg", ALPINE),
    Form("http://badge-imagelayers.iron.io/example/web:latest.svg", "/badges/image/example/web:latest.svg", NEW_IMAGE),
    Form("https://imagelayers.io/?images=example/web:1.0", "/images/example/web:1.0"),
    Form("http://imagelayers.iron.io/?images=example/web:1.0,alpine:3.20", "/images/example/web:1.0"),
    Form("https://imagelayers.io", ""),
    Form("https://imagelayers.io/?images=example%2Fweb:1.0", "/images/example/web:1.0"),
    Form("https://imagelayers.io/?lock=example/web:1.2&images=example/web:1.0", "/images/example/web:1.0"),
    Form("https://imagelayers.io/#/?images=example/web:1.0", "/images/example/web:1.0"),
    Form(f"{LAYERS}/example/web", "/badges/image/example/web.svg", NEW_IMAGE),
    Form(f"{SHIELDS}/microbadger/layers/example/web:1.0.svg", "/badges/layers/example/web:1.0.svg", "layers: 2"),
    Form(f"{SHIELDS}/microbadger/layers/example/web.png", "/badges/layers/example/web.svg", "layers: 1"),
    Form("https://raster.shields.io/microbadger/layers/example/web", "/badges/layers/example/web.svg", "layers: 1"),
    Form(f"{SHIELDS}/imagelayers/image-size/example/web/1.0.svg", "/badges/size/example/web:1.0.svg", "size: 1.0 KiB"),
    Form(f"{SHIELDS}/imagelayers/layers/_/alpine/latest.svg", "/badges/layers/library/alpine:latest.svg", "layers: 1"),
]
FOREIGN = [
    Form(f"{SHIELDS}/docker/image-size/example/web", "/badges/size/example/web.svg", "size: 2.0 KiB"),
    Form(f"{SHIELDS}/docker/image-size/example/web/1.0.svg", "/badges/size/example/web:1.0.svg", "size: 1.0 KiB"),
    Form(f"{SHIELDS}/docker/image-size/_/alpine", "/badges/size/library/alpine.svg", "size: 500 B"),
    Form(
        f"{SHIELDS}/docker/image-size/example/web?arch=arm64&sort=date",
        "/badges/size/example/web.svg?platform=linux/arm64",
        "size: 8.0 KiB",
    ),
    Form(f"{SHIELDS}/docker/v/example/web", "/badges/version/example/web.svg", "version: 1.2"),
    Form(f"{SHIELDS}/docker/v/example/web/1.0", "/badges/version/example/web:1.0.svg", "version: 1.0"),
    Form(f"{SHIELDS}/docker/v/example/web?sort=semver", "/badges/version/example/web.svg?sort=semver", "version: 2.0"),
    Form(
        f"{SHIELDS}/docker/v/example/web?label=docker&logo=docker&sort=semver&color=2496ED",
        "/badges/version/example/web.svg?label=docker&color=2496ED&sort=semver",
        "docker: 2.0",
    ),
    Form(f"{SHIELDS}/docker/version/example/web.json", "/badges/version/example/web.json"),
    Form(
        f"{SHIELDS}/docker/pulls/example/web.svg?style=flat", "/badges/pulls/example/web.svg?style=flat", "pulls: 1.2k"
    ),
    Form(f"{SHIELDS}/docker/stars/example/web.svg", "/badges/stars/example/web.svg", "stars: 5"),
    Form(f"{BADGEN}/pulls/example/web?icon=docker&label=a+b", "/badges/pulls/example/web.svg?label=a+b", "a b: 1.2k"),
    Form(f"{BADGEN}/stars/library/alpine", "/badges/stars/library/alpine.svg", "stars: 0"),
    Form(f"{BADGEN}/size/example/web", "/badges/size/example/web.svg", "size: 2.0 KiB"),
    Form(
        f"{BADGEN}/size/example/web/1.0/amd64?icon=docker",
        "/badges/size/example/web:1.0.svg?platform=linux/amd64",
        "size: 1.0 KiB",
    ),
    Form(
        f"{BADGEN}/layers/example/web/latest/arm/v7?labelColor=black",
        "/badges/layers/example/web:latest.svg?labelColor=black&platform=linux/arm/v7",
        "layers: 3",
    ),
    Form(
        "https://flat.badgen.net/docker/size/example/web",
        "/badges/size/example/web.svg?style=flat-square",
        "size: 2.0 KiB",
    ),
    Form(f"{GHCR}/example/web/size", "/badges/size/ghcr.io/example/web.svg", "size: 3.0 KiB"),
    Form(
        f"{GHCR}/example/web/size?tag=1.1&label=a%2Fb",
        "/badges/size/ghcr.io/example/web:1.1.svg?label=a%2Fb",
        "a/b: 3.0 KiB",
    ),
    Form(f"{GHCR}/Example/web/latest_tag?trim=major", "/badges/version/ghcr.io/example/web.svg", "version: 1.1"),
    Form(
        f"{GHCR}/example/web/latest_tag?color=%2310a6cb&ignore=sha*.sig%2Clatest&label=tag&trim=",
        "/badges/version/ghcr.io/example/web.svg?color=%2310a6cb&label=tag",
        "tag: 1.1",
    ),
    Form(
        "https://ghcr-badge.herokuapp.com/example/web/latest_tag?trim=major&label=latest",
        "/badges/version/ghcr.io/example/web.svg?label=latest",
        "latest: 1.1",
    ),
    Form(
        f"{BADGEN}/pulls/example/web?icon=docker&label=Docker+Pulls&labelColor=black&color=green",
        "/badges/pulls/example/web.svg?label=Docker+Pulls&labelColor=black&color=green",
        "Docker Pulls: 1.2k",
    ),
    Form(f"{GHCR}/example/web/tags?n=1", "/badges/version/ghcr.io/example/web.svg", "version: 1.1"),
]
FORMS = [*DEAD, *FOREIGN]
UNPLACED = [
    f"{IMAGES}/unknown/example/web.svg",
    f"{IMAGES}/image/a/b/c.svg",
    f"{IMAGES}/image/example/web@sha256:{'0' * 64}.svg",
    f"{PAGES}/example/-/web",
    "https://microbadger.com/account",
    "https://api.microbadger.com/v1/me",
    f"{SHIELDS}/microbadger/stars/example/web",
    f"{SHIELDS}/imagelayers/layers/a/b/c/d.svg",
    f"{SHIELDS}/docker/automated/example/web.svg",
    f"{SHIELDS}/docker/build/example/web",
    f"{SHIELDS}/docker/cloud/build/example/web.svg",
    "https://imagelayers.io/?images=example%web:1.0",
]
API, HOOKS = "https://api.microbadger.com", "https://hooks.microbadger.com"
# What is to be filled in or to be appended to, and what stands before its path now if that is not the base URL.
TEMPLATES = {
    f"{IMAGES}/image/$ORG/$NAME.svg": "",
    f"{IMAGES}/image/${{ORG}}/${{NAME}}.svg?style=flat": "",
    f"{IMAGES}/image/{{{{repo}}}}.svg": "",
    f"{IMAGES}/image/{{{{ repo }}}}.svg": "",
    f"{IMAGES}/image/<user>/<name>.svg": "",
    f"{IMAGES}/version/example/@NAME@.svg": "",
    f"{IMAGES}/version/example/web:${{TAG}}.svg": "",
    f"{IMAGES}/image/": "",
    f"{PAGES}/": "",
    f"{PAGES}/${{org}}/${{name}}/": "",
    f"{PAGES}/$(ORG)/web": "",
    f"{PAGES}/:org/:name": "",
    f"{PAGES}/<org>/<name>": "",
    f"{PAGES}/example/<name>": "",
    f"{PAGES}/example/%s": "",
    f"{API}/v1/images/": "",
    f"{API}/v1/images/%s": "",
    f"{API}/v1/images/{{}}/{{}}": "",
    f"{API}/v1/images/#{{name}}": "",
    "//api.microbadger.com/v1/images/${org}/${name}/": "",
    f"{SHIELDS}/microbadger/layers/": "",
    f"{SHIELDS}/microbadger/layers/$ORG/$NAME.svg": "",
    f"{LAYERS}/$ORG/$NAME:latest.svg": "/imagelayers",
    f"{GHCR}/${{OWNER}}/web/size": "/ghcr-badge",
    f"{HOOKS}/images/": "",
    f"{HOOKS}/images/%s/%s": "",
    f"{HOOKS}/images/$REPOSITORY/$TOKEN": "",
    f"{HOOKS}/images/${{{{ github.repository }}}}/${{{{ secrets.TOKEN }}}}": "",
}
