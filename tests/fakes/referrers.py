"""What registries, and clients in their place, list as referring to an image; it can be as odd as one likes.

    lists = ReferrerLists(fake)                        # from now on the registry offers lists
    fake.push("team/web", None, bundle_referrer(app, None))
    lists.page_size = 1
    fake.push("team/web", fallback_tag(app.digest), referrer_list(bundle_referrer(app, None)))   # without them
"""

import json
from typing import Any

from werkzeug.wrappers import Request, Response

from microbadger.image.manifest import OCI_INDEX
from tests.fakes.claims import referrer
from tests.fakes.registry import FakeImage, FakeRegistry, to_json

LIFECYCLE = "application/vnd.microsoft.artifact.lifecycle"
NOTATION = "application/vnd.cncf.notary.signature"
OLD_COSIGN = "application/vnd.dev.cosign.artifact.sig.v1+json"

class ReferrerLists:
    """The lists of a registry that offers them: of what was pushed with a subject, and whatever else is added."""

    def __init__(self, fake: FakeRegistry) -> None:
        self.page_size = 0
        """Entries a page, 0 for all."""
        self.content_type = OCI_INDEX
        self.more: list[object] = []
        """What is listed besides, whatever it refers to."""
        self._fake = fake
        fake.referrers = self._answer

    def _answer(self, request: Request, repository: str, digest: str) -> Response:
        entries = [*map(entry_of, self._found(repository, digest)), *self.more]
        start, size = int(request.args.get("last", 0)), self.page_size or len(entries)
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries[start : start + size]}
        answer = Response(to_json(index), content_type=self.content_type)
        if start + size < len(entries):
            answer.headers["Link"] = f'<{request.path}?last={start + size}>; rel="next"'
        return answer

    def _found(self, repository: str, digest: str) -> list[FakeImage]:
        pushed = self._fake.images(repository)
        return [each for each in pushed if json.loads(each.raw).get("subject", {}).get("digest") == digest]


def entry_of(artifact: FakeImage, **fields: Any) -> dict[str, Any]:
    """Return how a list refers to an artifact."""
    manifest = json.loads(artifact.raw)
    kind = manifest.get("artifactType") or manifest["config"]["mediaType"]
    return artifact.descriptor(artifactType=kind, annotations=manifest.get("annotations", {})) | fields


def referrer_list(*artifacts: FakeImage, **fields: Any) -> FakeImage:
    """Return the list that a client keeps under a fallback tag, with what it lists."""
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*map(entry_of, artifacts)]}
    return FakeImage(to_json(document | fields), OCI_INDEX, {}, artifacts)


def lifecycle(subject: FakeImage, ends: str, created: str = "2026-11-20T10:00:00Z") -> FakeImage:
    """Return an artifact that says when the life of an image ends, as Microsoft writes it."""
    annotations = {
        "vnd.microsoft.artifact.lifecycle.end-of-life.date": ends,
        "org.opencontainers.image.created": created,
    }
    return referrer(subject, LIFECYCLE, {}, annotations=annotations)
