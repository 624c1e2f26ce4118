"""A check: what it asks for, what it publishes, and what it leaves alone when things go wrong."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from werkzeug.wrappers import Request, Response

from microbadger.freshness.outcome import Outcome
from microbadger.freshness.publication import Publication, Published
from microbadger.freshness.stored_images import TrackedImage
from microbadger.image.reference import Repository
from microbadger.store.tables import HOSTS, RECORDS
from tests.fakes.registry import image, index
from tests.freshness.bench import DEADLINE_SECONDS, Bench
from tests.real_registry import wait_until


def test_it_publishes_badges_for_the_image_and_each_tag_of_its_current_version(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1024, 1024, 1024]))
    bench.fake.push("team/web", "latest", image(layers=[1024, 1024, 1024]))

    assert bench.refresh() is None

    assert {bench.badge("image"), bench.badge("image", "1.0"), bench.badge("image", "latest")} == {"3.0 KiB: 3 layers"}


def test_it_describes_linux_amd64_of_an_index_and_skips_attestations(bench: Bench) -> None:
    images = image(architecture="arm64", layers=[1]), image(layers=[2048, 2048])
    bench.fake.push("team/web", "latest", index(*images, attestations=True))

    bench.refresh()

    assert bench.badge("image") == "4.0 KiB: 2 layers"
    assert bench.badge("platforms") == "platforms: linux/arm64, amd64"


def test_an_unchanged_check_makes_two_requests_and_reads_no_digest_twice(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    bench.fake.requests.clear()

    bench.refresh()

    assert [request.method for request in bench.fake.requests] == ["GET", "HEAD"]
    assert bench.fake.asked("GET", "/manifests/") == 0


@pytest.mark.parametrize("is_asked_for", [False, True])
def test_an_unchanged_check_writes_no_file(bench: Bench, is_asked_for: bool) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    before = bench.stamps()

    if is_asked_for:
        bench.time += timedelta(hours=1)
        bench.refresh()
    else:
        assert bench.check_later()

    assert bench.stamps() == before


def test_an_unchanged_check_leaves_when_the_document_last_changed(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    before = bench.record

    bench.check_later()

    assert bench.record == before
    assert bench.freshness.checks.get(bench.repository).succeeded_at == bench.time


def test_an_unchanged_check_leaves_the_lists_of_all_images_alone(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    before = lists_version(bench)

    bench.check_later()

    assert lists_version(bench) == before


def lists_version(bench: Bench) -> str:
    with bench.database.read() as connection:
        return bench.freshness.checks.lists_version(connection)


def test_a_document_that_changed_says_when(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1]))
    bench.refresh()
    bench.fake.push("team/web", "latest", image(layers=[2]))

    bench.check_later(hours=25)

    assert bench.record["UpdatedAt"] == "2026-11-25T13:00:00Z"


def test_a_registry_that_sends_no_digest_is_read_by_tag(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.fake.manifest_headers = {"Docker-Content-Digest": None}

    assert bench.refresh() is None

    assert bench.badge("layers") == "layers: 1"


def test_a_tag_deleted_since_it_was_listed_is_left_out(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.fake.odd_tags = ["gone"]

    assert bench.refresh() is None

    assert not [path for path in bench.files() if "gone" in path]


def test_an_artifact_that_is_not_an_image_is_described_as_such(bench: Bench) -> None:
    chart = image()
    helm = chart.raw.replace(b"vnd.oci.image.config.v1", b"vnd.cncf.helm.config.v1")
    bench.fake.push("team/web", "latest", type(chart)(helm, chart.media_type))
    bench.fake.push("team/web", "1.0", image())

    assert bench.refresh() is None

    assert bench.badge("size", "latest") == "size: 1000 B"
    assert "Helm chart" in next(v["Unsupported"] for v in bench.record["Versions"] if "Unsupported" in v)
    assert b"size: 1000 B" in bench.made(bench.paths.badge("size", "1.0", "svg"))


def test_it_keeps_the_last_good_files_when_the_registry_is_down(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    before = bench.stamps()
    bench.fake.always("/", lambda _: Response(status=503))

    assert "503" in (bench.refresh() or "")

    assert bench.stamps() == before
    assert bench.freshness.checks.get(bench.repository).failures == 1


def test_it_tries_again_when_the_registry_said(bench: Bench) -> None:
    bench.fake.always("/", lambda _: Response(status=429, headers={"Retry-After": "3600"}))

    bench.refresh()

    due_at = bench.freshness.checks.get(bench.repository).due_at
    assert due_at is not None
    assert due_at >= bench.time + timedelta(minutes=59)


def test_a_success_ends_the_failure(bench: Bench) -> None:
    bench.refresh()
    bench.fake.push("team/web", "latest", image())

    bench.refresh()

    check = bench.freshness.checks.get(bench.repository)
    assert (check.failures, check.error, check.succeeded_at) == (0, None, bench.time)


def test_a_file_that_cannot_be_written_is_named(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.public.mkdir()
    (bench.public / "badges").write_text("a file where a folder belongs")

    assert "badges/" in (bench.refresh() or "")


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, "not_found"), (403, "denied"), (503, "unreachable"), (429, "rate_limited"), (418, "bad_answer")],
)
def test_the_reason_of_a_failure_is_a_word(bench: Bench, status: int, reason: str) -> None:
    bench.fake.always("/", lambda _: Response(status=status, headers={"Retry-After": "3600"}))

    assert bench.refresher.refresh(bench.repository).reason == reason


def test_a_failure_of_this_machine_is_local(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.public.write_text("a file where the public folder belongs")

    assert bench.refresher.refresh(bench.repository).reason == "local"


class BrokenPublication(Publication):
    """A publication with a defect, whose words could hold anything."""

    def publish(self, *_: object, **__: object) -> Published:
        raise ZeroDivisionError("a secret")


def broken(bench: Bench) -> Bench:
    """Let the publication of what a check finds break."""
    parts = {name: getattr(bench.freshness.publication, name) for name in Publication.__slots__}
    bench.refresher = replace(bench.refresher, publication=BrokenPublication(**parts))
    return bench


def test_the_words_of_a_defect_are_not_published(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())

    assert broken(bench).refresh() == "a bug in MicroBadger, ZeroDivisionError: see the traceback in its log"


def test_a_defect_is_not_met_again_at_once(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())

    broken(bench).refresh()

    assert bench.refresher.refresh_if_due(bench.repository) is None


def test_an_odd_answer_for_one_tag_leaves_the_others_alone(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1024]))
    bench.fake.push("team/web", "latest", image(layers=[2048]))
    bench.fake.always("/manifests/1.0", lambda _: Response(status=406))

    assert bench.refresh() is None

    assert bench.badge("size", "latest") == "size: 2.0 KiB"
    assert b"size: unknown" in bench.made(bench.paths.badge("size", "1.0", "svg"))


def test_of_an_index_of_too_many_indexes_only_the_first_are_read(bench: Bench) -> None:
    images = [image(layers=[number]) for number in range(30)]
    bench.fake.push("team/web", "latest", index(*(index(*images, annotations={"n": str(n)}) for n in range(40))))

    bench.refresh()

    assert bench.badge("platforms") == "platforms: linux/amd64"
    assert bench.fake.asked("GET", "/manifests/") == 48


def test_content_that_is_not_what_its_digest_names_is_not_believed(bench: Bench) -> None:
    named = image(layers=[1024])
    bench.fake.push("team/web", "latest", index(named))
    bench.fake.always(named.digest, lambda _: Response(image(layers=[2048]).raw))

    bench.refresh()

    assert bench.badge("size") == "size: unknown"


def test_a_hostile_label_is_text_on_the_page(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(labels={"<script>alert(1)</script>": "</pre><b>"}))

    bench.refresh()

    assert b"<script>" not in bench.files()[bench.paths.page]


# What cannot be read


def test_what_a_limit_left_unread_is_published_as_far_as_known_and_completed_later(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    bench.fake.push("team/web", "1.0", image(layers=[2048]))
    limit = Response(status=429, headers={"Retry-After": "600"})
    limit_is_over = threading.Event()

    def answer(request: Request) -> Response | None:
        is_over = limit_is_over.is_set() or not bench.fake.asked("GET", "/blobs/")
        return None if request.method == "HEAD" or is_over else limit

    bench.fake.always("/manifests/", answer)
    size_of_1_0 = bench.paths.badge("size", "1.0", "svg")

    assert bench.refresh() is None
    assert bench.badge("size", "latest") == "size: 1.0 KiB"
    assert b"size: unknown" in bench.made(size_of_1_0)
    assert "fewer requests" in note_of(bench)

    limit_is_over.set()
    bench = bench.again()
    with bench.database.write() as connection:
        connection.execute(HOSTS.delete())  # the time to wait is over
    assert bench.refresh() is None
    assert bench.badge("size", "1.0") == "size: 2.0 KiB"


def test_a_version_whose_content_is_gone_leaves_the_others_alone(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    digest = bench.fake.push("team/web", "1.0", image(layers=[2048]))
    for reference in (digest, "1.0"):
        refuse_to_send(bench, reference)

    assert bench.refresh() is None

    assert "1.0" in note_of(bench)
    assert bench.badge("size", "latest") == "size: 1.0 KiB"
    assert b"size: unknown" in bench.made(bench.paths.badge("size", "1.0", "svg"))


def note_of(bench: Bench) -> str:
    return bench.freshness.checks.get(bench.repository).note or ""


def refuse_to_send(bench: Bench, reference: str) -> None:
    bench.fake.always(
        f"/manifests/{reference}", lambda request: Response(status=403) if request.method == "GET" else None
    )


def push_one_that_can_be_read_and_one_that_cannot(bench: Bench) -> None:
    """Publish a tag, then move it to a version that cannot be read while another tag comes."""
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    bench.refresh()
    digest = bench.fake.push("team/web", "latest", image(layers=[2048]))
    bench.fake.push("team/web", "1.0", image(layers=[4096]))
    for reference in (digest, "latest"):
        refuse_to_send(bench, reference)


def test_a_tag_keeps_its_last_good_badge_however_often_its_new_version_cannot_be_read(bench: Bench) -> None:
    push_one_that_can_be_read_and_one_that_cannot(bench)

    for _ in range(3):
        assert bench.refresh() is None
        assert "latest" in note_of(bench)
        assert bench.badge("size", "latest") == "size: 1.0 KiB"
        assert b"size: 4.0 KiB" in bench.made(bench.paths.badge("size", "1.0", "svg"))


def test_it_keeps_its_last_good_badge_in_another_edition_of_the_service_too(bench: Bench) -> None:
    push_one_that_can_be_read_and_one_that_cannot(bench)
    other = bench.again(edition="second edition")

    assert other.refresh() is None
    assert other.badge("size", "latest") == "size: 1.0 KiB"


def test_a_tag_of_which_the_answer_is_odd_stays_in_another_edition_of_the_service(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1024]))
    bench.refresh()
    bench.fake.always("/manifests/latest", lambda _: Response(status=406))
    other = bench.again(edition="second edition")

    other.refresh()

    assert other.badge("size", "latest") == "size: 1.0 KiB"


def test_what_was_published_in_part_is_not_published_again_while_it_stays_so(bench: Bench) -> None:
    push_one_that_can_be_read_and_one_that_cannot(bench)
    bench.refresh()
    before = bench.stamps()

    bench.time += timedelta(hours=2)
    bench.refresh()

    assert bench.stamps() == before


@pytest.mark.parametrize("document", [b"", b"[]", b"{", b'{"Versions": 3}', b"\xff\x00"])
def test_a_damaged_record_is_made_anew(bench: Bench, document: bytes) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    before = bench.files()
    with bench.database.write() as connection:
        connection.execute(RECORDS.update().values(document=document))

    assert bench.refresh() is None

    assert bench.files() == before


# Requests, and processes that meet


def test_a_tag_that_was_pushed_stays_beside_newer_ones(bench: Bench) -> None:
    for tag in ("1.0", "2.0", "latest"):
        bench.fake.push("team/web", tag, image())
    few = bench.again(max_tags=2)
    few.ask("1.0")

    few.refresher.refresh_requested(bench.repository)
    few.refresh()

    assert [tag["tag"] for version in few.record["Versions"] for tag in version["Tags"]] == ["1.0", "2.0", "latest"]


def test_a_push_during_a_check_leads_to_exactly_one_more(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1]))

    def push_again(_: Request) -> None:
        if bench.fake.asked("GET", "/tags/") == 1:
            bench.ask()
            bench.ask()

    bench.fake.always("/tags/", push_again)
    bench.ask()

    bench.refresher.refresh_requested(bench.repository)

    assert bench.fake.asked("GET", "/tags/") == 2
    assert bench.freshness.requests.repositories() == []


def test_a_push_during_a_check_is_published(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1]))

    def push_again(request: Request) -> None:
        if request.method == "GET" and bench.fake.asked("GET", "/manifests/") == 1:
            bench.fake.push("team/web", "latest", image(layers=[1, 1]))
            bench.ask()

    bench.fake.always("/manifests/", push_again)
    bench.ask()

    bench.refresher.refresh_requested(bench.repository)

    assert bench.badge("layers") == "layers: 2"


@pytest.mark.parametrize("way", ["refresh", "refresh_if_due", "refresh_requested"])
def test_a_request_made_while_another_process_checks_is_done_by_that_one(bench: Bench, way: str) -> None:
    bench.fake.push("team/web", "latest", image())
    if way == "refresh_requested":
        bench.ask()
    other = bench.again()
    asked: list[Outcome | None] = []

    def ask_once(_: Request) -> None:
        if not asked:
            other.ask()
            asked.append(other.refresher.refresh_requested(bench.repository))

    bench.fake.always("/tags/", ask_once)

    getattr(bench.refresher, way)(bench.repository)

    assert asked == [None]
    assert bench.fake.asked("GET", "/tags/") == 2
    assert bench.freshness.requests.repositories() == []


def test_a_storm_of_requests_is_two_checks(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    started, storm_is_over = threading.Event(), threading.Event()

    def hold(_: Request) -> None:
        started.set()
        storm_is_over.wait(DEADLINE_SECONDS)

    bench.fake.always("/tags/", hold)
    bench.ask()
    first = threading.Thread(target=bench.refresher.refresh_requested, args=[bench.repository])
    first.start()
    assert started.wait(DEADLINE_SECONDS)
    for number in range(500):
        bench.ask("latest" if number % 2 else None)
        assert bench.refresher.refresh_requested(bench.repository) is None
    storm_is_over.set()
    first.join()

    assert bench.fake.asked("GET", "/tags/") == 2


def test_without_a_request_nothing_is_checked(bench: Bench) -> None:
    assert bench.refresher.refresh_requested(bench.repository) is None
    assert bench.fake.requests == []


def test_an_image_that_is_no_longer_due_is_not_checked(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    bench.fake.requests.clear()

    assert bench.refresher.refresh_if_due(bench.repository) is None
    assert bench.fake.requests == []


def test_two_threads_never_check_an_image_at_the_same_time(bench: Bench) -> None:
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

    assert (max(most), bench.fake.asked("GET", "/tags/")) == (1, 5)


def test_a_waiting_refresh_sees_what_was_pushed_before_it_began(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image(layers=[1]))
    with bench.leases.hold(f"image:{bench.repository}"):
        waiting = threading.Thread(target=bench.refresher.refresh, args=[bench.repository])
        waiting.start()
        bench.fake.push("team/web", "latest", image(layers=[1, 1]))
    waiting.join()

    wait_until(lambda: bench.badge("layers") == "layers: 2", "two layers", DEADLINE_SECONDS)


def test_an_image_that_is_not_tracked_is_not_checked(bench: Bench) -> None:
    stranger = Repository(bench.fake.host, "team/stranger")

    assert bench.refresher.refresh(stranger).error == "it is not tracked"

    assert bench.fake.requests == []
    assert stranger not in bench.freshness.checks.repositories()


# Pushes that are announced early


def hub_bench(bench: Bench) -> Bench:
    """Return a bench that checks an image of Docker Hub."""
    hub = bench.again(named="alpine")
    hub.repository = Repository.parse("alpine")
    return hub


def test_a_push_to_docker_hub_of_which_nothing_is_to_be_seen_yet_is_checked_twice_more(bench: Bench) -> None:
    bench.fake.push("library/alpine", "latest", image())
    hub = hub_bench(bench)
    hub.refresh()
    begin = hub.time
    hub.ask("latest")
    hub.refresher.refresh_requested(hub.repository)

    checks = [hub.time for _ in range(60) if hub.check_later(hours=5 / 3600)]

    assert [at - begin for at in checks] == [timedelta(seconds=30), timedelta(minutes=3)]


def test_no_check_follows_a_push_that_was_seen(bench: Bench) -> None:
    bench.fake.push("library/alpine", "latest", image(layers=[1]))
    hub = hub_bench(bench)
    hub.refresh()
    bench.fake.push("library/alpine", "latest", image(layers=[2]))
    hub.ask("latest")
    hub.refresher.refresh_requested(hub.repository)

    assert hub.check_later(hours=1) is None


# What follows a check


def test_a_parent_that_was_read_later_is_shown_after_the_next_check(bench: Bench) -> None:
    base = Repository(bench.fake.host, "team/base")
    bench.fake.push("team/base", "1.0", image(layers=[1, 2]))
    digest = bench.fake.push("team/web", "latest", image(layers=[1, 2, 3]))
    both = bench.again(named=f"{bench.repository} {base}")

    for repository in (bench.repository, base, bench.repository):
        both.refresher.refresh(repository)

    version = both.freshness.records.version(bench.repository, digest.partition(":")[2])
    assert version
    assert [parent["ImageName"] for parent in version["Parents"]] == [base.familiar]
    assert len(version["Layers"]) == 3


def test_a_label_of_a_tracked_base_fills_no_badge(bench: Bench) -> None:
    labels = {"org.opencontainers.image.revision": "0123456789", "org.opencontainers.image.licenses": "MIT"}
    base = Repository(bench.fake.host, "team/base")
    bench.fake.push("team/base", "1.0", image(layers=[1, 2], labels=labels))
    own = labels | {"org.opencontainers.image.licenses": "Apache-2.0"}
    bench.fake.push("team/web", "latest", image(layers=[1, 2, 3], labels=own))
    bench.freshness.tracked.track(TrackedImage(base))

    bench.refresh()
    before = bench.badge("commit")
    bench.refresher.refresh(base)
    for _ in range(2):
        bench.refresh()
        assert bench.badge("commit") == "commit: not given"
        assert bench.badge("license") == "license: Apache-2.0"
        assert bench.record["Labels"] == own

    assert before == "commit: 0123456"


def test_a_label_stays_the_base_s_when_the_base_is_built_anew(bench: Bench) -> None:
    labels = {"org.opencontainers.image.revision": "0123456789"}
    base = Repository(bench.fake.host, "team/base")
    bench.fake.push("team/base", "1.0", image(layers=[1, 2], labels=labels))
    bench.fake.push("team/web", "latest", image(layers=[1, 2, 3], labels=labels))
    bench.freshness.tracked.track(TrackedImage(base))
    bench.refresher.refresh(base)
    bench.refresh()

    anew = {"rootfs": {"type": "layers", "diff_ids": [f"sha256:{letter * 64}" for letter in "ab"]}}
    bench.fake.push("team/base", "1.0", image(layers=[7, 8], config=anew))
    bench.refresher.refresh(base)
    bench.refresh()

    assert "Parents" not in bench.record["Versions"][0]
    assert bench.badge("commit") == "commit: not given"


def test_the_cdn_forgets_every_path_that_changed(bench: Bench) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1024]))
    bench.refresh()
    before = bench.files()
    assert bench.cdn.paths == before.keys()

    bench.cdn.paths.clear()
    bench.fake.push("team/web", "1.0", image(layers=[1024, 1024]))
    bench.refresh()

    after = bench.files()
    changed = {path for path in {**before, **after} if before.get(path) != after.get(path)}
    assert bench.cdn.paths == changed
    assert bench.paths.metadata in changed


@pytest.mark.parametrize("is_asked_for", [False, True])
def test_the_cdn_forgets_nothing_after_an_unchanged_check(bench: Bench, is_asked_for: bool) -> None:
    bench.fake.push("team/web", "1.0", image(layers=[1024]))
    bench.refresh()
    bench.cdn.paths.clear()

    if is_asked_for:
        bench.refresh()
    else:
        assert bench.check_later()

    assert bench.cdn.paths == set()


def test_a_first_check_announces_nothing(bench: Bench) -> None:
    subscription = bench.subscribe()
    bench.fake.push("team/web", "latest", image())

    bench.refresh()

    assert bench.notifications.status(subscription).waiting == 0


def test_a_change_is_sent_at_once_and_once(bench: Bench) -> None:
    bench.subscribe()
    for layers in ([1], [1, 2], [1, 2]):
        bench.fake.push("team/web", "latest", image(layers=layers))
        bench.refresh()
        bench.notifications.wait()

    assert len(bench.postman.sent) == 1


def test_a_message_that_did_not_arrive_is_sent_again_in_a_later_round(bench: Bench) -> None:
    bench.subscribe()
    for layers in ([1], [1, 2]):
        bench.fake.push("team/web", "latest", image(layers=layers))
        bench.refresh()
    bench.notifications.wait()

    bench.time += timedelta(minutes=1)
    bench.freshness.upkeep.tasks["send messages"]()
    bench.notifications.wait()

    assert len({message.id for _, message in bench.postman.sent}) == 1
    assert len(bench.postman.sent) == 2


def test_a_message_names_what_moved(bench: Bench) -> None:
    bench.subscribe()
    bench.fake.push("team/web", "gone", image(layers=[1]))
    bench.fake.push("team/web", "latest", image(layers=[2]))
    bench.refresh()
    bench.fake.delete("team/web", "gone")
    bench.fake.push("team/web", "latest", image(layers=[3]))
    bench.fake.push("team/web", "new", image(layers=[4]))

    bench.refresh()
    bench.notifications.wait()

    ((_, message),) = bench.postman.sent
    assert all(f'"{tag}"' in message.body for tag in ("gone", "latest", "new"))


def test_the_log_the_feed_and_the_page_say_what_changed(bench: Bench) -> None:
    bench.fake.push("team/web", "latest", image())
    bench.refresh()
    bench.fake.push("team/web", "1.0", image())

    bench.refresh()

    files = bench.files()
    assert b'"New":[{"tag":"1.0"' in files[bench.paths.changes]
    assert b"<title>1.0 is new</title>" in files[bench.paths.feed]
    assert b"1.0</span> is new" in files[bench.paths.page]
