"""Writes the page that compares two versions of an image; only the service has it."""

from microbadger.image import ComparisonDocument, difference_lines
from microbadger.site.options import SiteOptions
from microbadger.site.paths import ImagePaths
from microbadger.site.templating import render


def compare_page(comparison: ComparisonDocument, old: str, new: str, paths: ImagePaths, site: SiteOptions) -> bytes:
    """Return the page that says what differs between two versions, each called by the tag or digest asked for."""
    return render(
        "compare.html",
        site,
        comparison=comparison,
        old=old,
        new=new,
        paths=paths,
        lines=difference_lines(comparison["Difference"]),
    )
