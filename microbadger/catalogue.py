"""Publishes what lists all images: ``v1/images.json`` and the home page."""

from dataclasses import dataclass
from pathlib import Path

from microbadger import pages
from microbadger.documents import ImageDocument
from microbadger.files import replace_file
from microbadger.metadata import document_bytes, image_name
from microbadger.public_tree import ASSETS, CATALOGUE, HOME
from microbadger.publisher import Publisher
from microbadger.reference import Repository
from microbadger.tracked_images import TrackedImages

_ASSET_FOLDER = Path(__file__).parent / "assets"
_FIELDS = ("Description", "LatestVersion", "DownloadSize", "LastUpdated", "UpdatedAt")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The lists over all images; many refreshes can share one rewriting of them."""

    tracked: TrackedImages
    publisher: Publisher
    base_url: str
    stale_mark: Path

    def mark_stale(self) -> None:
        """Note on disk that an image changed, for whoever publishes next."""
        replace_file(self.stale_mark, b"")

    def publish_if_stale(self) -> None:
        """Publish if something changed since the last time."""
        if self.stale_mark.exists():
            self.publish()

    def publish(self) -> None:
        """Write both lists; raise PublishError if that cannot be done."""
        self.stale_mark.unlink(missing_ok=True)  # first: what changes from here on marks it again
        images = [_entry(image.repository, self.publisher.read_image(image.repository)) for image in self.tracked]
        self.publisher.write(HOME, pages.home_page(images, self.base_url))
        self.publisher.write(CATALOGUE, document_bytes({"ImageCount": len(images), "Images": images}))

    def publish_assets(self) -> None:
        """Write the files that pages refer to."""
        for asset in sorted(_ASSET_FOLDER.iterdir()):
            self.publisher.write(f"{ASSETS}/{asset.name}", asset.read_bytes())


def _entry(repository: Repository, image: ImageDocument | None) -> dict[str, object]:
    entry: dict[str, object] = {"ImageName": image_name(repository)}
    if image:
        entry |= {field: image[field] for field in _FIELDS if field in image}  # type: ignore[literal-required]
    return entry
