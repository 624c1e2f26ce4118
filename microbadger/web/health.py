"""Routes for monitoring: whether the service runs, how fresh its images are, what fails, and the metrics."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from flask import Blueprint, Response, request

from microbadger import __version__
from microbadger.cdn import CdnPurge, Status
from microbadger.freshness import REGISTRY_HANGS, Check, Freshness, Summary
from microbadger.image import Repository, format_time, image_name
from microbadger.logs import EventLog
from microbadger.notifications import Notifications
from microbadger.store import CountLabels, Counts, StoreError, Totals, in_haste, labels_of, trouble_with
from microbadger.web.answers import NOT_KEPT, answer, document_answer, text_answer
from microbadger.web.metrics import MEDIA_TYPE, Metric, exposition

log = EventLog(__name__)

T = TypeVar("T")

_NOTHING_IS_READ = "This cannot be done now: the database cannot be used."
_COUNTERS = {
    "refreshes": "Finished checks, by result.",
    "refresh_failures": "Failed checks, by cause.",
    "webhooks": "Accepted webhooks, by sender and outcome.",
    "webhooks_refused": "Refused webhooks, by reason.",
    "untracked_requests": "Requests for untracked images on open registries, by outcome.",
    "registry_requests": "Requests to registries and Docker Hub's web API, by host, kind and status.",
    "notification_attempts": "Attempts to send a notification, by result.",
}
_GAUGES = {
    "registry_pulls_left": "Pulls left in the current window of a registry, as it last reported.",
    REGISTRY_HANGS: "Seconds that a check has waited for a hanging registry.",
    "last_round_timestamp_seconds": "When a worker last finished a round of the shared work, as Unix time.",
}
_FOLDERS = re.compile(r"(?<![\w/:.-])/(?:[^\s/\"']+/)*(?=[^\s/\"'])")


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRoutes:
    """The routes for monitors."""

    freshness: Freshness
    notifications: Notifications
    cdn: CdnPurge
    counts: Counts
    folders: Sequence[Path]

    def blueprint(self) -> Blueprint:
        """Return the routes, ready to be registered with an app."""
        routes = Blueprint("health", __name__)
        for rule, view in (
            ("/healthcheck.txt", self.healthcheck),
            ("/healthz", self.health),
            ("/metrics", self.metrics),
        ):
            routes.add_url_rule(rule, view_func=view, methods=["GET"], strict_slashes=False)
        return routes

    def healthcheck(self) -> Response:
        """Answer that the service runs."""
        return text_answer("HEALTH OK")

    def health(self) -> Response:
        """Answer with the number of images, the age of their checks, and what fails."""
        store, own = _Questions(), _Questions()
        with in_haste():
            summary = store.ask(self.freshness.checks.summary)
            registries = store.ask(lambda: [*self._hanging(), *self._paused()]) or []
            problems = own.ask(lambda: self.freshness.problems) or []
            queues = store.ask(self._queues)
        document: dict[str, object] = {"Error": _NOTHING_IS_READ} if store.is_away else {}
        if summary:
            document |= self._standing(summary)
        sentences = [*self._not_writable(), *problems, *own.troubles, *store.troubles]
        shown = (_without_folders(sentence, self.folders) for sentence in sentences)
        document["Problems"] = [*dict.fromkeys(shown), *registries]
        if queues:
            document["Queues"] = queues
        if status := self.cdn.status():
            document["Purge"] = _purge(status)
        return document_answer(document, store.status)

    def metrics(self) -> Response:
        """Answer with the metrics for Prometheus."""
        store = _Questions()
        with in_haste():
            content = exposition(self._metrics(store))
        if store.is_away:
            content += f"# {_NOTHING_IS_READ}\n".encode()
        return answer(content, store.status, MEDIA_TYPE, NOT_KEPT)

    def _standing(self, summary: Summary) -> dict[str, object]:
        return {
            **_states(summary),
            "OldestCheck": format_time(summary.oldest_check) if summary.oldest_check else None,
            "Failures": [self._failure(repository, check) for repository, check in summary.failing],
            "Notes": [{"ImageName": image_name(image), "Note": check.note} for image, check in summary.noted],
        }

    def _metrics(self, store: "_Questions") -> Iterator[Metric]:
        yield Metric("microbadger_build_info", "gauge", "The running version.", {(("version", __version__),): 1})
        if totals := store.ask(self.counts.read):
            yield from _counted(totals)
        if summary := store.ask(self.freshness.checks.summary):
            yield from self._images(summary)
        if lengths := store.ask(self._queues):
            queues = {labels_of({"queue": name}): count for name, count in lengths.items()}
            yield Metric("microbadger_queue_length", "gauge", "Messages and purges that wait or are parked.", queues)

    def _images(self, summary: Summary) -> Iterator[Metric]:
        states = {labels_of({"state": state.lower()}): count for state, count in _states(summary).items()}
        yield Metric("microbadger_images", "gauge", "Tracked images, by state.", states)
        oldest = summary.oldest_check
        age: dict[CountLabels, float] = {(): (self.freshness.now() - oldest).total_seconds()} if oldest else {}
        yield Metric("microbadger_oldest_check_age_seconds", "gauge", "Age of the oldest successful check.", age)

    def _not_writable(self) -> Iterator[str]:
        """Yield a sentence about each folder that cannot be written, even if nothing has tried to write it yet."""
        for folder in self.folders:
            if trouble := trouble_with(folder):
                yield f"The folder {folder.name} cannot be written: {trouble}."

    def _hanging(self) -> Iterator[str]:
        """Yield a sentence about each registry that hangs, in any process."""
        for labels, seconds in sorted(self.counts.read().of(REGISTRY_HANGS).items()):
            yield f"{dict(labels)['host']} hangs: a check has waited for it for {seconds:.0f} seconds"

    def _paused(self) -> Iterator[str]:
        """Yield a sentence about each registry that is paused, in any process."""
        for host, until in self.freshness.pauses().items():
            yield f"{host} asked for fewer requests and is paused until {format_time(until)}"

    def _queues(self) -> dict[str, int]:
        lengths = {f"notifications_{state}": count for state, count in self.notifications.lengths().items()}
        status = self.cdn.status()
        return lengths | ({"purge": status.waiting} if status else {})

    def _failure(self, repository: Repository, check: Check) -> dict[str, object]:
        status = check.status(repository, self.freshness.now())
        return {
            "ImageName": status["ImageName"],
            "Reason": status.get("Reason"),
            "Error": status.get("Error"),
            "FailingSince": status.get("FailingSince"),
            "Failures": check.failures,
            "NextCheck": status.get("NextCheckAt"),
        }


class _Questions:
    """The queries of one request to the database. Each one is answered soon or fails."""

    def __init__(self) -> None:
        self.troubles: list[str] = []
        """One sentence for each query that failed."""
        self._answered = 0

    @property
    def is_away(self) -> bool:
        """Whether all queries failed."""
        return bool(self.troubles) and not self._answered

    @property
    def status(self) -> int:
        """The status of the answer: 503 if all queries failed, else 200."""
        return 503 if self.is_away else 200

    def ask(self, question: Callable[[], T]) -> T | None:
        """Return the result of a query, or None if the database cannot be used."""
        try:
            answered = question()
        except StoreError as error:
            log.error("request_failed", method=request.method, rule=request.url_rule, error=error)
            self.troubles.append(error.in_public)
            return None
        self._answered += 1
        return answered


def _counted(totals: Totals) -> Iterator[Metric]:
    for name, description in _COUNTERS.items():
        yield Metric(f"microbadger_{name}_total", "counter", description, totals.of(name))
    for name, description in _GAUGES.items():
        yield Metric(f"microbadger_{name}", "gauge", description, totals.of(name))
    took = {suffix: totals.of(f"refresh_seconds{suffix}") for suffix in ("_sum", "_count")}
    yield Metric("microbadger_refresh_seconds", "summary", "How long checks took, by result.", {}, took)


def _without_folders(sentence: str, known: Iterable[Path] = ()) -> str:
    """Return a sentence without the folders of this machine, which only the log and the commands show.

    Folders in ``known`` can have any name; the name of any other folder ends at a space.

    >>> _without_folders("The database /srv/data/microbadger.db cannot be used.")
    'The database microbadger.db cannot be used.'
    """
    for folder in (path for each in known for path in (each, each.resolve())):
        sentence = sentence.replace(f"{folder}/", "").replace(str(folder), folder.name)
    return _FOLDERS.sub("", sentence)


def _states(summary: Summary) -> dict[str, int]:
    return {
        "Images": summary.image_count,
        "Pending": summary.pending_count,
        "Due": summary.due_count,
        "Failing": summary.failing_count,
    }


def _purge(status: Status) -> dict[str, object]:
    next_try = format_time(status.next_try_at) if status.next_try_at else None
    return {"Waiting": status.waiting, "Error": status.error, "NextTry": next_try}
