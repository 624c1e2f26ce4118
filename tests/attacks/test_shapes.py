"""Records of another shape: valid JSON whose types are wrong is read again, and stays stuck nowhere."""

import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Table, select

from microbadger.image.changes import ChangeDocument
from microbadger.image.documents import ImageDocument, VersionDocument
from microbadger.image.shapes import has_shape
from microbadger.store.tables import CHANGES, CHECKS, RECORDS, SUBSCRIPTIONS, TAG_LISTS, VERSIONS
from tests.fakes.registry import FakeRegistry, image, index
from tests.freshness.bench import Bench

OTHERS: list[Any] = [None, True, 7, -1.5, "x", [], [None], {}, {"a": None}, [[[]]], 10**30]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with FakeRegistry() as fake:
        bench = Bench(tmp_path_factory.mktemp("shapes"), fake)
        labels = {"org.opencontainers.image.licenses": "MIT", "org.opencontainers.image.revision": "a" * 40}
        both = index(image(labels=labels, layers=[1]), image(architecture="arm64", layers=[2]), attestations=True)
        fake.push("team/web", "1.0", image(labels=labels))
        assert bench.refresh() is None
        fake.push("team/web", "latest", both)
        assert bench.refresh() is None
        yield bench
        bench.database.close()


def spoiled(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield a document with each of its values, however deep, replaced by values of other types."""
    yield from ((f"={other!r:.20}", other) for other in OTHERS)
    parts = document.items() if isinstance(document, dict) else enumerate(document[:1])
    for key, value in list(parts):
        if isinstance(value, dict | list):
            changes = spoiled(value)
        else:
            changes = ((f"={other!r:.20}", other) for other in OTHERS if type(other) is not type(value))
        for name, other in changes:
            copy: Any = dict(document) if isinstance(document, dict) else list(document)
            copy[key] = other
            yield f"{key}{name}", copy


def kept(bench: Bench, table: Table) -> Any:
    with bench.database.read() as connection:
        document = connection.execute(select(table.c.document).order_by(*table.primary_key)).scalars().all()[-1]
    return json.loads(zlib.decompress(document) if isinstance(document, bytes) else document)


def replace(bench: Bench, table: Table, **values: Any) -> None:
    with bench.database.write() as connection:
        connection.execute(table.update().values(values))


def packed(document: Any) -> bytes:
    return zlib.compress(json.dumps(document).encode())


def test_every_field_of_another_type_is_noticed(bench: Bench) -> None:
    for table, kind in ((RECORDS, ImageDocument), (VERSIONS, VersionDocument), (CHANGES, ChangeDocument)):
        whole = kept(bench, table)
        assert has_shape(whole, kind)
        for name, document in spoiled(whole):
            # An empty list or object can be whole, an object of labels takes every text, and a config further fields.
            is_still_whole = has_shape(document, kind)
            if is_still_whole:
                assert document == whole or name.endswith(("=[]", "={}", "Config={'a': None}")), name


@pytest.mark.parametrize("other", OTHERS, ids=repr)
@pytest.mark.parametrize("field", ["Versions", "UpdatedAt", "Registry", "Labels", "Platforms", "DownloadSize"])
def test_a_record_of_another_shape_is_read_again(bench: Bench, field: str, other: Any) -> None:
    whole = kept(bench, RECORDS)
    if type(other) is type(whole[field]):
        return
    replace(bench, RECORDS, document=packed({**whole, field: other}))

    assert bench.freshness.records.image(bench.repository) is None
    assert [*bench.freshness.checks.due()] == [bench.repository]
    assert bench.check_later(hours=0.1)
    assert has_shape(kept(bench, RECORDS), ImageDocument)
    assert bench.record["LatestSHA"] == whole["LatestSHA"]


@pytest.mark.parametrize("other", [None, [], {}, {"SHA": 7}, "x", 7])
def test_a_version_of_another_shape_is_read_again(bench: Bench, other: Any) -> None:
    whole = kept(bench, VERSIONS)
    replace(bench, VERSIONS, document=packed(other))

    bench.freshness.records.version(bench.repository, whole["SHA"])
    outcome = bench.check_later(hours=0.1)

    assert outcome
    assert outcome.error is None
    assert kept(bench, VERSIONS) == whole


@pytest.mark.parametrize("other", [*OTHERS, {"Time": "x", "New": [7], "Changed": [], "Deleted": []}], ids=repr)
def test_a_change_of_another_shape_is_left_out(bench: Bench, other: Any) -> None:
    whole = kept(bench, CHANGES)
    replace(bench, CHANGES, document=json.dumps(other))

    assert bench.changes == []
    assert bench.refresh() is None
    replace(bench, CHANGES, document=json.dumps(whole))


@pytest.mark.parametrize("other", OTHERS, ids=repr)
@pytest.mark.parametrize("column", ["pushed_tags", "viewed_tags", "absent_tags"])
def test_a_check_of_another_shape_counts_as_never_set(bench: Bench, column: str, other: Any) -> None:
    replace(bench, CHECKS, **{column: json.dumps(other)})
    assert bench.refresh() is None
    assert bench.freshness.checks.get(bench.repository).state(bench.time) == "current"


@pytest.mark.parametrize("text", ["", "x", "[", "\0", "[" * 5000])
@pytest.mark.parametrize("column", ["pushed_tags", "viewed_tags", "absent_tags", "reason"])
def test_a_check_that_is_not_json_counts_as_never_set(bench: Bench, column: str, text: str) -> None:
    replace(bench, CHECKS, **{column: text})
    assert bench.refresh() is None


@pytest.mark.parametrize("seconds", [1e300, -1e300, -5.0, 1e15])
@pytest.mark.parametrize("column", ["began_at", "ended_at", "succeeded_at", "failing_since", "due_at"])
def test_a_time_that_has_no_date_counts_as_never_set(bench: Bench, column: str, seconds: float) -> None:
    replace(bench, CHECKS, **{column: seconds})
    bench.freshness.checks.get(bench.repository).status(bench.repository, bench.time)
    bench.freshness.checks.summary()
    assert bench.refresh() is None


@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_a_list_of_tags_of_another_shape_is_begun_anew(bench: Bench, other: Any) -> None:
    with bench.database.write() as connection:
        connection.execute(TAG_LISTS.delete())
        connection.execute(TAG_LISTS.insert(), {"image": str(bench.repository), "document": packed(other)})
    assert bench.freshness.records.tag_lists.of(bench.repository) == {}
    assert bench.refresh() is None


@pytest.mark.parametrize("other", [*OTHERS, {"ImageName": 7}, {"ImageName": "x", "PullCount": "many"}], ids=repr)
def test_an_entry_of_another_shape_is_made_anew(bench: Bench, other: Any) -> None:
    replace(bench, RECORDS, entry=json.dumps(other))

    bench.freshness.catalogue.publish()

    assert json.loads(bench.files()["v1/images.json"])["Images"][0]["State"] == "current"
    assert bench.check_later(hours=0.1)
    with bench.database.read() as connection:
        assert json.loads(connection.execute(select(RECORDS.c.entry)).scalar_one())["DownloadSize"]


@pytest.mark.parametrize("text", ["", "x", "null", "7", '{"a": 1}', "[7]"])
def test_the_tags_of_a_subscription_of_another_shape_fit_no_tag(bench: Bench, text: str) -> None:
    bench.subscribe()
    replace(bench, SUBSCRIPTIONS, tags=text)
    assert bench.notifications.all()[0].tags == ("-",)


def test_a_record_of_another_image_is_not_believed(bench: Bench) -> None:
    whole = kept(bench, RECORDS)
    replace(bench, RECORDS, document=packed({**whole, "Repository": "../../etc"}))
    assert bench.freshness.records.image(bench.repository) is None
    assert bench.refresh() is None
