"""What a run reports at its end."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass
class Survived:
    """How often a kind of fault was brought about, how often it healed, and how long that took at most."""

    times: int = 0
    survived: int = 0
    longest_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a run."""

    seconds: float
    faults: Mapping[str, Survived]
    kills: int
    stops: list[float]
    webhooks: Mapping[str, int]
    pushes: int
    messages: int
    commands: int
    reads: Mapping[str, int]
    growth: Mapping[str, float]
    """By how much a worker grew at most, in what."""
    leftovers: int
    violations: list[str] = field(default_factory=list)


def table(result: Result) -> str:
    """Return a result in lines to read."""
    return "\n".join(_lines(result))


def _lines(result: Result) -> Iterable[str]:
    yield f"{'fault':34} times survived longest until healed"
    for kind, each in sorted(result.faults.items()):
        yield f"{kind:34} {each.times:5} {each.survived:8} {each.longest_seconds:8.1f} s"
    all_ = result.faults.values()
    yield f"{'all':34} {sum(each.times for each in all_):5} {sum(each.survived for each in all_):8}"
    yield f"{result.seconds:.0f} seconds, {result.pushes} pushes, {result.commands} commands"
    yield f"kills survived: {result.kills}"
    if result.stops:
        median = statistics.median(result.stops)
        yield f"stops: {len(result.stops)}, median {median:.2f} s, slowest {max(result.stops):.2f} s"
    yield "webhooks: " + ", ".join(f"{count} {what}" for what, count in result.webhooks.items())
    yield "reads: " + ", ".join(f"{count} {what}" for what, count in result.reads.items())
    yield f"messages to a subscriber: {result.messages}"
    yield "growth of a worker at most: " + ", ".join(f"{amount:+.1f} {what}" for what, amount in result.growth.items())
    yield f"temporary files left by kills, and swept: {result.leftovers}"
    yield f"violations: {len(result.violations)}"
    yield from (f"- {violation}" for violation in result.violations)
