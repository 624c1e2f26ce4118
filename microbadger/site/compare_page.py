"""Writes the page that compares two versions of an image. A static site has no such page."""

from microbadger.image import ComparisonDocument, difference_lines
from microbadger.site.options import SiteOptions
from microbadger.site.paths import ImagePaths
from microbadger.site.templating import render


def compare_page(comparison: ComparisonDocument, old: str, new: str, paths: ImagePaths, site: SiteOptions) -> bytes:
    """Return the page with the differences between two versions, which it calls by the requested tags or digests."""
    return render(
        "compare.html",
        site,
        comparison=comparison,
        old=old,
        new=new,
        paths=paths,
        lines=difference_lines(comparison["Difference"]),
    )
