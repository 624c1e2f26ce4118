"""Which image and which tags the address and the body of a webhook name, and which tokens it may have."""

from pathlib import Path

import pytest
import requests
from sqlalchemy import select

from microbadger.store.tables import REQUESTS
from tests.fakes.registry import FakeRegistry, image
from tests.running_service import RunningService
from tests.web.bench import Bench

SEVERAL = ("a", "b", "latest")
DIGEST = f"sha256:{'a' * 64}"
OLD, OTHER_OLD, SLASHED = "1f_AbD-x0cSHtyVz5ZkLm8PqRw4=", "ZZbbCCddEEffGGhhIIjjKKllMM4=", "a+b/CD/ef12="
OFFICIAL_OLD = "KToFO4mXwId81ddvWhWdxivWAHU="
LINES = f"""\
example/web private hook={OLD}
example/web:1.0 hook={OTHER_OLD}
example/api hook={SLASHED}
alpine hook={OFFICIAL_OLD}
"""


class Webhooks(Bench):
    """A service that tracks three images, two of which have old tokens."""

    def __init__(self, folder: Path, **options: object) -> None:
        (folder / "data").mkdir()
        (folder / "data/images.txt").write_text(LINES)
        super().__init__(folder, "", **options)

    @property
    def asked(self) -> list[tuple[str, str]]:
        """The images of which a check is requested, with the tag, empty for the whole image."""
        with self.tools.database.read() as connection:
            rows = connection.execute(select(REQUESTS.c.image, REQUESTS.c.tag)).all()
        return sorted((row.image.removeprefix("docker.io/"), row.tag or "") for row in rows)


@pytest.fixture
def bench(tmp_path: Path) -> Webhooks:
    return Webhooks(tmp_path)


def tags(*names: str) -> list[tuple[str, str]]:
    return [("example/web", name) for name in names]


@pytest.mark.parametrize(
    ("query", "body", "asked"),
    [
        ("", b"", tags("")),
        ("?tag=1.2", b"", tags("1.2")),
        ("?tag=1.2&tag=latest", b"", tags("1.2", "latest")),
        ("?tag=1.2&tag=1.2", b"", tags("1.2")),
        ("?tag=", b"", tags("")),
        ("?tag=&tag=1.2", b"", tags("1.2")),
        ("?tag", b"", tags("")),
        ("?tag=1.2", b'{"tag": "9"}', tags("1.2")),
        ("?tag=1.2", b'{"push_data": {"tag": "9"}, "repository": {"repo_name": "example/web"}}', tags("1.2")),
        ("?tag=", b'{"tag": "9"}', tags("9")),
        ("", b'{"tag": "1.2"}', tags("1.2")),
        ("", b'{"tag": ["1.2", "latest"]}', tags("1.2", "latest")),
        ("", b"tag=1.2", tags("1.2")),
        ("", '{"tag": "mañana"}'.encode(), tags("")),
        ("", b'{"tag": ""}', tags("")),
        ("", b'{"tag": null}', tags("")),
        ("", b'{"tag": ', tags("")),
        ("", b'{"push_data": {"tag": "1.2"}, "repository": {"repo_name": "example/web"}}', tags("1.2")),
        ("", b'{"push_data": {}, "repository": {"repo_name": "example/web"}}', tags("")),
        ("", b'{"push_data": {"tag": "1.2"}, "repository": {"repo_name": "example/other"}}', tags("")),
    ],
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_webhook_names_tags_or_the_whole_image(
    bench: Webhooks, slash: str, query: str, body: bytes, asked: list[tuple[str, str]]
) -> None:
    answer = bench.client.post(f"{bench.webhook('example/web')}{slash}{query}", data=body)

    assert (answer.status_code, answer.text) == (200, "OK")
    assert bench.asked == asked


@pytest.mark.parametrize("tag", ["mañana", "a b", "../x", "-1", "x" * 129, DIGEST, "1,2", "feature/x", "1.2\n"])
def test_an_address_with_an_invalid_tag_is_refused_and_says_why(bench: Webhooks, tag: str) -> None:
    answer = bench.client.post(bench.webhook("example/web"), query_string={"tag": ["1.2", tag]})

    assert (answer.status_code, answer.text) == (400, f"Invalid tag {tag!r}: must be a tag such as 1.2.")
    assert bench.asked == []


def test_the_name_in_an_address_may_have_the_tag(bench: Webhooks) -> None:
    path = bench.webhook("example/web").replace("example/web", "example/web:1.2")

    assert bench.client.post(path).text == "OK"
    assert bench.asked == tags("1.2")


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_webhook_of_all_images_takes_the_tag_from_the_payload(bench: Webhooks, slash: str) -> None:
    body = {"push_data": {"tag": "1.2"}, "repository": {"repo_name": "example/web"}}

    assert bench.client.post(f"{bench.webhook()}{slash}", json=body).text == "OK"
    assert bench.asked == tags("1.2")


def test_the_webhook_of_all_images_says_that_it_ignores_what_is_not_tracked(bench: Webhooks) -> None:
    body = {"push_data": {"tag": "1.2"}, "repository": {"repo_name": "example/other"}}

    answer = bench.client.post(f"{bench.webhook()}?wait=30", json=body)

    assert (answer.status_code, answer.text, bench.asked) == (200, "ignored: not tracked", [])


def test_a_tag_without_an_image_means_nothing_to_the_webhook_of_all_images(bench: Webhooks) -> None:
    assert bench.client.post(bench.webhook(), json={"tag": "1.2"}).text == "OK"
    assert bench.asked == []


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (f"example/web/{OLD}", tags("")),
        (f"example/web/{OLD.replace('=', '%3D')}", tags("")),
        (f"example/web/{OLD}/", tags("")),
        (f"example/web/{OLD}?tag=1.2", tags("1.2")),
        (f"example/web/{OTHER_OLD}", tags("")),
        (f"example/web:1.2/{OTHER_OLD}", tags("1.2")),
        (f"example/api/{SLASHED}", [("example/api", "")]),
        (f"example/api/{SLASHED.replace('/', '%2F')}", [("example/api", "")]),
        (f"example/api:1.2/{SLASHED}", [("example/api", "1.2")]),
        (f"library/alpine/{OFFICIAL_OLD}", [("library/alpine", "")]),
        (f"alpine/{OFFICIAL_OLD}", [("library/alpine", "")]),
        (f"alpine/{OFFICIAL_OLD}/", [("library/alpine", "")]),
    ],
)
@pytest.mark.parametrize("method", ["POST", "post"])
def test_an_old_token_that_the_operator_lists_is_accepted(
    bench: Webhooks, method: str, path: str, asked: list[tuple[str, str]]
) -> None:
    environment = {"REQUEST_METHOD": method}  # the client writes it in upper case

    assert bench.client.post(f"/images/{path}", environ_overrides=environment).text == "OK"
    assert bench.asked == asked


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("example/web/mañana", 403),
        (f"example/web/{OLD[:-1]}", 403),
        (f"example/web/{OLD.lower()}", 403),
        (f"example/web/{OLD} {OTHER_OLD}", 403),
        (f"example/api/{OLD}", 403),
        (f"alpine/{OLD}", 403),
        (f"example/other/{OLD}", 404),
        (f"example/api/x{SLASHED}", 404),
        (f"example/web/{SLASHED}", 404),
    ],
)
def test_any_other_token_is_refused(bench: Webhooks, path: str, status: int) -> None:
    assert bench.client.post(f"/images/{path}").status_code == status
    assert bench.asked == []


def test_an_old_token_counts_until_the_operator_takes_it_out(bench: Webhooks) -> None:
    (bench.data / "images.txt").write_text("example/web private\n")

    assert bench.client.post(f"/images/example/web/{OLD}").status_code == 403


OURS = "{ours}"
"""Stands for the token that the service made."""
ADDRESSES = [
    f"/images/example/web/{OURS}",
    f"/images/example/web/{OURS}/",
    f"/images/example/web:1.2/{OURS}",
    f"/images/alpine/{OURS}",
    f"/images/library/alpine/{OURS}",
    f"/images/example/web/{'Wrong-Token_' * 3}1234567",
    f"/images/example/web/{OLD}",
    f"/images/example/web/{OLD[::-1].lstrip('=')}=",
    f"/images/example/api/{SLASHED}",
    f"/hooks/{OURS}",
    f"/hooks/{OURS}/",
    "/hooks/anything",
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_who_opens_the_address_of_a_webhook_reads_what_it_is_for(bench: Webhooks, address: str, method: str) -> None:
    name = address.removeprefix("/images/").partition("/{")[0].partition(":")[0]
    webhook = bench.webhook(*([] if "/hooks/" in address else [name] if OURS in address else ["example/web"]))
    token = webhook.rpartition("/")[2]

    answer = bench.client.open(address.format(ours=token), method=method)

    said = "This is the address of a webhook: registries and CI jobs post to it after a push."
    assert (answer.status_code, answer.text) == (405, said if method == "GET" else "")
    assert (answer.headers["Allow"], answer.headers["Cache-Control"]) == ("POST", "no-store")
    assert token not in str(answer.headers)


LIKE_A_TOKEN = "a-part-of-a-name-with-as-many-letters-43445"


def test_an_image_whose_name_ends_like_an_address_has_its_page(tmp_path: Path) -> None:
    name = f"example/web/{LIKE_A_TOKEN}"
    with FakeRegistry() as fake:
        fake.push(name, "latest", image())
        bench = Bench(tmp_path, f"example/web {name}", fake)
        unread = bench.client.get(f"/images/{name}").status_code
        bench.refresh(name)

    assert (unread, bench.client.get(f"/images/{name}").status_code) == (202, 200)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"example/other/{LIKE_A_TOKEN}", 404),
        (f"example/web/{LIKE_A_TOKEN}", 405),
        (f"example/web/{LIKE_A_TOKEN}x", 404),
        (f"{'a/' * 20_000}{LIKE_A_TOKEN}", 404),
        ("example/web/api", 404),
        ("example/web", 202),
    ],
)
def test_only_what_looks_like_a_token_behind_a_tracked_image_is_one(bench: Webhooks, path: str, status: int) -> None:
    assert bench.client.get(f"/images/{path}").status_code == status


@pytest.mark.parametrize(
    "line", ["a/b hook=", "a/b private hook", "hook= a/b", "A/b hook=", "a/b,hook=", "a/b Hook: x hook="]
)
def test_an_old_token_is_neither_published_nor_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, line: str
) -> None:
    caplog.set_level("DEBUG")
    with FakeRegistry() as fake:
        for name in ("example/web", "example/api", "library/alpine"):
            fake.push(name, "latest", image())
        bench = Webhooks(tmp_path, mirrors={"docker.io": fake.url})
        (bench.data / "images.txt").write_text(f"{LINES}{line}{OLD}\n{line} {OLD}\n")
        bench.client.post(f"/images/example/web/{OLD}")
        said = bench.command("refresh").output + bench.command("images").output + bench.command("webhook").output
        bench.round()
    assert bench.files()

    for path in ("/v1/images", "/v1/images/example/web/-/status.json", "/healthz", "/metrics"):
        said += bench.client.get(path).text
    said += b"".join(bench.files().values()).decode("latin-1") + caplog.text
    assert [token for token in (OLD, OTHER_OLD, SLASHED) if token in said] == []


def test_those_who_wait_for_several_tags_wait_for_all_of_them(tmp_path: Path) -> None:
    with FakeRegistry() as fake:
        for tag in SEVERAL:
            fake.push("team/web", tag, image(layers=[1]))
        name = f"{fake.host}/team/web"
        with RunningService(tmp_path, [name]) as service:
            webhook = service.webhook(name)
            for size in range(2, 7):
                for tag in SEVERAL:
                    fake.push("team/web", tag, image(layers=[size], labels={tag: str(size)}))
                params = [*(("tag", tag) for tag in SEVERAL), ("wait", "30")]
                assert requests.post(webhook, params=params, timeout=60).json()["Result"] == "fresh"
                versions = service.get(f"/v1/images/{name}").json()["Versions"]
                assert {version["DownloadSize"] for version in versions} == {size}
