"""Services as on several machines: each has a data folder of its own, all have one PostgreSQL and one public tree."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.postgresql import PostgresqlServer
from tests.running_service import RunningService


@contextmanager
def running(
    folder: Path, server: PostgresqlServer, images: Sequence[str], *options: str, count: int = 2, **settings: str
) -> Iterator[list[RunningService]]:
    """Run so many services, which publish the same; the first one has begun before the others."""
    url, public = server.new_schema(), folder / "public"
    first = RunningService(folder / "machine0", images, *options, **settings)
    others = [
        RunningService(folder / f"machine{number}", images, *options, base_url=first.url, **settings)
        for number in range(1, count)
    ]
    services = [first, *others]
    with ExitStack() as stack:
        for service in services:
            service.environment |= {"DATABASE_URL": url, "MICROBADGER_PUBLIC_DIR": str(public)}
            service.public = public
            stack.enter_context(service)
        yield services
