"""Pull commands, also of artifacts that are not images, and the facts of Helm charts for a page."""

from collections.abc import Iterator

from microbadger.image import (
    DOCKER_HUB,
    ChartDocument,
    ImageDocument,
    Repository,
    VersionDocument,
    image_name,
    tag_version,
    tags_of,
)
from microbadger.site.rows import Part, Row, linked, row

_DOCKER_HUB_API = "registry-1.docker.io"  # Helm does not know docker.io


def pull_command(image: ImageDocument, version: VersionDocument, tag: str | None) -> str:
    """Return the command that pulls a version of an image, a chart or another artifact by a tag."""
    repository = Repository(image["Registry"], image["Repository"])
    tag = tag or "latest"
    if "Chart" in version:
        host = _DOCKER_HUB_API if repository.registry == DOCKER_HUB else repository.registry
        return f"helm pull oci://{host}/{repository.path} --version {version_named(version, tag)}"
    if "Unsupported" in version:
        return f"oras pull {repository.registry}/{repository.path}:{tag}"
    return f"docker pull {image_name(repository)}:{tag}"


def pinned_pull_command(image: ImageDocument, version: VersionDocument, tag: str | None) -> str:
    """Return the command that pulls a version by its digest, or an empty string if the digest is not known.

    It is also empty for a chart, because not every version of Helm accepts a digest.
    """
    digest = version["Digest"]
    return f"{pull_command(image, version, tag)}@{digest}" if digest and "Chart" not in version else ""


def version_named(version: VersionDocument, tag: str) -> str:
    """Return the tag or, for a chart, the version to pull: the chart's own if a tag names it, else that of the tag."""
    if "Chart" not in version:
        return tag
    of_chart = version["Chart"].get("Version")
    return of_chart if of_chart and of_chart in map(tag_version, tags_of(version)) else tag_version(tag)


def chart_rows(chart: ChartDocument) -> Iterator[Row]:
    """Yield the facts of a chart."""
    for name, text in (
        ("Name", chart.get("Name")),
        ("Version", chart.get("Version")),
        ("App version", chart.get("AppVersion")),
        ("Description", chart.get("Description")),
        ("Keywords", ", ".join(chart.get("Keywords", []))),
    ):
        if text:
            yield row(name, Part(text))
    if "Home" in chart:
        yield row("Home", linked(chart["Home"]))
    if "Sources" in chart:
        yield Row("Sources", [[linked(source)] for source in chart["Sources"]])
