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


def test_one_tag_of_several_that_the_registry_does_not_have_is_gone_at_once(bench: Bench) -> None:
    bench.fake.delete("team/web", "1.0")
    assert check_again(bench) is None
    assert deleted(bench) == ["1.0"]
