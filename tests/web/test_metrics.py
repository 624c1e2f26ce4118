"""Metrics as they are written for Prometheus."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from microbadger.store.counts import CountLabels
from microbadger.web.metrics import Metric, exposition


def samples(metrics: Iterable[Metric]) -> dict[tuple[str, CountLabels], float]:
    """Return what Prometheus' own parser reads."""
    families = text_string_to_metric_families(exposition(metrics).decode())
    found = (sample for family in families for sample in family.samples)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in found}


def test_labels_cannot_break_a_line() -> None:
    metric = Metric("m_total", "counter", "What it is.", {(("host", 'größe"\n\\'),): 2})

    assert exposition([metric]).decode().splitlines() == [
        "# HELP m_total What it is.",
        "# TYPE m_total counter",
        'm_total{host="größe\\"\\n\\\\"} 2',
    ]


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 2**53) | st.floats(0, 1e15)))
def test_prometheus_reads_what_is_written_to_the_digit(values: dict[str, float]) -> None:
    metric = Metric("m_total", "counter", "What it is.", {(("host", host),): value for host, value in values.items()})

    assert samples([metric]) == {("m_total", (("host", host),)): value for host, value in values.items()}


def test_a_summary_has_a_sum_and_a_count() -> None:
    metric = Metric("m_seconds", "summary", "How long.", {}, {"_sum": {(): 1.25}, "_count": {(): 3}})

    assert samples([metric]) == {("m_seconds_sum", ()): 1.25, ("m_seconds_count", ()): 3}
