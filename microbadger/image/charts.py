"""Reads the config of a Helm chart, which is its ``Chart.yaml`` as JSON.

https://helm.sh/docs/topics/charts/#the-chartyaml-file and, for its place in a registry,
https://github.com/helm/community/blob/main/hips/hip-0006.md
"""

from microbadger.image.bounds import size_bytes
from microbadger.image.documents import ChartDocument
from microbadger.image.fields import parse_document, read_list, read_text
from microbadger.image.labels import one_line

CHART_CONFIG = "application/vnd.cncf.helm.config.v1+json"

_MAX_BYTES = 8 * 1024
_MOST_ITEMS = 50
_FIELDS = {
    "name": "Name",
    "version": "Version",
    "appVersion": "AppVersion",
    "description": "Description",
    "home": "Home",
    "sources": "Sources",
    "keywords": "Keywords",
}
_LISTS = ("Sources", "Keywords")


def read_chart(raw: bytes) -> ChartDocument:
    """Return the fields of a chart's config, with each text shortened and on one line.

    Invalid fields are left out, and so are texts that exceed 8 KiB in total. Raises `InvalidManifest` only if the
    bytes are not a JSON object.
    """
    document = parse_document(raw)
    chart, room = ChartDocument(), _MAX_BYTES
    for key, field in _FIELDS.items():
        value = document.get(key)
        items = read_list(value, _MOST_ITEMS) if field in _LISTS else [value]
        texts = list(filter(None, (one_line(read_text(item)) for item in items)))
        while sum(map(size_bytes, texts)) > room:
            texts.pop()
        if texts:
            room -= sum(map(size_bytes, texts))
            chart[field] = texts if field in _LISTS else texts[0]  # type: ignore[literal-required]
    if document.get("deprecated") is True:
        chart["Deprecated"] = True
    return chart


def tag_version(tag: str) -> str:
    """Return the chart version that a tag names. Tags cannot contain ``+``, so Helm writes ``_`` instead.

    >>> tag_version("1.2.3_build.4")
    '1.2.3+build.4'
    """
    return tag.replace("_", "+")
