"""A run over several machines: one fault after the other, and what is asked after each and at the end."""

import random
import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.endurance.machine_faults import FAULTS, Begin
from tests.endurance.machines import Cluster
from tests.endurance.report import Survived
from tests.object_stores import ObjectStore
from tests.postgresql import PostgresqlServer

_SENDERS = 3
_HEALED_SECONDS = 90.0
_STEP_SECONDS = 0.1
_REST_SECONDS = 15.0  # longer than a round of the schedule that waits in vain for the bucket


@dataclass(frozen=True)
class MachinesLength:
    """How long a run is and how much there is to do in it."""

    seconds: float
    machine_count: int = 2
    image_count: int = 24
    hold_seconds: float = 0.7
    only: str = ""
    """Texts, with commas between them, of which the kind of a fault has to hold one to be brought about."""


@dataclass(frozen=True, kw_only=True)
class MachinesResult:
    """What came of a run."""

    seconds: float
    faults: dict[str, Survived]
    kills: int
    stalls: int
    cuts: int
    pushes: int
    checks: int
    accepted: int
    refused: int
    unanswered: int
    lost: int
    stale: int
    p50_ms: float
    p99_ms: float
    violations: list[str] = field(default_factory=list)


def endure_on_machines(
    folder: Path, server: PostgresqlServer, store: ObjectStore, length: MachinesLength, seed: int
) -> MachinesResult:
    """Bring about faults drawn by lot, as long as it takes, and return what came of it."""
    dice = random.Random(seed)
    size = {"count": length.machine_count, "image_count": length.image_count}
    with Cluster(folder, server, store, **size) as cluster:
        return _Run(cluster, length, dice).result(folder)


class _Run:
    def __init__(self, cluster: Cluster, length: MachinesLength, dice: random.Random) -> None:
        self._cluster = cluster
        self._length = length
        self._dice = dice
        self._survived: dict[str, Survived] = {}
        self._lost = self._stale = 0

    def result(self, folder: Path) -> MachinesResult:
        """Run, and return what came of it."""
        cluster, began_at = self._cluster, time.monotonic()
        with ThreadPoolExecutor(_SENDERS) as pool:
            senders = [pool.submit(cluster.send, random.Random(self._dice.random())) for _ in range(_SENDERS)]
            try:
                self._bring_about(began_at + self._length.seconds)
            finally:
                cluster.is_over.set()
            for each in senders:
                each.result()
        self._compare(folder)
        return self._told(time.monotonic() - began_at)

    def _bring_about(self, end_at: float) -> None:
        texts = self._length.only.split(",")
        faults = [fault for fault in FAULTS.items() if any(text in fault[0] for text in texts)]
        waiting: list[tuple[str, Begin]] = []
        while time.monotonic() < end_at:
            waiting = waiting or self._dice.sample(faults, len(faults))
            self._undergo(*waiting.pop())

    def _undergo(self, kind: str, begin: Begin) -> None:
        cluster = self._cluster
        survived, violations = self._survived.setdefault(kind, Survived()), len(cluster.violations)
        survived.times += 1
        cluster.turn_to_others()
        cluster.may_push.set()
        try:
            cluster.is_over.wait(self._length.hold_seconds / 2)
            with begin(cluster, self._dice):
                cluster.is_over.wait(self._length.hold_seconds)
        except AssertionError as error:  # something did not happen in time
            cluster.violate(f"{kind}: {str(error).splitlines()[0]}")
        over_at = time.monotonic()
        cluster.quiet()
        self._lost += len(self._waits_in_vain(cluster.lost, f"{kind}: accepted webhooks led to checks"))
        self._stale += len(self._waits_in_vain(cluster.stale, f"{kind}: badges show the last push"))
        seconds = time.monotonic() - over_at
        survived.longest_seconds = max(survived.longest_seconds, seconds)
        survived.survived += len(cluster.violations) == violations
        print(f"{time.time() - cluster.began_at:7.1f} s {kind}: healed after {seconds:.1f} s", flush=True)

    def _waits_in_vain(self, left: Callable[[], list[str]], what: str) -> list[str]:
        """Wait until nothing is left; return what is left in the end."""
        deadline = time.monotonic() + _HEALED_SECONDS
        while found := left():
            if time.monotonic() > deadline:
                self._cluster.violate(f"{what}: not within {_HEALED_SECONDS:.0f} s, such as {found[0]}")
                return found
            time.sleep(_STEP_SECONDS)
        return []

    def _compare(self, folder: Path) -> None:
        """See whether every machine and the bucket have the same, and whether the database has nothing else."""
        cluster = self._cluster
        self._waits_in_vain(cluster.differences, "every machine and the bucket have the same, the last push")
        before = self._at_rest()
        published = cluster.place(folder / "elsewhere").command("publish")
        if published.returncode:
            cluster.violate(f"flask publish ended with {published.returncode}: {published.stderr[-400:]}")
        changed = {key for key, etag in cluster.etags().items() if before.get(key, etag) != etag}
        if changed:
            cluster.violate(f"{len(changed)} objects were not what the database says, such as {min(changed)}")
        for service in cluster.services:
            if broken := service.lines("Traceback"):
                cluster.violate(f"the log has {len(broken)} tracebacks, such as {broken[0][:600]}")
            if defects := service.lines("event=scheduled_work_broke"):
                cluster.violate(f"the log has {len(defects)} defects, such as {defects[0][:600]}")

    def _at_rest(self) -> dict[str, str]:
        """Return what is in the bucket once that has not changed for a while: lists are written last."""
        now, deadline = self._cluster.etags(), time.monotonic() + _HEALED_SECONDS
        while time.monotonic() < deadline:
            time.sleep(_REST_SECONDS)
            before, now = now, self._cluster.etags()
            if before == now:
                return now
        self._cluster.violate(f"the bucket still changes after {_HEALED_SECONDS:.0f} s")
        return now

    def _told(self, seconds: float) -> MachinesResult:
        cluster, sent = self._cluster, self._cluster.sent
        percentiles = statistics.quantiles(sent.seconds, n=100)
        return MachinesResult(
            seconds=seconds,
            faults=self._survived,
            kills=cluster.kills,
            stalls=cluster.stalls,
            cuts=cluster.cuts,
            pushes=sum(sum(moving.pushed.values()) for moving in cluster.images),
            checks=sum(len(service.lines("event=refreshed")) for service in cluster.services),
            accepted=sent.accepted,
            refused=sent.refused,
            unanswered=sent.unanswered,
            lost=self._lost,
            stale=self._stale,
            p50_ms=percentiles[49] * 1000,
            p99_ms=percentiles[98] * 1000,
            violations=cluster.violations,
        )


def machines_table(result: MachinesResult) -> str:
    """Return a result in lines to read."""
    return "\n".join(_lines(result))


def _lines(result: MachinesResult) -> Iterable[str]:
    yield f"{'fault':38} times survived longest until healed"
    for kind, each in sorted(result.faults.items()):
        yield f"{kind:38} {each.times:5} {each.survived:8} {each.longest_seconds:8.1f} s"
    yield f"{result.seconds:.0f} seconds, {result.pushes} pushes, {result.checks} checks"
    yield f"kills: {result.kills}, stalls: {result.stalls}, cuts and faults of the bucket: {result.cuts}"
    yield f"webhooks: {result.accepted} accepted, {result.refused} refused, {result.unanswered} without an answer"
    yield f"accepted webhooks lost: {result.lost}"
    yield f"stale badges after the last push: {result.stale}"
    yield f"time to 200: p50 {result.p50_ms:.0f} ms, p99 {result.p99_ms:.0f} ms"
    yield f"violations: {len(result.violations)}"
    yield from (f"- {violation}" for violation in result.violations)
