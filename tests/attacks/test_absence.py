"""Absence read as fact: a server that is being repaired says that nothing is there, and nothing is taken down."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.wrappers import Request, Response

from tests.fakes.registry import FakeRegistry, image, to_json
from tests.freshness.bench import Bench

Answers = Callable[[Request], Response | None]

OWN = {"name": "team/web"}


def says(status: int, *codes: str) -> Response:
    return Response(to_json({"errors": [{"code": code, "message": "no"} for code in codes]}), status)


def is_list(request: Request) -> bool:
    return "/tags/" in request.path


def lists(tags: object, **fields: object) -> Answers:
    """Answer with this list of tags, and that there is no such manifest."""
    return lambda r: Response(to_json({**OWN, **fields, "tags": tags})) if is_list(r) else says(404, "MANIFEST_UNKNOWN")


# What a registry answers instead of what it has.
NOT_BELIEVED: dict[str, Answers] = {
    "an empty object, and nothing of each tag": lambda r: Response(b"{}") if is_list(r) else Response(status=404),
    "an empty object, and no manifest": lambda r: Response(b"{}") if is_list(r) else says(404, "MANIFEST_UNKNOWN"),
    "a maintenance object": lambda r: Response(b'{"status": "maintenance"}') if is_list(r) else Response(status=404),
    "a maintenance object everywhere": lambda _: Response(b'{"status": "maintenance"}'),
    "404 for everything": lambda _: Response(status=404),
    "410 for everything": lambda _: Response(status=410),
    "a page that says 404 for everything": lambda _: Response(b"<html>Back soon</html>", 404),
    "404 in JSON without a code": lambda _: Response(b'{"errors": []}', 404),
    "404 with the code of another error": lambda _: says(404, "UNAVAILABLE"),
    "404 with a code that is not a text": lambda _: Response(b'{"errors": [{"code": ["NAME_UNKNOWN"]}]}', 404),
    "a code in the words of the message only": lambda _: Response(
        b'{"errors": [{"code": "X", "message": "NAME_UNKNOWN"}]}', 404
    ),
    "the list, and 404 for each tag": lambda r: None if is_list(r) else Response(status=404),
    "the list, and no manifest": lambda r: None if is_list(r) else says(404, "MANIFEST_UNKNOWN"),
    "the list, and no repository": lambda r: None if is_list(r) else says(404, "NAME_UNKNOWN"),
    "no list, and no manifest": lambda r: says(503) if is_list(r) else says(404, "MANIFEST_UNKNOWN"),
    "an empty list, and 404 for each tag": lambda r: (
        Response(to_json({**OWN, "tags": []})) if is_list(r) else Response(status=404)
    ),
    "another repository's list": lambda r: (
        Response(to_json({"name": "team/other", "tags": ["9"]})) if is_list(r) else Response(status=404)
    ),
    "another repository's empty list": lambda r: (
        Response(to_json({"name": "team/other", "tags": []})) if is_list(r) else says(404, "MANIFEST_UNKNOWN")
    ),
    "a list of numbers": lists([1, 2]),
    "a list of nulls": lists([None]),
    "a list of what are no tags": lists(["../x", "a b"]),
    "an empty list without a name": lists([], name=None),
    "an empty list with an empty name": lists([], name=""),
    "null without a name": lists(None, name=None),
    "an empty list of web": lists([], name="web"),
    "an empty list of Team/Web": lists([], name="Team/Web"),
}
BELIEVED_LATER: dict[str, Answers] = {
    "no repository": lambda _: says(404, "NAME_UNKNOWN"),
    "no repository behind another error": lambda _: says(404, "MANIFEST_UNKNOWN", "NAME_UNKNOWN"),
    "no repository by its list, and no manifest": lambda r: says(404, "NAME_UNKNOWN" if is_list(r) else "NOT_FOUND"),
    "an empty list, and no manifest": lambda r: (
        Response(to_json({**OWN, "tags": None})) if is_list(r) else says(404, "MANIFEST_UNKNOWN")
    ),
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with FakeRegistry() as fake:
        bench = Bench(tmp_path, fake)
        fake.push("team/web", "1.0", image(layers=[1]))
        fake.push("team/web", "latest", image(layers=[2]))
        assert bench.refresh() is None
        bench.subscribe()
        yield bench
        bench.database.close()


def reason(bench: Bench) -> str | None:
    return bench.freshness.checks.get(bench.repository).reason


def deleted(bench: Bench) -> list[str]:
    """Return the tags that the last change says were deleted."""
    return sorted(deleted["tag"] for deleted in bench.changes[0]["Deleted"])


def check_again(bench: Bench, after: timedelta = timedelta(minutes=2)) -> str | None:
    bench.time += after
    return bench.refresh()


@pytest.mark.parametrize("answers", NOT_BELIEVED.values(), ids=NOT_BELIEVED)
def test_what_no_registry_says_takes_nothing_down_however_often(bench: Bench, answers: Answers) -> None:
    files = bench.files()
    bench.fake.always("/v2/team/web/", answers)

    assert all([check_again(bench), check_again(bench), check_again(bench)])

    assert (bench.files(), bench.changes, reason(bench)) == (files, [], "bad_answer")


@pytest.mark.parametrize("answers", BELIEVED_LATER.values(), ids=BELIEVED_LATER)
def test_what_a_registry_says_is_believed_when_a_later_check_finds_the_same(bench: Bench, answers: Answers) -> None:
    files = bench.files()
    bench.fake.always("/v2/team/web/", answers)

    assert all([check_again(bench), check_again(bench, timedelta(seconds=5))])
    assert (bench.files(), bench.changes, reason(bench)) == (files, [], "not_found")
    check_again(bench)

    assert not [path for path in bench.files() if path.startswith("badges/")]
    assert deleted(bench) == ["1.0", "latest"]


def test_a_repository_that_comes_back_in_between_loses_nothing(bench: Bench) -> None:
    files, is_away = bench.files(), True
    bench.fake.always("/v2/team/web/", lambda _: says(404, "NAME_UNKNOWN") if is_away else None)

    assert check_again(bench)
    is_away = False
    assert check_again(bench) is None
    is_away = True
    assert check_again(bench)

    assert (bench.files(), bench.changes) == (files, [])


@pytest.mark.parametrize("answer", [Response(status=404), says(404, "NAME_UNKNOWN")], ids=["status", "code"])
def test_a_push_of_the_only_tag_that_is_not_found_takes_nothing_down(bench: Bench, answer: Response) -> None:
    bench.fake.delete("team/web", "1.0")
    assert check_again(bench) is None
    files = bench.files()
    bench.fake.always("/v2/team/web/", lambda _: answer)

    for _ in range(2):
        bench.ask("latest")
        outcome = bench.refresher.refresh_requested(bench.repository)
        assert outcome
        assert outcome.error

    assert bench.files() == files


# What a registry answers about a tag that was pushed and is new, and whether that is the registry's word.
ANSWERS_TO_A_PUSH: dict[str, tuple[Answers, bool]] = {
    "404": (lambda _: Response(status=404), False),
    "a page that says 404": (lambda _: Response(b"<html>Back soon</html>", 404), False),
    "410": (lambda _: Response(status=410), False),
    "404 with the code of another error": (lambda _: says(404, "UNAVAILABLE"), False),
    "no such manifest": (lambda _: says(404, "MANIFEST_UNKNOWN"), True),
}


@pytest.mark.parametrize(("answers", "is_believed"), ANSWERS_TO_A_PUSH.values(), ids=ANSWERS_TO_A_PUSH)
def test_a_push_of_a_new_tag_is_not_answered_by_a_status_alone(
    bench: Bench, answers: Answers, is_believed: bool
) -> None:
    files = bench.files()
    bench.fake.always("/manifests/2.0", answers)

    bench.ask("2.0")
    outcome = bench.refresher.refresh_requested(bench.repository)

    assert outcome
    assert (outcome.reason, bench.files(), bench.changes) == (None if is_believed else "bad_answer", files, [])


def test_a_new_tag_that_could_not_be_asked_about_is_read_at_the_next_check(bench: Bench) -> None:
    is_away = True
    bench.fake.push("team/web", "2.0", image(layers=[3]))
    bench.fake.always("/manifests/2.0", lambda _: Response(status=404) if is_away else None)
    bench.ask("2.0")
    bench.refresher.refresh_requested(bench.repository)
    is_away = False

    assert check_again(bench) is None
    assert "2.0" in str(bench.record["Versions"])
    assert reason(bench) is None


def test_a_new_tag_whose_answer_is_a_status_fails_no_whole_check_and_no_push_of_others(bench: Bench) -> None:
    bench.fake.always("/manifests/2.0", lambda _: Response(status=404))
    bench.fake.push("team/web", "latest", image(layers=[4]))
    bench.ask("2.0")
    bench.ask("latest")

    outcome = bench.refresher.refresh_requested(bench.repository)

    assert outcome
    assert outcome.error is None
    assert check_again(bench) is None
    assert reason(bench) is None


def is_of(request: Request, *tags: str) -> bool:
    return request.path.endswith(tuple(f"/manifests/{tag}" for tag in tags))


def the_second_page_is(page: bytes) -> Answers:
    def answers(request: Request) -> Response | None:
        if not is_list(request):
            return Response(status=404) if is_of(request, "1.0") else None
        if "last" in request.args:
            return Response(page)
        more = {"Link": '</v2/team/web/tags/list?n=1&last=1>; rel="next"'}
        return Response(to_json({**OWN, "tags": ["latest"]}), headers=more)

    return answers


# What is answered for some tags, while others are found.
NOT_BELIEVED_OF_SOME: dict[str, Answers] = {
    "404 for one of the listed tags": lambda r: Response(status=404) if is_of(r, "1.0") else None,
    "410 for one of the listed tags": lambda r: Response(status=410) if is_of(r, "1.0") else None,
    "a page that says 404 for one of the listed tags": lambda r: (
        Response(b"<html>Back soon", 404) if is_of(r, "1.0") else None
    ),
    "the code of another error for one of the listed tags": lambda r: (
        says(404, "UNAVAILABLE") if is_of(r, "1.0") else None
    ),
    "404 for all listed tags but one": lambda r: Response(status=404) if is_of(r, "1.0", "2.0") else None,
    "404, and no list": lambda r: Response(status=404) if is_list(r) or is_of(r, "1.0") else None,
    "404, and an empty object": lambda r: (
        Response(b"{}") if is_list(r) else Response(status=404) if is_of(r, "1.0") else None
    ),
    "404, and a list of nulls": lambda r: (
        Response(to_json({**OWN, "tags": [None]})) if is_list(r) else Response(status=404) if is_of(r, "1.0") else None
    ),
    "a second page that is an empty object": the_second_page_is(b"{}"),
    "a second page that is a list": the_second_page_is(b"[]"),
    "a second page of nulls": the_second_page_is(b'{"name": "team/web", "tags": [null]}'),
    "a second page that is empty and has no name": the_second_page_is(b'{"tags": []}'),
    "a second page that is that of another repository": the_second_page_is(b'{"name": "web", "tags": []}'),
}


@pytest.mark.parametrize("answers", NOT_BELIEVED_OF_SOME.values(), ids=NOT_BELIEVED_OF_SOME)
def test_a_tag_that_is_denied_by_the_status_alone_keeps_its_last_version_however_often(
    bench: Bench, answers: Answers
) -> None:
    bench.fake.push("team/web", "2.0", image(layers=[3]))
    assert check_again(bench) is None
    files, changes = bench.files(), bench.changes
    bench.fake.always("/v2/team/web/", answers)

    assert [check_again(bench), check_again(bench), check_again(bench, timedelta(hours=25))] == [None] * 3

    assert bench.changes == changes
    assert "not in the format of a registry" in (bench.freshness.checks.get(bench.repository).note or "")
    assert files.keys() == bench.files().keys()


def test_a_listed_tag_that_was_never_read_says_why_and_is_read_later(bench: Bench) -> None:
    is_away = True
    bench.fake.push("team/web", "2.0", image(layers=[3]))
    bench.fake.always("/manifests/2.0", lambda _: Response(status=404) if is_away else None)

    assert check_again(bench) is None
    unread = [version.get("Unread", "") for version in bench.record["Versions"] if not version["Digest"]]
    assert "not in the format of a registry" in unread[0]
    is_away = False
    assert check_again(bench) is None
    assert not any("Unread" in version for version in bench.record["Versions"])


def test_a_new_image_of_which_every_listed_tag_is_denied_is_not_published_as_empty(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        bench = Bench(tmp_path, fake)
        fake.push("team/web", "1.0", image(layers=[1]))
        fake.always("/manifests/", lambda _: Response(status=404))
        assert bench.refresh()
        assert reason(bench) == "bad_answer"
        assert bench.freshness.records.image(bench.repository) is None
        bench.database.close()


def only_latest_is_left(request: Request) -> Response | None:
    """Answer as a server does that knows no codes, such as a folder of files."""
    if is_list(request):
        return Response(to_json({**OWN, "tags": ["latest"]}))
    return Response(status=404) if is_of(request, "1.0") else None


def test_a_tag_that_is_not_listed_any_more_either_is_gone_when_a_later_check_finds_the_same(bench: Bench) -> None:
    files = bench.files()
    bench.fake.always("/v2/team/web/", only_latest_is_left)

    assert [check_again(bench), check_again(bench, timedelta(seconds=5))] == [None, None]
    assert (bench.files().keys(), bench.changes) == (files.keys(), [])
    assert "a later check has to confirm it" in (bench.freshness.checks.get(bench.repository).note or "")
    assert check_again(bench) is None

    assert deleted(bench) == ["1.0"]
    assert bench.freshness.checks.get(bench.repository).note is None


def test_a_tag_is_not_gone_by_a_push_of_it_in_between(bench: Bench) -> None:
    files = bench.files()
    bench.fake.always("/v2/team/web/", only_latest_is_left)
    assert check_again(bench) is None

    bench.time += timedelta(minutes=2)
    for tag in ("1.0", "latest"):
        bench.ask(tag)
    outcome = bench.refresher.refresh_requested(bench.repository)
    assert outcome
    assert outcome.error is None
    assert (bench.files().keys(), bench.changes) == (files.keys(), [])

    assert check_again(bench) is None
    assert deleted(bench) == ["1.0"]


# What shows in between that the tag is not gone, or that nobody knows.
SIGNS_OF_LIFE: dict[str, Answers] = {
    "found": lambda r: None if not is_list(r) else only_latest_is_left(r),
    "listed": lambda r: None if is_list(r) else only_latest_is_left(r),
    "no list": lambda r: says(503) if is_list(r) else only_latest_is_left(r),
    "an empty object": lambda r: Response(b"{}") if is_list(r) else only_latest_is_left(r),
    "refused": lambda r: Response(status=403) if is_of(r, "1.0") else only_latest_is_left(r),
}


@pytest.mark.parametrize("sign", SIGNS_OF_LIFE.values(), ids=SIGNS_OF_LIFE)
def test_a_tag_of_which_there_was_a_sign_in_between_has_to_be_missing_twice_again(bench: Bench, sign: Answers) -> None:
    files, answers = bench.files(), [sign]
    bench.fake.always("/v2/team/web/", lambda request: answers[0](request))

    for answers[0] in (only_latest_is_left, sign, only_latest_is_left):
        assert check_again(bench) is None
    assert (bench.files().keys(), bench.changes) == (files.keys(), [])

    assert check_again(bench) is None
    assert deleted(bench) == ["1.0"]


def test_a_tag_that_a_push_finds_in_between_has_to_be_missing_twice_again(bench: Bench) -> None:
    is_away = True
    bench.fake.always("/v2/team/web/", lambda r: only_latest_is_left(r) if is_away or is_list(r) else None)
    assert check_again(bench) is None
    is_away = False
    bench.ask("1.0")
    assert bench.refresher.refresh_requested(bench.repository)
    is_away = True

    assert check_again(bench) is None
    assert bench.changes == []


def test_one_tag_of_several_that_the_registry_does_not_have_is_gone_at_once(bench: Bench) -> None:
    bench.fake.delete("team/web", "1.0")
    assert check_again(bench) is None
    assert deleted(bench) == ["1.0"]
