"""A refresh: what it asks for, what it publishes, and what it leaves alone when things go wrong."""

import random
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from microbadger.freshness.look_log import LookLog
from microbadger.freshness.overview import Overview
from werkzeug.wrappers import Request, Response

from microbadger.freshness.checks import Checks
from microbadger.freshness.refresh import Outcome, Refresher
from microbadger.freshness.relatives import LayerIndex
from microbadger.freshness.requests import RefreshRequests
from microbadger.freshness.survey import Surveyor
from microbadger.freshness.tracked_images import TrackedImages
from microbadger.image.changes import Changes
from microbadger.image.documents import ImageDocument, sha_of
from microbadger.image.reference import Reference, Repository
from microbadger.registry.client import Registry
from microbadger.registry.content import ContentCache
from microbadger.registry.docker_hub import DockerHub
from microbadger.site.image_files import paths_of, sampled_paths
from microbadger.site.paths import ImagePaths
from microbadger.site.publisher import Publisher
from microbadger.store.files import read_if_any
from tests.fakes.registry import FakeRegistry, image, index
from tests.real_registry import wait_until
from tests.running_service import badge_text

DEADLINE_SECONDS = 10.0


class Bench:
    """A refresher over a fake registry, with one tracked image, and a clock that a test moves."""

    def __init__(self, folder: Path, fake: FakeRegistry) -> None:
        self.fake = fake
        self.repository = Repository(fake.host, "team/web")
        self.public, self.data = folder / "public", folder / "data"
        self.time = datetime(2026, 11, 24, 12, tzinfo=UTC)
        self.announced: list[Changes] = []
        self.changed: set[str] = set()
        self.ended: list[Outcome] = []
        self.hub_url = ""
        self.checks = self.checks_of("first edition")
        self.requests = RefreshRequests(self.data / "requests")
        self.publisher = Publisher(self.public)
        self.refresher = self.refresher_of()

    def checks_of(self, edition: str) -> Checks:
        return Checks(self.data, interval=timedelta(hours=24), edition=edition, now=lambda: self.time)

    def refresher_of(self, named: str | None = None, max_tags: int = 100) -> Refresher:
        mirrors = {"docker.io": self.fake.url}
        registry = Registry(user_agent="tests", mirrors=mirrors, sleep=lambda _: None)
        tracked = TrackedImages(self.data / "images.txt", named or str(self.repository))
        looks = LookLog(self.data / "looks")
        self.overview = Overview(tracked, self.checks, self.publisher, looks, now=lambda: self.time)
        return Refresher(
            tracked=tracked,
            surveyor=Surveyor(
                registry=registry,
                docker_hub=DockerHub(registry.transport, self.hub_url),
                cache=ContentCache(self.data / "content"),
                max_tags=max_tags,
            ),
            publisher=self.publisher,
            checks=self.checks,
            requests=self.requests,
            layer_index=LayerIndex(self.data / "layers", "http://badges.test"),
            announce=lambda _before, _after, changes: self.announced.append(changes),
            changed=self.changed.update,
            recorded=lambda _repository, _image: None,
            published=lambda: None,
            ended=self.ended.append,
            is_due=self.overview.is_due,
            webhook_url=lambda _: None,
            base_url="http://badges.test",
            now=lambda: self.time,
        )

    def refresh(self) -> str | None:
        return self.refresher.refresh(self.repository).error

    def badge(self, badge_type: str, tag: str = "") -> str:
        path = f"badges/{badge_type}/{self.repository.familiar}{':' + tag if tag else ''}.svg"
        return badge_text(self.publisher.read(path) or b"")

    def files(self) -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in self.public.rglob("*") if path.is_file()}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with FakeRegistry() as fake:
        yield Bench(tmp_path, fake)


def test_it_publishes_badges_for_the_image_and_each_tag(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1024, 1024]))
    bench.fake.push("team/web", "latest", image(layers=[1024, 1024, 1024]))

    assert bench.refresh() is None

    assert bench.badge("image") == "3.0 KiB: 3 layers"
    assert bench.badge("image", "1.0") == "2.0 KiB: 2 layers"


def test_it_describes_linux_amd64_of_an_index_and_skips_attestations(bench: Bench) -> None:
    images = image(architecture="arm64", layers=[1]), image(layers=[2048, 2048])
    bench.fake.push("team/web", "latest", index(*images, attestations=True))

    bench.refresh()

    assert bench.badge("image") == "4.0 KiB: 2 layers"
    assert bench.badge("platforms") == "platforms: linux/arm64, amd64"


def test_it_reads_no_digest_twice(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    bench.fake.requests.clear()

    bench.refresh()

    assert [request.method for request in bench.fake.requests] == ["GET", "HEAD"]
    assert bench.fake.asked("GET", "/manifests/") == 0


def test_an_unchanged_image_changes_only_the_time_it_was_checked(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    before = bench.files()
    bench.time += timedelta(hours=1)

    bench.refresh()

    changed = {path.name for path, mtime in bench.files().items() if before[path] != mtime}
    assert changed == {"web.json", "index.html"}


def test_only_a_look_that_changed_something_wakes_what_sends(bench: Bench) -> None:
    woken: list[str] = []
    refresher = replace(bench.refresher, published=lambda: woken.append(bench.badge("layers")))
    for layers in ([1], [1], [1, 2]):
        bench.fake.push("team/web", "latest", image(layers=layers))
        refresher.refresh(bench.repository)

    assert woken == ["layers: 1", "layers: 2"]


def test_each_look_tells_what_the_record_says_now(bench: Bench) -> None:
    told: list[bool] = []
    bench.fake.push("team/web", "latest", image())
    refresher = replace(
        bench.refresher,
        recorded=lambda repository, image: told.append(image == bench.publisher.read_image(repository)),
    )
    for _ in range(2):
        refresher.refresh(bench.repository)
        bench.time += timedelta(hours=1)

    assert told == [True, True]


def test_another_edition_of_the_service_publishes_everything_anew(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    badge = bench.public / f"badges/image/{bench.repository.familiar}.svg"
    badge.write_text("what an older edition drew")

    bench.checks = bench.checks_of("second edition")
    bench.refresher = bench.refresher_of()
    assert bench.overview.is_due(bench.repository)
    bench.refresher_of().refresh(bench.repository)

    assert bench.badge("image") == "1000 B: 1 layer"


def test_a_registry_that_tells_no_digest_is_read_by_tag(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.fake.manifest_headers = {"Docker-Content-Digest": None}

    assert bench.refresh() is None

    assert bench.badge("layers") == "layers: 1"


def test_a_tag_deleted_since_it_was_listed_is_left_out(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.fake.odd_tags = ["gone"]

    assert bench.refresh() is None

    assert not list(bench.public.rglob("*gone*"))


def test_a_tag_that_vanished_takes_its_files_along(bench: Bench) -> None:
    bench.fake.push("team/web", "1", image(layers=[1]))
    digest = bench.fake.push("team/web", "2", image(layers=[2]))
    bench.refresh()
    bench.fake.delete("team/web", "2")

    bench.refresh()

    assert not [path for path in bench.files() if "web:2." in path.name or digest[7:] in path.name]
    assert bench.badge("version") == "version: 1"


def test_an_image_without_tags_keeps_its_page_and_loses_its_badges(bench: Bench) -> None:
    bench.fake.push("team/web", "1", image())
    bench.refresh()
    bench.fake.delete("team/web", "1")

    assert bench.refresh() is None

    assert {path.name for path in bench.files()} == {"web.json", "index.html", "changes.json", "feed.xml"}


def test_an_official_image_stands_under_both_names(bench: Bench) -> None:
    bench.fake.push("library/alpine", "3.20", image())
    refresher = bench.refresher_of(named="alpine")

    refresher.refresh(Repository.parse("alpine"))

    files = {str(path.relative_to(bench.public)) for path in bench.files()}
    assert {name.replace("/library/", "/") for name in files if "/library/" in name} < files


def test_an_artifact_that_is_no_image_is_said_to_be_none(bench: Bench) -> None:
    chart = image()
    helm = chart.raw.replace(b"vnd.oci.image.config.v1", b"vnd.cncf.helm.config.v1")
    bench.fake.push("team/web", "chart", type(chart)(helm, chart.media_type))
    bench.fake.push("team/web", "1.0", image())

    assert bench.refresh() is None

    assert bench.badge("size", "chart") == "size: unknown"
    assert bench.badge("size", "1.0") == "size: 1000 B"
    record = bench.publisher.read_image(bench.repository)
    assert record is not None
    assert "Helm chart" in next(v["Unsupported"] for v in record["Versions"] if "Unsupported" in v)


def test_it_keeps_the_last_good_files_when_the_registry_is_down(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    before = bench.files()
    bench.fake.always("/", lambda _: Response(status=503))

    assert "503" in (bench.refresh() or "")

    assert bench.files() == before
    assert bench.checks.get(bench.repository).failures == 1


def test_it_tries_again_when_the_registry_said(bench: Bench) -> None:
    bench.fake.always("/", lambda _: Response(status=429, headers={"Retry-After": "3600"}))

    bench.refresh()

    due_at = bench.checks.get(bench.repository).due_at
    assert due_at is not None
    assert due_at >= bench.time + timedelta(minutes=59)


def test_a_success_ends_the_failure(bench: Bench) -> None:
    bench.refresh()
    bench.fake.push("team/web", "latest", image())

    bench.refresh()

    check = bench.checks.get(bench.repository)
    assert (check.failures, check.error, check.succeeded_at) == (0, None, bench.time)


def test_a_file_that_cannot_be_written_is_named(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.public.mkdir()
    (bench.public / "badges").write_text("a file where a folder belongs")

    assert "badges/" in (bench.refresh() or "")


def test_a_first_reading_announces_nothing(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())

    bench.refresh()

    assert bench.announced == []


def test_it_announces_what_moved(bench: Bench) -> None:
    old = bench.fake.push("team/web", "gone", image(layers=[1]))
    bench.fake.push("team/web", "latest", image(layers=[2]))
    bench.refresh()
    bench.fake.delete("team/web", "gone")
    moved = bench.fake.push("team/web", "latest", image(layers=[3]))
    new = bench.fake.push("team/web", "new", image(layers=[4]))

    bench.refresh()

    assert bench.announced == [Changes({"new": new[7:]}, {"latest": moved[7:]}, {"gone": old[7:]})]


def test_a_tag_that_was_asked_for_stays_before_newer_ones(bench: Bench) -> None:
    for tag in ("1.0", "2.0", "latest"):
        bench.fake.push("team/web", tag, image())
    refresher = bench.refresher_of(max_tags=2)
    bench.requests.add(Reference(bench.repository, "1.0", None))

    refresher.refresh_requested(bench.repository)
    refresher.refresh(bench.repository)

    assert bench.badge("version", "1.0") == "version: 1.0"
    assert not list(bench.public.rglob("*2.0*"))


def test_a_request_that_comes_while_it_runs_leads_to_one_more(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1]))

    def push_again(_: Request) -> None:
        if bench.fake.asked("GET", "/tags/") == 1:
            bench.requests.add(Reference(bench.repository, None, None))

    bench.fake.always("/tags/", push_again)
    bench.requests.add(Reference(bench.repository, None, None))

    bench.refresher.refresh_requested(bench.repository)

    assert bench.fake.asked("GET", "/tags/") == 2
    assert not bench.requests.is_waiting(bench.repository)


def test_a_storm_of_requests_is_two_refreshes_at_most(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    started, storm_is_over = threading.Event(), threading.Event()

    def hold(_: Request) -> None:
        started.set()
        storm_is_over.wait(DEADLINE_SECONDS)

    bench.fake.always("/tags/", hold)
    bench.requests.add(Reference(bench.repository, None, None))
    first = threading.Thread(target=bench.refresher.refresh_requested, args=[bench.repository])
    first.start()
    assert started.wait(DEADLINE_SECONDS)
    for _ in range(1000):
        bench.requests.add(Reference(bench.repository, None, None))
        assert bench.refresher.refresh_requested(bench.repository) is None
    storm_is_over.set()
    first.join()

    assert bench.fake.asked("GET", "/tags/") == 2


def test_requests_of_a_process_that_died_are_resumed(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.requests.add(Reference(bench.repository, None, None))
    bench.requests.begin(bench.repository)  # and then it died

    bench.refresher.resume(bench.repository)

    assert bench.badge("layers") == "layers: 1"
    assert list(bench.requests.repositories()) == []


def test_one_that_is_no_longer_due_is_not_refreshed(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    bench.fake.requests.clear()

    assert bench.refresher.refresh_if_due(bench.repository) is None
    assert bench.fake.requests == []


def test_two_threads_never_refresh_an_image_at_the_same_time(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    inside: list[int] = []
    most: list[int] = []

    def count(request: Request) -> None:
        inside.append(1) if "/tags/" in request.path else inside.clear()
        most.append(len(inside))

    bench.fake.always("/", count)
    threads = [threading.Thread(target=bench.refresher.refresh, args=[bench.repository]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert max(most) == 1


def test_an_untracked_image_leaves_nothing_behind(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()

    bench.refresher.remove(bench.repository)

    assert bench.files() == {}
    assert bench.checks.get(bench.repository).succeeded_at is None


@pytest.mark.parametrize("record", [b"", b"[]", b"{", b'{"Versions": 3}', b"\xff\x00"])
def test_a_damaged_record_is_made_anew(bench: Bench, record: bytes) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    file = bench.public / f"v1/images/{bench.repository.familiar}.json"
    whole = file.read_bytes()
    file.write_bytes(record)

    assert bench.refresh() is None

    assert file.read_bytes() == whole


def test_a_hostile_label_is_text_on_the_page(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(labels={"<script>alert(1)</script>": "</pre><b>"}))

    bench.refresh()

    page = (bench.public / f"images/{bench.repository.familiar}/index.html").read_text()
    assert "<script>" not in page


def test_a_waiting_refresh_sees_what_was_pushed_before_it_began(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1]))
    with bench.checks.lock(bench.repository):
        waiting = threading.Thread(target=bench.refresher.refresh, args=[bench.repository])
        waiting.start()
        bench.fake.push("team/web", "latest", image(layers=[1, 1]))
    waiting.join()

    wait_until(lambda: bench.badge("layers") == "layers: 2", "two layers", DEADLINE_SECONDS)


def test_what_a_limit_left_unread_is_published_as_far_as_known_and_completed_later(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    bench.fake.push("team/web", "1.0", image(layers=[2048]))
    limit = Response(status=429, headers={"Retry-After": "600"})

    limit_is_over = threading.Event()

    def answer(request: Request) -> Response | None:
        is_over = limit_is_over.is_set() or not bench.fake.asked("GET", "/blobs/")
        return None if request.method == "HEAD" or is_over else limit

    bench.fake.always("/manifests/", answer)

    assert bench.refresh() is not None
    assert (bench.badge("size", "latest"), bench.badge("size", "1.0")) == ("size: 1.0 KiB", "size: unknown")

    limit_is_over.set()
    bench.refresher = bench.refresher_of()  # as after a restart: what it was told to wait is forgotten
    assert bench.refresh() is None
    assert bench.badge("size", "1.0") == "size: 2.0 KiB"


def test_a_version_whose_content_is_gone_leaves_the_others_alone(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    broken = bench.fake.push("team/web", "1.0", image(layers=[2048]))
    bench.fake.always(broken, lambda request: Response(status=404) if request.method == "GET" else None)

    assert broken in (bench.refresh() or "")

    assert (bench.badge("size", "latest"), bench.badge("size", "1.0")) == ("size: 1.0 KiB", "size: unknown")


def push_one_that_can_be_read_and_one_that_cannot(bench: Bench) -> str:
    """Publish a tag, then move it to a version that cannot be read while another tag comes; return that version."""
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    bench.refresh()
    broken = bench.fake.push("team/web", "latest", image(layers=[2048]))
    bench.fake.push("team/web", "1.0", image(layers=[4096]))
    bench.fake.always(broken, lambda request: Response(status=404) if request.method == "GET" else None)
    return broken


def test_a_tag_keeps_its_last_good_badge_however_often_its_new_version_cannot_be_read(bench: Bench) -> None:
    broken = push_one_that_can_be_read_and_one_that_cannot(bench)

    for _ in range(3):
        assert broken in (bench.refresh() or "")
        assert (bench.badge("size", "latest"), bench.badge("size", "1.0")) == ("size: 1.0 KiB", "size: 4.0 KiB")


def test_it_keeps_its_last_good_badge_in_another_edition_of_the_service_too(bench: Bench) -> None:
    broken = push_one_that_can_be_read_and_one_that_cannot(bench)
    bench.checks = bench.checks_of("second edition")
    bench.refresher = bench.refresher_of()

    assert broken in (bench.refresh() or "")
    assert bench.badge("size", "latest") == "size: 1.0 KiB"


def test_a_tag_of_which_the_answer_is_odd_stays_in_another_edition_of_the_service(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    bench.refresh()
    bench.fake.always("/manifests/latest", lambda _: Response(status=406))
    bench.checks = bench.checks_of("second edition")
    bench.refresher = bench.refresher_of()

    bench.refresh()

    assert bench.badge("size", "latest") == "size: 1.0 KiB"


def test_what_was_published_in_part_is_not_published_again_while_it_stays_so(bench: Bench) -> None:
    push_one_that_can_be_read_and_one_that_cannot(bench)
    bench.refresh()
    before = bench.files()

    bench.time += timedelta(hours=2)
    bench.refresh()

    assert bench.files() == before


def test_content_that_is_not_what_its_digest_names_is_not_believed(bench: Bench) -> None:
    digest = bench.fake.push("team/web", "latest", image(layers=[1024]))
    bench.fake.always(digest, lambda _: Response(image(layers=[2048]).raw))

    bench.refresh()

    assert bench.badge("size") == "size: unknown"


def test_a_published_record_that_was_lost_is_made_at_once(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    assert bench.overview.due() == []

    shutil.rmtree(bench.public)

    assert bench.overview.due() == [bench.repository]
    bench.refresher.refresh_if_due(bench.repository)
    assert bench.badge("layers") == "layers: 1"


def test_a_look_that_was_asked_for_draws_lost_badges_again(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    shutil.rmtree(bench.public / "badges")

    bench.refresh()

    assert bench.badge("layers") == "layers: 1"


@pytest.mark.parametrize("lost", ["page", "feed", "changes", "version", "badge"])
def test_looks_that_nobody_asked_for_mend_in_time_what_was_lost(bench: Bench, lost: str) -> None:
    pushed = bench.fake.push("team/web", "1.0", image())
    bench.refresh()
    paths = ImagePaths.of(bench.repository)
    told = {"version": paths.version(sha_of(pushed)), "badge": paths.badge("size", None, "svg")}
    file = bench.public / (told.get(lost) or getattr(paths, lost))
    file.unlink()

    for _ in range(1000):  # of which one in forty-four looks for this badge
        bench.time += timedelta(days=2)
        bench.refresher.refresh_if_due(bench.repository)
        if file.exists():
            break

    assert file.exists()


def test_every_file_but_those_that_each_look_reads_is_looked_for_at_some_time(bench: Bench) -> None:
    for tag in ("1.0", "2.0"):
        bench.fake.push("team/web", tag, image(layers=[len(tag)]))
    bench.refresh()
    published, choose = bench.publisher.read_image(bench.repository), random.Random(1).choice
    assert published
    sampled = {path for _ in range(2000) for path in sampled_paths(bench.repository, published, choose)}

    paths = ImagePaths.of(bench.repository)
    assert sampled == paths_of(bench.repository, published) - {paths.page, paths.metadata}


def test_files_without_a_record_go_with_an_untracked_image(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.fake.push("team/web-2", "latest", image())
    bench.refresh()
    longer = Repository(bench.fake.host, "team/web-2")
    bench.refresher_of(named=str(longer)).refresh(longer)
    (bench.public / f"v1/images/{bench.repository.familiar}.json").unlink()

    bench.refresher.remove(bench.repository)

    assert {path.name.partition(":")[0] for path in bench.public.rglob("*.svg")} == {"web-2.svg", "web-2"}


def test_an_image_that_is_being_refreshed_is_not_removed_meanwhile(bench: Bench) -> None:
    with bench.checks.lock(bench.repository):
        assert not bench.refresher.remove_if_idle(bench.repository)
    assert bench.refresher.remove_if_idle(bench.repository)


def test_a_request_made_while_another_process_looks_is_done_by_it(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    asked: list[bool] = []

    def ask_once(_: Request) -> None:
        if not asked:
            asked.append(bench.requests.add(Reference(bench.repository, None, None)))
            assert bench.refresher.refresh_requested(bench.repository) is None

    bench.fake.always("/tags/", ask_once)

    bench.refresher.refresh_if_due(bench.repository)

    assert bench.fake.asked("GET", "/tags/") == 2
    assert not bench.requests.is_open(bench.repository)


def test_nothing_left_to_resume_leads_to_no_look(bench: Bench) -> None:
    assert bench.refresher.resume(bench.repository) is None
    assert bench.fake.requests == []


def test_an_odd_answer_for_one_tag_leaves_the_others_alone(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1024]))
    bench.fake.push("team/web", "latest", image(layers=[2048]))
    bench.fake.always("/manifests/1.0", lambda _: Response(status=406))

    assert bench.refresh() is None

    assert bench.badge("size", "latest") == "size: 2.0 KiB"
    assert not list(bench.public.rglob("*1.0*"))


def test_an_index_of_too_many_indexes_is_refused(bench: Bench) -> None:
    images = [image(layers=[number]) for number in range(30)]
    bench.fake.push("team/web", "latest", index(*(index(*images, annotations={"n": str(n)}) for n in range(40))))

    bench.refresh()

    assert bench.badge("platforms") == "platforms: linux/amd64"
    assert bench.fake.asked("GET", "/manifests/") == 71


def test_a_push_to_docker_hub_of_which_nothing_is_to_be_seen_yet_is_looked_for_twice_more(bench: Bench) -> None:
    alpine = Repository.parse("alpine")
    bench.fake.push("library/alpine", "latest", image())
    refresher = bench.refresher_of(named="alpine")
    refresher.refresh(alpine)
    bench.requests.add(Reference(alpine, "latest", None))
    refresher.refresh_requested(alpine)
    looks = []

    for _ in range(60):
        bench.time += timedelta(seconds=5)
        if refresher.refresh_if_due(alpine):
            looks.append(bench.time - datetime(2026, 11, 24, 12, tzinfo=UTC))

    assert looks == [timedelta(seconds=30), timedelta(minutes=3)]


def test_no_look_follows_a_push_that_was_seen(bench: Bench) -> None:
    alpine = Repository.parse("alpine")
    bench.fake.push("library/alpine", "latest", image(layers=[1]))
    refresher = bench.refresher_of(named="alpine")
    refresher.refresh(alpine)
    bench.fake.push("library/alpine", "latest", image(layers=[2]))
    bench.requests.add(Reference(alpine, "latest", None))
    refresher.refresh_requested(alpine)

    bench.time += timedelta(hours=1)

    assert refresher.refresh_if_due(alpine) is None


def test_a_parent_that_was_read_later_is_told_at_the_next_look(bench: Bench) -> None:
    base = Repository(bench.fake.host, "team/base")
    bench.fake.push("team/base", "1.0", image(layers=[1, 2]))
    digest = bench.fake.push("team/web", "latest", image(layers=[1, 2, 3]))
    bench.refresher = bench.refresher_of(f"{bench.repository} {base}")

    for repository in (bench.repository, base, bench.repository):
        bench.refresher.refresh(repository)

    version = bench.publisher.read_version(bench.repository, digest.partition(":")[2])
    assert version
    assert [parent["ImageName"] for parent in version["Parents"]] == [base.familiar]
    assert len(version["Layers"]) == 3


def test_the_document_of_a_version_has_the_tags_it_has_now(bench: Bench) -> None:
    digest = bench.fake.push("team/web", "latest", image())
    bench.refresh()
    bench.fake.push("team/web", "1.0", image())

    bench.refresh()

    version = bench.publisher.read_version(bench.repository, digest.partition(":")[2])
    assert version
    assert version["Tags"] == [{"tag": "1.0"}, {"tag": "latest"}]


def test_what_changed_is_told_in_the_log_and_in_the_feed(bench: Bench) -> None:
    paths = ImagePaths.of(bench.repository)
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    bench.fake.push("team/web", "1.0", image())

    bench.refresh()

    assert b'"New":[{"tag":"1.0"' in (bench.publisher.read(paths.changes) or b"")
    assert b"<title>1.0 is new</title>" in (bench.publisher.read(paths.feed) or b"")
    assert b"1.0</span> is new" in (bench.publisher.read(paths.page) or b"")


def test_what_is_removed_leaves_no_file(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()

    bench.refresher.remove(bench.repository)

    assert bench.files() == {}
    assert not any((bench.data / "layers" / "images").glob("*"))


def test_a_change_is_announced_before_it_is_published(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image())
    bench.refresh()
    moved = bench.fake.push("team/web", "1.0", image(layers=[1, 2]))
    known: list[tuple[str, str, str]] = []

    def announce(before: ImageDocument, after: ImageDocument, _: Changes) -> None:
        record = bench.publisher.read_image(bench.repository)
        assert record
        known.append((record["LatestSHA"], before["LatestSHA"], after["LatestSHA"]))

    replace(bench.refresher, announce=announce).refresh(bench.repository)

    ((recorded, before, after),) = known
    assert recorded == before != after == moved.removeprefix("sha256:")


def test_subscriptions_that_cannot_be_read_keep_nothing_from_being_published(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image())
    bench.refresh()
    bench.fake.push("team/web", "1.0", image(layers=[1, 2]))

    def announce(*_: object) -> None:
        raise ValueError("the file is damaged")

    assert replace(bench.refresher, announce=announce).refresh(bench.repository).error is None

    assert bench.badge("layers") == "layers: 2"


@pytest.mark.parametrize(
    ("status", "cause"),
    [(404, "not_found"), (403, "denied"), (503, "unreachable"), (429, "rate_limited"), (418, "bad_answer")],
)
def test_the_cause_of_a_failure_is_told_in_a_word(bench: Bench, status: int, cause: str) -> None:
    bench.fake.always("/", lambda _: Response(status=status, headers={"Retry-After": "3600"}))

    bench.refresh()

    assert [outcome.cause for outcome in bench.ended] == [cause]


def test_it_tells_every_path_that_changed(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1024]))
    bench.refresh()
    assert bench.changed == {str(path.relative_to(bench.public)) for path in bench.files()}

    bench.changed.clear()
    bench.fake.push("team/web", "2.0", image(layers=[1024, 1024]))
    before = bench.files()
    bench.refresh()
    after = bench.files()
    assert bench.changed == {
        str(path.relative_to(bench.public)) for path in after if after[path] != before.get(path)
    }
    assert ImagePaths.of(bench.repository).metadata in bench.changed


@pytest.mark.parametrize("is_asked_for", [False, True])
def test_it_tells_of_no_path_when_only_the_time_of_the_check_changed(bench: Bench, is_asked_for: bool) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1024]))
    bench.refresh()
    bench.changed.clear()
    bench.time += timedelta(days=2)
    refresh = bench.refresher.refresh if is_asked_for else bench.refresher.refresh_if_due
    assert refresh(bench.repository)

    assert bench.changed == set()


def test_it_tells_of_a_lost_file_that_it_mended(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1024]))
    bench.refresh()
    bench.changed.clear()
    badge = ImagePaths.of(bench.repository).badge("size", None, "svg")
    (bench.public / badge).unlink()
    bench.refresh()

    assert bench.changed == {badge}


def test_it_tells_every_path_that_went_away(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1024]))
    bench.refresh()
    published = {str(path.relative_to(bench.public)) for path in bench.files()}
    bench.changed.clear()
    bench.refresher.remove(bench.repository)

    assert bench.changed == published


def test_what_a_publication_left_half_done_is_put_right_although_the_image_is_as_it_was(bench: Bench) -> None:
    before, after = image(layers=[1024]), image(layers=[2048])
    bench.fake.push("team/web", "latest", before)
    bench.refresh()
    bench.fake.push("team/web", "latest", after)
    page = bench.public / f"images/{bench.repository.familiar}/index.html"
    page.unlink()
    page.mkdir()  # so that the badges are replaced, and the page and the record are not
    bench.time += timedelta(hours=30)
    assert bench.refresher.refresh_if_due(bench.repository)
    assert bench.badge("size") == "size: 2.0 KiB"

    page.rmdir()
    bench.fake.push("team/web", "latest", before)
    bench.time += timedelta(hours=30)
    bench.refresher.refresh_if_due(bench.repository)

    assert bench.badge("size") == "size: 1.0 KiB"


class BrokenPublisher(Publisher):
    """A publisher with a defect, whose words could hold anything."""

    def read_image(self, repository: Repository) -> ImageDocument | None:
        raise ZeroDivisionError(f"a secret of {repository}")


def test_words_of_a_defect_are_not_published(bench: Bench) -> None:
    refresher = replace(bench.refresher, publisher=BrokenPublisher(bench.public))
    outcome = refresher.refresh(bench.repository)
    assert outcome.error == "a defect of MicroBadger, ZeroDivisionError: its log has the traceback"


def is_refreshed_when_due(bench: Bench) -> bool:
    bench.time += timedelta(hours=25)
    outcome = bench.refresher.refresh_if_due(bench.repository)
    return outcome is not None and outcome.error is None


DAMAGE: list[Callable[[Path], object]] = [lambda file: file.unlink(), lambda file: file.write_bytes(b"")]


@pytest.mark.parametrize("damage", DAMAGE, ids=["gone", "empty"])
def test_a_daily_look_mends_every_file_that_a_crash_left_empty(bench: Bench, damage: Callable[[Path], object]) -> None:
    bench.fake.push("team/web", "latest", index(image(), image(architecture="arm64")))
    bench.refresh()
    assert is_refreshed_when_due(bench)
    records = ("web.json", "index.html")
    before = {file: file.read_bytes() for file in bench.files() if file.name not in records}
    for file in before:
        damage(file)

    assert is_refreshed_when_due(bench)

    assert {file: read_if_any(file) for file in before} == before


def test_a_daily_look_at_whole_files_writes_only_the_records(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    before = bench.files()

    assert is_refreshed_when_due(bench)

    changed = {file.name for file, stamp in bench.files().items() if before[file] != stamp}
    assert changed == {"web.json", "index.html"}
