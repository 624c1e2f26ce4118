"""Writes metrics in Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from microbadger.store import CountLabels

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LABEL_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its name, type and help text, and its values by their labels."""

    name: str
    kind: str
    help: str
    values: Mapping[CountLabels, float]
    suffixed: Mapping[str, Mapping[CountLabels, float]] = field(default_factory=dict)
    """Values by a suffix of the name, such as the ``_sum`` and the ``_count`` of a summary."""


def exposition(metrics: Iterable[Metric]) -> bytes:
    """Return metrics in Prometheus' text format."""
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for suffix, values in {"": metric.values, **metric.suffixed}.items():
            name = metric.name + suffix
            lines += [f"{name}{_braced(labels)} {_number(value)}" for labels, value in sorted(values.items())]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _braced(labels: CountLabels) -> str:
    pairs = ",".join(f'{name}="{value.translate(_LABEL_ESCAPES)}"' for name, value in labels)
    return f"{{{pairs}}}" if pairs else ""


def _number(value: float) -> str:
    return str(int(value)) if value == math.floor(value) else repr(value)
