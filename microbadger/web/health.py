"""Answers an operator's monitors: whether it runs, how fresh everything is, what fails, and how much happened."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response

from microbadger import __version__
from microbadger.cdn import Status
from microbadger.freshness import Check, Overview, Summary
from microbadger.image import Repository, format_time, image_name
from microbadger.web.answers import NOT_KEPT, answer, document_answer, text_answer
from microbadger.web.metrics import MEDIA_TYPE, Counts, Labels, Metric, exposition, labels_of

_COUNTERS = {
    "refreshes": "Refreshes that ended, by result.",
    "refresh_failures": "Refreshes that failed, by cause.",
    "webhooks": "Webhooks that were accepted, by sender and by what came of reading them.",
    "webhooks_refused": "Webhooks that were refused, by reason.",
    "registry_requests": "Requests to registries and Docker Hub's web API, by host, kind and status.",
    "notification_attempts": "Messages that were sent to receivers of notifications, by what came of it.",
}
_LATEST = {
    "registry_pulls_left": "Manifests that a registry lets us read before its window ends, as it last said.",
    "last_round_timestamp_seconds": "When the worker that leads last ended a round, as Unix time.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRoutes:
    """The routes for monitors."""

    overview: Overview
    counts: Counts
    queues: Callable[[], dict[str, int]]
    """How many messages wait in each queue of what leaves the service."""
    purge_status: Callable[[], Status | None]
    """How the purging of a CDN stands; None where no CDN is to be purged."""
    problems: Callable[[], list[str]]
    """What an operator should look at that concerns no single image, in a sentence each."""
    now: Callable[[], datetime]

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
        """That the service runs."""
        return text_answer("HEALTH OK")

    def health(self) -> Response:
        """How many images there are, how fresh they are and what fails."""
        summary = self.overview.summary()
        document: dict[str, object] = {
            **_counts(summary),
            "OldestCheck": format_time(summary.oldest_check) if summary.oldest_check else None,
            "Failures": [_failure(repository, check) for repository, check in summary.failing],
            "Problems": self.problems(),
            "Queues": self.queues(),
        }
        if status := self.purge_status():
            document["Purge"] = _purge(status)
        return document_answer(document)

    def metrics(self) -> Response:
        """How much happened, and how things stand, for Prometheus."""
        return answer(exposition(self._metrics()), 200, MEDIA_TYPE, NOT_KEPT)

    def _metrics(self) -> Iterator[Metric]:
        yield Metric("microbadger_build_info", "gauge", "The version that runs.", {(("version", __version__),): 1})
        record = self.counts.read()
        for name, told in _COUNTERS.items():
            yield Metric(f"microbadger_{name}_total", "counter", told, record.totals(name))
        for name, told in _LATEST.items():
            yield Metric(f"microbadger_{name}", "gauge", told, record.latest(name))
        took = {suffix: record.totals(f"refresh_seconds{suffix}") for suffix in ("_sum", "_count")}
        yield Metric("microbadger_refresh_seconds", "summary", "How long refreshes took, by result.", {}, took)
        summary = self.overview.summary()
        states = {labels_of({"state": state.lower()}): count for state, count in _counts(summary).items()}
        yield Metric("microbadger_images", "gauge", "Tracked images, by state.", states)
        oldest = summary.oldest_check
        age: dict[Labels, float] = {(): (self.now() - oldest).total_seconds()} if oldest else {}
        yield Metric("microbadger_oldest_check_age_seconds", "gauge", "Age of the oldest successful check.", age)
        queues = {labels_of({"queue": name}): count for name, count in self.queues().items()}
        yield Metric("microbadger_queue_length", "gauge", "Messages that wait to leave, by queue.", queues)


def _counts(summary: Summary) -> dict[str, int]:
    return {
        "Images": summary.image_count,
        "Pending": summary.pending_count,
        "Due": summary.due_count,
        "Failing": summary.failing_count,
    }


def _purge(status: Status) -> dict[str, object]:
    next_try = format_time(status.next_try_at) if status.next_try_at else None
    return {"Waiting": status.waiting, "Error": status.error, "NextTry": next_try}


def _failure(repository: Repository, check: Check) -> dict[str, object]:
    due_at = format_time(check.due_at) if check.due_at else None
    return {"ImageName": image_name(repository), "Error": check.error, "Failures": check.failures, "NextCheck": due_at}
