"""How many pulls a fake registry allows, as Docker Hub does: reading a manifest counts, asking with HEAD does not."""

from werkzeug.wrappers import Request, Response

from tests.fakes.registry import FakeRegistry


class Allowance:
    """The pulls that a registry allows, and how many are left, as its answers say; after that it sends 429."""

    def __init__(self, fake: FakeRegistry, limit: int) -> None:
        self.fake, self.limit, self.left = fake, limit, limit
        self.refused = 0
        fake.always("/manifests/", self._count)

    @property
    def used(self) -> int:
        return self.limit - self.left

    def _count(self, request: Request) -> Response | None:
        if request.method == "GET":
            if not self.left:
                self.refused += 1
                return Response(status=429, headers={"Retry-After": "3600"})
            self.left -= 1
        self.fake.manifest_headers = {
            "ratelimit-limit": f"{self.limit};w=21600",
            "ratelimit-remaining": f"{self.left};w=21600",
        }
        return None
