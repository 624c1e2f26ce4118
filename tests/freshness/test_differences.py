"""What the log of changes says of a push: that it was a rebuild, or what differs from the version before."""

import json
import zlib

from microbadger.image.changes import ChangedTagDocument
from microbadger.store.tables import VERSIONS
from tests.fakes.registry import FakeImage, image, index
from tests.freshness.bench import Bench


def pushed(bench: Bench, *versions: FakeImage) -> ChangedTagDocument:
    """Return how `latest` moved at last."""
    for version in versions:
        bench.fake.push("team/web", "latest", version)
        assert bench.refresh() is None
    (moved,) = bench.changes[0]["Changed"]
    return moved


def forget_configs(bench: Bench) -> None:
    """Leave the documents of versions as a program wrote them that did not keep configs."""
    with bench.database.write() as connection:
        for row in connection.execute(VERSIONS.select()).all():
            document = json.loads(zlib.decompress(row.document))
            del document["Config"], document["ConfigDigest"]
            packed = zlib.compress(json.dumps(document).encode())
            connection.execute(VERSIONS.update().where(VERSIONS.c.sha == row.sha).values(document=packed))


def test_new_attestations_are_a_rebuild(bench: Bench) -> None:
    assert pushed(bench, image(), index(image(), attestations=True))["Kind"] == "rebuilt"


def test_new_annotations_are_a_rebuild(bench: Bench) -> None:
    first, second = (index(image(annotations={"build": number}), image(architecture="arm64")) for number in "12")

    assert pushed(bench, first, second)["Kind"] == "rebuilt"


def test_a_change_names_what_differs(bench: Bench) -> None:
    moved = pushed(
        bench,
        image(layers=[1000], config={"config": {"User": "root", "Env": ["MODE=slow"]}}),
        image(layers=[1000, 500], config={"config": {"User": "app", "Env": ["MODE=fast"]}}),
    )

    assert moved["Kind"] == "moved"
    assert moved["Difference"] == {
        "DownloadSize": {"Old": 1000, "New": 1500},
        "Layers": {
            "AddedCount": 1,
            "RemovedCount": 0,
            "KeptCount": 1,
            "Added": [{"Command": "RUN step 1", "DownloadSize": 500}],
            "Removed": [],
        },
        "User": {"Old": "root", "New": "app"},
        "Env": {"MODE": {"Old": "slow", "New": "fast"}},
    }


def test_a_change_names_the_other_tags_of_both_versions(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1]))
    bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.refresh()
    bench.fake.push("team/web", "1.1", image(layers=[2]))

    moved = pushed(bench, image(layers=[2]))

    assert (moved["OldTags"], moved["NewTags"]) == (["1.0"], ["1.1"])
    assert bench.changes[0]["New"][0]["NewTags"] == ["latest"]


def test_the_config_of_a_version_that_was_described_without_one_is_no_difference(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.refresh()
    forget_configs(bench)

    moved = pushed(bench, image(layers=[1], config={"config": {"User": "app", "Env": ["A=1"], "Cmd": ["run"]}}))

    assert moved["Kind"] == "moved"
    assert "Difference" not in moved
