"""What labels and annotations say: which key counts, how texts are shown, and which addresses become links."""

import re
from dataclasses import fields
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from microbadger.image.labels import (
    KNOWN_FIELDS,
    Labels,
    License,
    VersionControl,
    commit_url,
    merged_annotations,
    read_labels,
    repository_url,
)

OCI = "org.opencontainers.image."
LABEL_SCHEMA = "org.label-schema."
COMMIT = "12a4554a3f1e0c9b8d7e6f5a4b3c2d1e0f9a8b7c"
DIGEST = "sha256:" + "0123456789abcdef" * 4
APP = "https://github.com/owner/app"

KEYS = [("version", "version"), ("description", "description"), ("revision", "vcs-ref")]


def read_oci(**labels: str) -> Labels:
    return read_labels({OCI + name.replace("_", "."): value for name, value in labels.items()})


@pytest.mark.parametrize(("oci", "label_schema"), KEYS)
def test_it_reads_the_label_of_label_schema(oci: str, label_schema: str) -> None:
    assert getattr(read_labels({LABEL_SCHEMA + label_schema: " mañana "}), oci) == "mañana"


@pytest.mark.parametrize(("oci", "label_schema"), KEYS)
def test_it_prefers_the_oci_label(oci: str, label_schema: str) -> None:
    facts = read_labels({LABEL_SCHEMA + label_schema: "older", OCI + oci: "mañana"})
    assert getattr(facts, oci) == "mañana"


ABSENT = ["", " \t\n", "\u200b", "\x00", "NOASSERTION", "noassertion", " NOASSERTION "]
FIELDS_WITH_TEXTS = sorted(KNOWN_FIELDS.keys() - {"title", "vendor", "created", "base_digest"})
VALUES = {"source": APP, "url": APP, "documentation": APP, "license": "MIT"}


@pytest.mark.parametrize("absent", ABSENT)
@pytest.mark.parametrize("field", FIELDS_WITH_TEXTS)
@pytest.mark.parametrize("level", ["annotation", "OCI label"])
def test_a_value_that_says_nothing_hides_none_below_it(level: str, field: str, absent: str) -> None:
    oci, label_schema = KNOWN_FIELDS[field]
    value = VALUES.get(field, "mañana")
    below = {label_schema or "": value} if level == "OCI label" and label_schema else {oci: value}
    above = {oci: absent}
    facts = read_labels(below, above) if level == "annotation" else read_labels({**above, **below})
    assert facts == read_labels(below)
    assert getattr(facts, field) is not None


@pytest.mark.parametrize("absent", ABSENT)
@pytest.mark.parametrize("field", FIELDS_WITH_TEXTS)
def test_a_value_that_says_nothing_is_absent(field: str, absent: str) -> None:
    labels = {key: absent for key in KNOWN_FIELDS[field] if key}
    assert read_labels(labels, labels) == read_labels({})


def test_an_annotation_comes_before_a_label() -> None:
    key = OCI + "description"
    assert read_labels({key: "label"}, {key: "annotation"}).description == "annotation"


@pytest.mark.parametrize(("label", "annotation"), [(None, 5), (["label"], None), ({}, True)])
def test_what_is_not_a_text_is_absent(label: object, annotation: object) -> None:
    key = OCI + "description"
    assert read_labels({key: label}, {key: annotation}).description is None


@pytest.mark.parametrize(
    ("index", "entry", "manifest", "expected"),
    [
        ("index", "entry", "manifest", "index"),
        (None, "entry", "manifest", "entry"),
        (None, None, "manifest", "manifest"),
        *((absent, "entry", "manifest", "entry") for absent in ABSENT),
        *((absent, None, "manifest", "manifest") for absent in ABSENT),
        *((None, absent, "manifest", "manifest") for absent in ABSENT),
        *((absent, absent, "manifest", "manifest") for absent in ABSENT),
        *(("index", absent, absent, "index") for absent in ABSENT),
        *((None, "entry", absent, "entry") for absent in ABSENT),
        ("", None, None, ""),
        (None, None, "", ""),
        (None, None, None, None),
    ],
)
@pytest.mark.parametrize("key", ["key", OCI + "version", OCI + "licenses"])
def test_of_each_annotation_the_highest_that_says_something_counts(
    key: str, index: str | None, entry: str | None, manifest: str | None, expected: str | None
) -> None:
    levels = ({} if text is None else {key: text} for text in (index, entry, manifest))
    assert merged_annotations(*levels).get(key) == expected


CREATED = datetime(2026, 11, 20, 10, tzinfo=UTC)
PLACEHOLDERS = ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2013-03-19T23:59:59Z", "mañana", *ABSENT]


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_a_placeholder_hides_no_time_below_it(placeholder: str) -> None:
    time, oci, label_schema = "2026-11-20T10:00:00Z", OCI + "created", LABEL_SCHEMA + "build-date"
    created = [
        read_labels({}, merged_annotations({oci: placeholder}, {oci: time})).created,
        read_labels({oci: time}, {oci: placeholder}).created,
        read_labels({oci: placeholder, label_schema: time}, {oci: placeholder}).created,
        read_labels({label_schema: placeholder}, {oci: time}).created,
        read_labels({oci: placeholder, label_schema: placeholder}, {oci: placeholder}).created,
    ]
    assert created == [CREATED, CREATED, CREATED, CREATED, None]


@pytest.mark.parametrize("time", ["2026-11-20T10:00:00Z", " 2026-11-20T10:00:00Z\n"])
def test_of_two_times_the_higher_one_counts(time: str) -> None:
    oci = OCI + "created"
    assert merged_annotations({oci: time}, {oci: "2020-01-01T00:00:00Z"}) == {oci: time}


@pytest.mark.parametrize("text", [" 2026-11-20T10:00:00Z\n", "2026-11-20 10:00:00 UTC", "2026-11-20t12:00:00+0200"])
@pytest.mark.parametrize("key", [OCI + "created", LABEL_SCHEMA + "build-date"])
def test_it_reads_when_an_image_was_created(key: str, text: str) -> None:
    assert read_labels({key: text}).created == CREATED


@pytest.mark.parametrize(
    "key",
    ["Org.OpenContainers.Image.Version", OCI + "version ", OCI + "versions", "version", "x." + OCI + "version", ""],
)
def test_it_reads_exact_keys_only(key: str) -> None:
    assert read_labels({key: "mañana"}) == read_labels({})


def test_it_reads_no_label_schema_key_from_annotations() -> None:
    annotations = {LABEL_SCHEMA + "version": "mañana"}
    assert read_labels({}, annotations).version is None


def test_without_labels_every_field_is_none() -> None:
    assert read_labels({}) == Labels(*[None] * len(fields(Labels)))


@pytest.mark.parametrize(
    ("field", "oci", "label_schema"),
    [
        ("title", "title", "name"),
        ("description", "description", "description"),
        ("version", "version", "version"),
        ("vendor", "vendor", "vendor"),
        ("authors", "authors", None),
        ("created", "created", "build-date"),
        ("documentation", "documentation", "usage"),
        ("url", "url", "url"),
        ("source", "source", "vcs-url"),
        ("revision", "revision", "vcs-ref"),
        ("base_name", "base.name", None),
        ("base_digest", "base.digest", None),
        ("license", "licenses", "license"),
    ],
)
def test_a_field_has_the_keys_of_both_specifications(field: str, oci: str, label_schema: str | None) -> None:
    assert KNOWN_FIELDS[field] == (OCI + oci, label_schema and LABEL_SCHEMA + label_schema)


def test_every_field_has_known_keys() -> None:
    assert {field.name for field in fields(Labels)} - {"version_control"} <= KNOWN_FIELDS.keys()


def test_it_reads_authors_and_the_base_image() -> None:
    facts = read_oci(authors="Ana <ana@example.com>", base_name="docker.io/library/alpine:3", base_digest=DIGEST)
    assert (facts.authors, facts.base_name, facts.base_digest) == (
        "Ana <ana@example.com>", "docker.io/library/alpine:3", DIGEST,
    )


@pytest.mark.parametrize("text", ["mañana", "sha256:12", "latest", DIGEST + "0"])
def test_an_invalid_base_digest_is_left_out(text: str) -> None:
    assert read_oci(base_digest=text).base_digest is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mañana 😀 👩‍💻 می‌خواهم", "mañana 😀 👩‍💻 می‌خواهم"),
        ("  two\r\n\tlines\x00 ", "two lines"),
        ("".join(map(chr, range(32, 127))).strip(), "".join(map(chr, range(32, 127))).strip()),
        ("user\u202egpj.exe", "usergpj.exe"),
        ("\ufeffzero\u200bwidth\u2066", "zerowidth"),
        ("half \ud83d", "half"),
        ("<b>&amp;", "<b>&amp;"),
        ("x" * 2_000, "x" * 2_000),
        ("x" * 2_001, "x" * 1_999 + "…"),
        ("y " * 1_000_000, "y " * 999 + "y…"),
    ],
)
def test_it_shows_texts_on_one_safe_line(text: str, shown: str) -> None:
    assert read_oci(description=text).description == shown


@pytest.mark.parametrize(
    ("text", "code", "url"),
    [
        ("licencia de mañana", "licencia de mañana", None),
        ("MIT", "MIT", "https://spdx.org/licenses/MIT.html"),
        (" mit\n", "MIT", "https://spdx.org/licenses/MIT.html"),
        ("apache-2.0", "Apache-2.0", "https://spdx.org/licenses/Apache-2.0.html"),
        ("gpl-3.0-OR-later", "GPL-3.0-or-later", "https://spdx.org/licenses/GPL-3.0-or-later.html"),
        ("GPL-2.0+", "GPL-2.0+", "https://spdx.org/licenses/GPL-2.0.html"),
        ("mit or apache-2.0", "MIT OR Apache-2.0", None),
        ("(MIT AND bsd-3-clause) OR 0bsd", "(MIT AND BSD-3-Clause) OR 0BSD", None),
        ("GPL-2.0-only with Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0", None),
        ("LicenseRef-Proprietary", "LicenseRef-Proprietary", None),
        ("Apache 2.0", "Apache 2.0", None),
        ("MIT, Apache-2.0", "MIT, Apache-2.0", None),
        ("MIT OR", "MIT OR", None),
        ("MIT MIT", "MIT MIT", None),
        ("(" * 500 + "MIT" + ")" * 500, "(" * 500 + "MIT" + ")" * 500, None),
        ("()", "()", None),
        ("\"><script>", "\"><script>", None),
        ("__import__('os')", "__import__('os')", None),
    ],
)
def test_it_spells_a_license_as_spdx_does_if_it_is_one(text: str, code: str, url: str | None) -> None:
    assert read_oci(licenses=text).license == License(code, url)


def test_it_reads_the_license_of_label_schema() -> None:
    assert read_labels({LABEL_SCHEMA + "license": "mit"}).license == License("MIT", "https://spdx.org/licenses/MIT.html")


@pytest.mark.parametrize("key", ["license", "my.license", OCI + "license", LABEL_SCHEMA + "licenses"])
def test_it_takes_no_other_key_for_a_license(key: str) -> None:
    assert read_labels({key: "MIT"}).license is None


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (f"{APP}/mañana", f"{APP}/ma%C3%B1ana"),
        (APP, APP),
        (f"{APP}/", APP),
        (f"{APP}.git", APP),
        (f"{APP}.git/", APP),
        (f"{APP}/.git", APP),
        (f"{APP}.git.git", APP),
        (f"{APP}.git/.git", APP),
        ("HTTPS://github.com:443/owner/app", APP),
        ("SSH://git@github.com/owner/app", APP),
        ("GitHub.com/owner/app", APP),
        ("https://example.com:1/x", "https://example.com:1/x"),
        ("https://example.com:65535/x", "https://example.com:65535/x"),
        (f"https://github.com/{'a' * 981}", f"https://github.com/{'a' * 981}"),
        ("http://github.com/owner/app.git", APP),
        ("HTTPS://GitHub.com/owner/app", APP),
        ("https://github.com:443/owner/app", APP),
        ("http://github.com:80/owner/app", APP),
        ("https://github.com//owner//app", APP),
        ("git@github.com:owner/app.git", APP),
        ("git@github.com:owner/app", APP),
        ("git@github.com:/owner/app.git", APP),
        ("git@GITHUB.com:owner/app.git", APP),
        ("ssh://git@github.com/owner/app.git", APP),
        ("ssh://git@github.com:22/owner/app.git", APP),
        ("ssh://github.com/owner/app", APP),
        ("git+ssh://git@github.com/owner/app.git", APP),
        ("git://github.com/owner/app.git", APP),
        ("git://github.com:9418/owner/app.git", APP),
        ("git+https://github.com/owner/app.git", APP),
        ("git+http://github.com/owner/app.git", APP),
        ("https://token@github.com/owner/app", APP),
        ("https://x-access-token:gh_s3cret.x@github.com/owner/app.git", APP),
        (f"{APP}.git#{COMMIT}:24/cli", APP),
        (f"{APP}#readme", APP),
        (f"{APP}?tab=readme#x", APP),
        ("git@github.com:owner/app.git#main", APP),
        ("github.com/owner/app", APP),
        ("github.com/owner/app.git", APP),
        ("github.com:owner/app.git", APP),
        ("gitea.com/owner/app", "https://gitea.com/owner/app"),
        ("gitlab.com/group/app", "https://gitlab.com/group/app"),
        (f"{APP}X", f"{APP}X"),
        (f"{APP}X.git", f"{APP}X"),
        ("ssh://git@github.com/", "https://github.com"),
        ("git@github.com:", "https://github.com"),
        ("github.com/", "https://github.com"),
        (f"{APP}/tree/main/dir", f"{APP}/tree/main/dir"),
        ("ssh://git@git.example.com:2222/group/app.git", "https://git.example.com/group/app"),
        ("git@gitlab.com:group/sub/app.git", "https://gitlab.com/group/sub/app"),
        ("https://gitlab.example.com:8443/group/app", "https://gitlab.example.com:8443/group/app"),
        ("https://git.sr.ht/~owner/app", "https://git.sr.ht/~owner/app"),
        ("https://dev.azure.com/org/My%20App/_git/app", "https://dev.azure.com/org/My%20App/_git/app"),
        ("https://xn--n3h.example/app", "https://xn--n3h.example/app"),
        ("https://example.com", "https://example.com"),
        ("https://example.com/", "https://example.com"),
        ("https://example.com/a@b/c", "https://example.com/a@b/c"),
    ],
)
def test_it_turns_every_spelling_of_a_repository_into_its_web_address(text: str, url: str) -> None:
    assert repository_url(text) == url


ODD_ADDRESSES = [
    "https://mañana.example/owner/app", "https://\u212aube.example/x", "ssh://\u212aube.example/x",
    "", " ", "n/a", "unknown", "owner/app", "app",
    "javascript:alert(1)", "JavaScript:alert(1)", "javascript://github.com/%0aalert(1)", "java\tscript:alert(1)",
    "data:text/html,<script>", "data:text/html;base64,PHNjcmlwdD4=", "vbscript:x", "mailto:a@b.io",
    "file:///etc/passwd",
    "mailto:a@evil.example:x", "javascript:a@evil.example:x", "ftp://github.com/owner/app", "svn://example.com/x",
    "//github.com/owner/app", "https:github.com/owner/app", "https:/github.com/owner/app", "https:///owner/app",
    "https://", "https://github.com@evil.example/", "https://github.com:x@evil.example/", "https://a@b@evil.example/",
    "https://github.com\\@evil.example/", "https://github.com%40evil.example/", "https://@github.com/owner/app",
    "https://:x@github.com/owner/app", "git@github.com@evil.example:owner/app", "https://github.com /owner/app",
    "https://github.com/owner/app x", "https://github.com/owner/\"app", "https://github.com/owner/'app",
    "https://github.com/owner/<app>", "https://github.com/owner/`app`",
    "https://github.com/owner/app\x00", "https://git\nhub.com/owner/app", "https://github.com/owner/app\u202egpj",
    "https://github.com/owner/app\u2028x", "https://github.com/owner/app\ud800", "https://github.com/owner/\u200bapp",
    "git@github.com:../evil", "https://127.0.0.1/x", "https://127.1/x", "https://2130706433/x", "https://0x7f.0x1/x",
    "https://[::1]/x", "https://localhost/x", "https://example/x", "git@gitlab:owner/app", "https://example.com./x",
    "https://.example.com/x", "https://-a.example/x", "https://a_b.example/x", "https://a..example/x",
    "https://example.com:0/x", "https://example.com:65536/x", "https://example.com:x/x", "https://example.com:/x",
    "http://example.com:8080/owner/app", "http://example.com:443/owner/app", "git@example.com:2222/owner/app",
    "example.com/owner/app", "example.com:owner/app", "evil.example:alert(1)", "${VCS_URL}", "$(git remote)",
    f"https://{'a' * 64}.example/x", "https://github.com/" + "a" * 982, "https://" + "a." * 8_192 + "example",
    "git@" * 4_096, "https://" + "@" * 16_384, "/" * 16_384, "git@github.com:" + "/.git" * 4_096,
]


@pytest.mark.parametrize(
    "text",
    [
        *ODD_ADDRESSES, "https://github.com/owner/app\n", "https://github.com/owner/../evil", "https://github.com/./owner",
        "https://github.com/owner/%2e%2E/evil",
    ],
)
def test_it_makes_no_link_of_an_odd_address(text: str) -> None:
    assert repository_url(text) is None


@pytest.mark.parametrize("text", ODD_ADDRESSES)
def test_an_odd_address_leaves_the_other_fields_alone(text: str) -> None:
    facts = read_oci(source=text, url=text, documentation=text, version="mañana", revision=COMMIT)
    assert facts == read_oci(version="mañana", revision=COMMIT)


@pytest.mark.parametrize("name", ["url", "documentation"])
@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://example.com/mañana?q=día#año", "https://example.com/ma%C3%B1ana?q=d%C3%ADa#a%C3%B1o"),
        ("https://example.com", "https://example.com"),
        ("https://example.com/", "https://example.com/"),
        ("http://Example.com/Docs/", "https://example.com/Docs/"),
        ("https://example.com:8443/a?b=c&d=e#f", "https://example.com:8443/a?b=c&d=e#f"),
        ("https://user:secret@example.com/a%20b", "https://example.com/a%20b"),
        (" https://example.com/x.git ", "https://example.com/x.git"),
        ("run it with docker run", None),
        ("git@github.com:owner/app.git", None),
        ("ssh://git@github.com/owner/app", None),
        ("www.example.com", None),
    ],
)
def test_it_links_to_websites(name: str, text: str, url: str | None) -> None:
    assert getattr(read_oci(**{name: text}), name) == url


def test_it_reads_the_links_of_label_schema() -> None:
    facts = read_labels({LABEL_SCHEMA + "usage": f"{APP}/docs", LABEL_SCHEMA + "url": APP})
    assert (facts.documentation, facts.url) == (f"{APP}/docs", APP)


@pytest.mark.parametrize(
    ("repository", "revision", "url"),
    [
        (APP, "mañana", f"{APP}/tree/ma%C3%B1ana"),
        (APP, COMMIT, f"{APP}/commit/{COMMIT}"),
        (APP, "12a4554", f"{APP}/commit/12a4554"),
        (APP, "A" * 64, f"{APP}/commit/{'A' * 64}"),
        (APP, "12a455", f"{APP}/tree/12a455"),
        (APP, "a" * 65, f"{APP}/tree/{'a' * 65}"),
        (APP, "v1.2.3", f"{APP}/tree/v1.2.3"),
        (APP, "feature/x#1", f"{APP}/tree/feature/x%231"),
        (APP, "a%2e%2e", f"{APP}/tree/a%252e%252e"),
        ("git@github.com:owner/app.git", COMMIT, f"{APP}/commit/{COMMIT}"),
        (f"{APP}/tree/main/dir", COMMIT, f"{APP}/commit/{COMMIT}"),
        ("https://www.github.com/owner/app", COMMIT, f"https://www.github.com/owner/app/commit/{COMMIT}"),
        ("https://github.example.com/owner/app", COMMIT, f"https://github.example.com/owner/app/commit/{COMMIT}"),
        ("https://gitlab.com/group/app", COMMIT, f"https://gitlab.com/group/app/-/commit/{COMMIT}"),
        ("https://gitlab.com/g/sub/app", "v1", "https://gitlab.com/g/sub/app/-/tree/v1"),
        ("https://gitlab.com/g/sub/app/-/tree/main/x", COMMIT, f"https://gitlab.com/g/sub/app/-/commit/{COMMIT}"),
        ("https://gitlab.example.com:8443/g/a", COMMIT, f"https://gitlab.example.com:8443/g/a/-/commit/{COMMIT}"),
        ("https://bitbucket.org/owner/app", COMMIT, f"https://bitbucket.org/owner/app/commits/{COMMIT}"),
        ("https://bitbucket.org/owner/app", "v1", "https://bitbucket.org/owner/app/src/v1"),
        ("https://codeberg.org/owner/app", COMMIT, f"https://codeberg.org/owner/app/commit/{COMMIT}"),
        ("https://gitea.example.com/owner/app", "v1", "https://gitea.example.com/owner/app/src/v1"),
        ("https://codeberg.org:8443/owner/app", "v1", "https://codeberg.org:8443/owner/app/src/v1"),
        ("https://forgejo.example.com/owner/app", "v1", "https://forgejo.example.com/owner/app/src/v1"),
        (APP, "x", f"{APP}/tree/x"),
        (APP, "x" * 255, f"{APP}/tree/{'x' * 255}"),
        ("https://git.example.com/owner/app", COMMIT, None),
        ("https://github.com/owner", COMMIT, None),
        ("https://github.com", COMMIT, None),
        ("https://gitlab.com/-/x", COMMIT, None),
        ("javascript:alert(1)", COMMIT, None),
        ("", COMMIT, None),
        (APP, "", None),
        (APP, "../../evil/app", None),
        (APP, "a/../../b", None),
        (APP, "a//b", None),
        (APP, "/a", None),
        (APP, "a/", None),
        (APP, ".", None),
        (APP, "-x", None),
        (APP, "a b", None),
        (APP, "a\nb", None),
        (APP, "a\"b", None),
        (APP, "a\ud800", None),
        (APP, "HEAD~1", None),
        (APP, "$VCS_REF@{0}", None),
        (APP, "a" * 256, None),
    ],
)
def test_it_knows_the_page_of_a_commit(repository: str, revision: str, url: str | None) -> None:
    assert commit_url(repository, revision) == url


@pytest.mark.parametrize(
    ("source", "revision", "url"),
    [
        (APP, "mañana", f"{APP}/tree/ma%C3%B1ana"),
        ("git@github.com:owner/app.git", COMMIT, f"{APP}/commit/{COMMIT}"),
        ("https://git.example.com/owner/app.git", COMMIT, "https://git.example.com/owner/app"),
        (APP, "not a ref", APP),
    ],
)
def test_it_finds_the_commit_of_an_image(source: str, revision: str, url: str) -> None:
    facts = read_oci(source=source, revision=revision)
    assert facts.version_control == VersionControl("git", url, revision)


@pytest.mark.parametrize("kind", ["", " ", "git", "Git"])
def test_a_commit_may_be_one_of_git(kind: str) -> None:
    labels = {LABEL_SCHEMA + "vcs-url": APP, LABEL_SCHEMA + "vcs-ref": COMMIT, LABEL_SCHEMA + "vcs-type": kind}
    assert read_labels(labels).version_control == VersionControl("git", f"{APP}/commit/{COMMIT}", COMMIT)


@pytest.mark.parametrize("kind", ["mañana", "svn", "hg", "git svn"])
def test_a_commit_of_another_version_control_is_left_out(kind: str) -> None:
    labels = {LABEL_SCHEMA + "vcs-url": APP, LABEL_SCHEMA + "vcs-ref": COMMIT, LABEL_SCHEMA + "vcs-type": kind}
    assert read_labels(labels).version_control is None


@pytest.mark.parametrize("labels", [{"source": APP}, {"revision": COMMIT}, {"source": "", "revision": COMMIT}])
def test_a_commit_needs_an_address_and_a_revision(labels: dict[str, str]) -> None:
    assert read_oci(**labels).version_control is None


@pytest.mark.parametrize(
    ("source", "given_revision", "revision"),
    [
        (f"https://github.com/docker-library/docker.git#{COMMIT}:24/cli", "", COMMIT),
        (f"https://github.com/docker-library/docker.git#{COMMIT}", "", COMMIT),
        (f"{APP}#{COMMIT}:mañana", "v1", "v1"),
        (f"{APP}#readme", "", None),
        (f"{APP}#main:dir", "", None),
        (f"{APP}#{COMMIT}x", "", None),
        (f"{APP}#x#{COMMIT}", "", None),
        (f"javascript:alert(1)#{COMMIT}", "", None),
        (f"#{COMMIT}", "", None),
    ],
)
def test_it_finds_the_revision_in_the_address_of_the_source(
    source: str, given_revision: str, revision: str | None
) -> None:
    assert read_oci(source=source, revision=given_revision).revision == revision


SAFE_LINK = re.compile(
    r"https://[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::[1-9][0-9]*)?(?:[/?#][!#-&(-;=?-Z\[\]_a-z~]*)?", re.ASCII
)
ADDRESS_PARTS = [
    "https://", "git@", "github.com", "gitlab.com", ":", "/", "owner", "@", "..", "#", "?", "%2e", ".git", "é",
]
ADDRESS_LIKE = st.lists(st.sampled_from(ADDRESS_PARTS) | st.characters(), max_size=12).map("".join)
TEXTS = st.text() | ADDRESS_LIKE | st.sampled_from([APP, COMMIT, "mit or (apache-2.0)", "git"])
KNOWN_KEYS = st.sampled_from([key for keys in KNOWN_FIELDS.values() for key in keys if key])
LABELS = st.dictionaries(KNOWN_KEYS | st.text(), TEXTS | st.none() | st.integers() | st.lists(st.text()))


@given(LABELS, LABELS)
def test_links_are_safe_whatever_labels_say(labels: dict[str, object], annotations: dict[str, object]) -> None:
    facts = read_labels(labels, annotations)
    links = [facts.url, facts.documentation, facts.source]
    links += [facts.license.url] if facts.license else []
    links += [facts.version_control.url] if facts.version_control else []
    assert all(SAFE_LINK.fullmatch(link) for link in links if link is not None)


@given(st.lists(st.dictionaries(KNOWN_KEYS, TEXTS), max_size=4))
def test_every_annotation_of_every_level_is_there_once_merged(levels: list[dict[str, str]]) -> None:
    merged = merged_annotations(*levels)
    assert set(merged) == {key for level in levels for key in level}
    assert all(any(level.get(key) == text for level in levels) for key, text in merged.items())


@given(LABELS)
def test_texts_are_safe_lines_whatever_labels_say(labels: dict[str, object]) -> None:
    facts = read_labels(labels)
    lines = [facts.description, facts.version, facts.revision, facts.authors]
    lines += [facts.license.code] if facts.license else []
    assert all(line == " ".join(line.split()) != "" for line in lines if line is not None)


@given(TEXTS, TEXTS)
@example("https://github.com/owner/app", "\ud800")
def test_it_makes_only_safe_links_of_arbitrary_texts(address: str, revision: str) -> None:
    links = [repository_url(address), commit_url(address, revision), commit_url(APP, revision)]
    assert all(SAFE_LINK.fullmatch(link) for link in links if link is not None)


@given(TEXTS)
def test_it_reads_its_own_repository_addresses_back(address: str) -> None:
    url = repository_url(address)
    assert url is None or repository_url(url) == url


@given(st.lists(st.sampled_from(["mit", "or", "and", "with", "(", ")", "0bsd", "x", "+", "licenseref-", "ſ", "$"])))
def test_it_reads_arbitrary_license_texts(words: list[str]) -> None:
    text = " ".join(words)
    license_ = read_oci(licenses=text).license
    assert (license_ is None) == (not text.strip())
