"""Names of images: every spelling that is one, every text that is none, and that none is unsafe as a path."""

from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from microbadger.image.reference import (
    DOCKER_HUB,
    InvalidReference,
    Reference,
    Repository,
    is_digest,
    is_tag,
    kept_repositories,
)

SHA256 = "sha256:" + "0123456789abcdef" * 4
SHA512 = "sha512:" + "f" * 128
BLAKE3 = "blake3:" + "a" * 64
IMAGE_ID = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a"
LABEL_OF_63 = "a" * 63
HOST_OF_253 = ".".join(["a" * 63, "a" * 63, "a" * 63, "a" * 61])
LONGEST_PATH = "a" * (255 - len("ghcr.io/"))

# text, registry, path, tag, digest
VALID = [
    ("alpine", DOCKER_HUB, "library/alpine", None, None),
    ("library/alpine", DOCKER_HUB, "library/alpine", None, None),
    ("_/alpine", DOCKER_HUB, "library/alpine", None, None),
    ("docker.io/_/alpine", DOCKER_HUB, "library/alpine", None, None),
    ("docker.io/alpine", DOCKER_HUB, "library/alpine", None, None),
    ("docker.io/library/alpine", DOCKER_HUB, "library/alpine", None, None),
    ("index.docker.io/alpine", DOCKER_HUB, "library/alpine", None, None),
    ("index.docker.io/library/alpine", DOCKER_HUB, "library/alpine", None, None),
    ("index.docker.io/owner/app", DOCKER_HUB, "owner/app", None, None),
    ("registry-1.docker.io/alpine", DOCKER_HUB, "library/alpine", None, None),
    ("registry-1.docker.io/owner/app:1", DOCKER_HUB, "owner/app", "1", None),
    ("DOCKER.IO/alpine", DOCKER_HUB, "library/alpine", None, None),
    ("Index.Docker.io/owner/app", DOCKER_HUB, "owner/app", None, None),
    ("alpine:3.20", DOCKER_HUB, "library/alpine", "3.20", None),
    ("_/alpine:3.20", DOCKER_HUB, "library/alpine", "3.20", None),
    ("alpine:Edge_1.0-x", DOCKER_HUB, "library/alpine", "Edge_1.0-x", None),
    ("alpine:_", DOCKER_HUB, "library/alpine", "_", None),
    ("alpine:" + "t" * 128, DOCKER_HUB, "library/alpine", "t" * 128, None),
    (f"alpine@{SHA256}", DOCKER_HUB, "library/alpine", None, SHA256),
    (f"alpine@{SHA512}", DOCKER_HUB, "library/alpine", None, SHA512),
    (f"alpine@{BLAKE3}", DOCKER_HUB, "library/alpine", None, BLAKE3),
    (f"alpine:latest@{SHA256}", DOCKER_HUB, "library/alpine", "latest", SHA256),
    ("alpine@sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g", DOCKER_HUB, "library/alpine", None,
     "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g"),
    ("microscaling/microbadger", DOCKER_HUB, "microscaling/microbadger", None, None),
    ("owner/my_tool-3.8", DOCKER_HUB, "owner/my_tool-3.8", None, None),
    ("a/b/c", DOCKER_HUB, "a/b/c", None, None),
    ("library/a/b", DOCKER_HUB, "library/a/b", None, None),
    ("docker---rules/docker", DOCKER_HUB, "docker---rules/docker", None, None),
    ("dock__er/docker", DOCKER_HUB, "dock__er/docker", None, None),
    ("d/docker", DOCKER_HUB, "d/docker", None, None),
    ("jess/t", DOCKER_HUB, "jess/t", None, None),
    ("0/0", DOCKER_HUB, "0/0", None, None),
    ("test_com/foo", DOCKER_HUB, "test_com/foo", None, None),
    ("test_com", DOCKER_HUB, "library/test_com", None, None),
    ("foo/foo_bar.com:8080", DOCKER_HUB, "foo/foo_bar.com", "8080", None),
    ("test.com:5000", DOCKER_HUB, "library/test.com", "5000", None),
    ("test.com:tag", DOCKER_HUB, "library/test.com", "tag", None),
    ("test.com", DOCKER_HUB, "library/test.com", None, None),
    ("192.168.1.1:5000", DOCKER_HUB, "library/192.168.1.1", "5000", None),
    ("localhost", DOCKER_HUB, "library/localhost", None, None),
    ("localhost:5000", DOCKER_HUB, "library/localhost", "5000", None),
    ("thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev", DOCKER_HUB,
     "library/thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev", None, None),
    (IMAGE_ID[:-1], DOCKER_HUB, f"library/{IMAGE_ID[:-1]}", None, None),
    (f"library/{IMAGE_ID}", DOCKER_HUB, f"library/{IMAGE_ID}", None, None),
    (f"docker.io/{IMAGE_ID}", DOCKER_HUB, f"library/{IMAGE_ID}", None, None),
    ("docker.io/localhost/web", DOCKER_HUB, "localhost/web", None, None),
    ("docker.io/ghcr.io/owner", DOCKER_HUB, "ghcr.io/owner", None, None),
    ("docker.io/docker.io/owner", DOCKER_HUB, "docker.io/owner", None, None),
    ("docker.io/localhost", DOCKER_HUB, "library/localhost", None, None),
    ("ghcr.io/aquasecurity/trivy", "ghcr.io", "aquasecurity/trivy", None, None),
    ("GHCR.io/aquasecurity/trivy:1", "ghcr.io", "aquasecurity/trivy", "1", None),
    ("quay.io/a/b/c", "quay.io", "a/b/c", None, None),
    ("quay.io/alpine", "quay.io", "alpine", None, None),
    ("registry.k8s.io/pause:3.9", "registry.k8s.io", "pause", "3.9", None),
    ("b.gcr.io/test.example.com/my-app:test.example.com", "b.gcr.io", "test.example.com/my-app",
     "test.example.com", None),
    ("sub-dom1.foo.com/bar/baz/quux:some-long-tag", "sub-dom1.foo.com", "bar/baz/quux", "some-long-tag", None),
    ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com", None),
    (f"xn--7o8h.com/myimage:1@{SHA512}", "xn--7o8h.com", "myimage", "1", SHA512),
    ("localhost/web", "localhost", "web", None, None),
    ("LocalHost/web", "localhost", "web", None, None),
    ("localhost:5000/web", "localhost:5000", "web", None, None),
    ("localhost:5000/web:5000", "localhost:5000", "web", "5000", None),
    (f"localhost:5000/web:1@{SHA256}", "localhost:5000", "web", "1", SHA256),
    ("LOCALHOST:5000/web", "localhost:5000", "web", None, None),
    ("registry:5000/web", "registry:5000", "web", None, None),
    ("Registry:5000/web", "registry:5000", "web", None, None),
    ("test-com:8080/foo", "test-com:8080", "foo", None, None),
    ("example.com:1/x", "example.com:1", "x", None, None),
    ("example.com:65535/x", "example.com:65535", "x", None, None),
    ("example.com:443/x", "example.com:443", "x", None, None),
    ("docker.io:443/library/x", "docker.io:443", "library/x", None, None),
    ("127.0.0.1:5000/docker/docker", "127.0.0.1:5000", "docker/docker", None, None),
    ("192.168.1.1/repo", "192.168.1.1", "repo", None, None),
    ("[::1]:5000/web", "[::1]:5000", "web", None, None),
    ("[::1]/web", "[::1]", "web", None, None),
    ("[0:0:0:0:0:0:0:1]:5000/web:1", "[::1]:5000", "web", "1", None),
    ("[2001:DB8::1]:5000/repo", "[2001:db8::1]:5000", "repo", None, None),
    (f"[fc00:1:2:3:4:5:6:7]:5000/library/debian@{SHA256}", "[fc00:1:2:3:4:5:6:7]:5000", "library/debian",
     None, SHA256),
    (f"{LABEL_OF_63}.example/x", f"{LABEL_OF_63}.example", "x", None, None),
    (f"ghcr.io/{LONGEST_PATH}", "ghcr.io", LONGEST_PATH, None, None),
    (f"ghcr.io/{LONGEST_PATH}:{'t' * 128}@{SHA512}", "ghcr.io", LONGEST_PATH, "t" * 128, SHA512),
    (f"ghcr.io/{LONGEST_PATH}:{'t' * 128}@a:{'b' * 253}", "ghcr.io", LONGEST_PATH, "t" * 128, f"a:{'b' * 253}"),
    (f"{HOST_OF_253}/x", HOST_OF_253, "x", None, None),
]

INVALID = [
    # letters no registry knows, spaces, control characters, what hides or reorders text
    "mañana", "mañana/x", "x/mañana", "ghcr.io/mañana", "alpine:mañana", "exämple.com/x", "😀", "ａｌｐｉｎｅ",
    "аlpine", "\u212a.io/x", "\u212a/x", "x:\u0661", "localho\u017ft/x", "\u200ealpine", "alpine\u200f", "\u202ealpine",
    "alp\u200bine", "\ufeffalpine", "\ud800", "x/\udfff", "", " ", "\n", "\x00", "x\n", "\nx", "x ", " x", "x\t",
    "x\r\n", "x y", "x\x00", "x\x00y", "x/y\n", "x:1\n", f"x@{SHA256}\n", "ghcr.io\n/x", "localhost:5000\n/x",
    # other places in a file system
    "..", ".", "../etc", "../../etc/passwd", "a/../b", "a/..", "a/.", "./a", "a/./b", "ghcr.io/..", "ghcr.io/../x",
    "ghcr.io/x/..", "...", ".a", "a.", "a..b", "a/.b", "a/b.", "%2e%2e/x", "a/%2e%2e/b", "..%2fetc", "a\\..\\b", "~/x",
    "a//b", "/a", "a/", "//a", "docker///docker", "docker/", "ghcr.io/", "ghcr.io//x", "/ghcr.io/x", "docker.io/",
    "docker.io//x", "index.docker.io//alpine", "docker.io/library/", "library/", "/", "c:\\x",
    # separators in the wrong place
    "-a", "a-", "-a/b", "a/-", "a/-/b", "a/-b", "a-/b", "-docker.io/a/b", "ghcr.io/-", "ghcr.io/-/x", "docker-/docker",
    "_a", "a_", "a___b", "a._b", "a_.b", "a-.b", "a-_b", "____/____", "_docker/_docker",
    "_", "_/", "_/_", "_/_/x", "_/a/b", "ghcr.io/_/x",
    # upper case
    "A", "Alpine", "A/b", "a/B", "Uppercase/lowercase", "Uppercase/lowercase:tag", "FOO/bar", "docker/Docker",
    "docker.io/docker/Docker", "ghcr.io/Owner/app", "test:5000/Uppercase/lowercase:tag", "owner/NAME_TEMPLATE",
    # image IDs, tags, digests
    IMAGE_ID, f"{IMAGE_ID}:latest", f"{IMAGE_ID}@{SHA256}", SHA256, ":", "@", ":1", "@x", ":justtag", f"@{SHA256}",
    "alpine:", "alpine@", "alpine:@", "alpine:-x", "alpine:.x", "alpine:x:y", "alpine:x/y", "alpine:x+y",
    "alpine:" + "t" * 129, "alpine:1:2/x", "alpine@latest", "alpine@sha256", "alpine@sha256:",
    "alpine@sha256:" + "a" * 63, "alpine@sha256:" + "a" * 65, "alpine@sha256:" + "A" * 64, "alpine@sha256:" + "g" * 64,
    "alpine@sha512:" + "a" * 64, "alpine@blake3:" + "a" * 63, "alpine@SHA256:" + "a" * 64, "alpine@x:" + "a" * 254,
    f"alpine@{SHA256}@{SHA256}", f"alpine@{SHA256}:1",
    # hosts and ports
    "localhost:0/x", "localhost:00080/x", "localhost:65536/x", "localhost:99999999999/x", "localhost:/x",
    "localhost:x/y", "localhost:-1/x", "localhost:5000:5000/x", "localhost:٥/x", "localhost:" + "9" * 600 + "/x",
    "[::1]", "[::1]:5000", "[::1]:tag", "[]/x", "[::1/x", "::1]/x", "::1/x", "[:::1]/x", "[::1::2]/x", "[12345::]/x",
    "[fe80::1%eth0]:5000/x", "[2001:db8::192.0.2.33]:5000/x", "[::ffff:7f00:1]/x", "[::1]x/y", "[::1]:0/x",
    "fc00::1:5000/debian", "[1.2.3.4]/x", "[" + ":" * 500 + "]/x", ".com/x", "example..com/x", "example.com./x",
    "-example.com/x", "example-.com/x", "foo_bar.com/x", "exa$mple.com/x", f"{'a' * 64}.com/x", "a." * 127 + "com/x",
    f"a{HOST_OF_253}/x",
    # addresses, templates, code
    "user@ghcr.io/x", "user:secret@ghcr.io/x", "a@b.c/x", "https://ghcr.io/x", "http://localhost:5000/x",
    "docker://alpine", "://x", "file:///etc/passwd", "https://hub.docker.com/r/owner/app",
    "hub.docker.com/r/owner/app", "hub.docker.com/_/alpine", "aa/asdf$$^/aa", "$IMAGE", "${IMAGE}", "<script>",
    "a&b", "a'b", 'a"b', "a;b", "a|b", "a*", "a?b", "a#b",
    # too long, and long enough to hang a backtracking parser
    "a/" * 128 + "a", "a" * 256, f"ghcr.io/{LONGEST_PATH}a", "a" * 250, "x" * 16_384, "a/" * 8_192, "a-" * 8_192,
    "_" * 16_384, "a." * 8_192, "[" * 16_384, ":" * 16_384, "@" * 16_384, "/" * 16_384, "a:" + "b" * 16_384,
    "a@" + "b:" * 8_192, "1." * 8_192 + "/x", "-" * 16_384 + "/x",
]


@pytest.mark.parametrize(("text", "registry", "path", "tag", "digest"), VALID)
def test_it_reads_every_spelling_of_a_reference(
    text: str, registry: str, path: str, tag: str | None, digest: str | None
) -> None:
    assert Reference.parse(text) == Reference(Repository(registry, path), tag, digest)


@pytest.mark.parametrize(("text", "registry", "path"), [row[:3] for row in VALID if row[3:] == (None, None)])
def test_it_reads_every_spelling_of_a_repository(text: str, registry: str, path: str) -> None:
    assert Repository.parse(text) == Repository(registry, path)


@pytest.mark.parametrize("text", INVALID)
def test_it_refuses_what_names_no_image(text: str) -> None:
    with pytest.raises(InvalidReference):
        Reference.parse(text)


@pytest.mark.parametrize("text", INVALID)
def test_it_refuses_what_names_no_repository(text: str) -> None:
    with pytest.raises(InvalidReference):
        Repository.parse(text)


@pytest.mark.parametrize("text", INVALID)
def test_it_refuses_in_one_short_sentence_without_invisible_characters(text: str) -> None:
    with pytest.raises(InvalidReference) as refusal:
        Reference.parse(text)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("mañana", "'mañana' is not a valid image path: write lower-case letters"),
        ("", "the image name is empty: write one such as ghcr.io/owner/app"),
        ("Owner/App", "write 'owner/app'"),
        ("Alpine:Edge", "write 'alpine'"),
        ("ghcr.io/Owner/app", "write 'owner/app'"),
        ("https://ghcr.io/owner/app", "is a web address"),
        ("hub.docker.com/r/owner/app", "write an image on Docker Hub as owner/app"),
        (IMAGE_ID, "is an image ID"),
        ("localhost:65536/x", "'65536' is not a port: write a number from 1 to 65535"),
        ("localhost:080/x", "'080' is not a port"),
        ("[12345::]/x", "'12345::' is not an IPv6 address"),
        ("[::ffff:7f00:1]/x", "write 127.0.0.1"),
        ("foo_bar.com/x", "'foo_bar.com' is not a registry host"),
        ("alpine:a b", "'a b' is not a tag"),
        ("alpine@sha256:12", "'sha256:12' is not a digest: write sha256: and 64"),
        ("a" * 250, "with its registry it has 268 characters, write at most 255"),
        ("x" * 641, "it has 641 characters, write at most 640"),
        ("x" * 5_000, "it has 5000 characters, write at most"),
        ("x\u202ey", r"'x\u202ey' is not a valid image path"),
        ("ghcr.io/\u212a", "is not a valid image path"),
        ("ghcr.io/A!", "'A!' is not a valid image path"),
        ("!" * 80, f"'{'!' * 80}' is not a valid image path"),
        ("!" * 81, f"'{'!' * 79}…' is not a valid image path"),
    ],
)
def test_it_says_what_is_wrong_and_what_to_write(text: str, advice: str) -> None:
    with pytest.raises(InvalidReference) as refusal:
        Reference.parse(text)
    assert advice in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("alpine:3.20", "'alpine:3.20' has a tag: write only the repository, 'alpine'"),
        (f"ghcr.io/a/b@{SHA256}", "has a digest: write only the repository, 'ghcr.io/a/b'"),
        (f"localhost:5000/web:1@{SHA256}", "has a tag: write only the repository, 'localhost:5000/web'"),
        ("alpine:", "has a tag: write only the repository, 'alpine'"),
        ("alpine@", "has a digest: write only the repository, 'alpine'"),
    ],
)
def test_it_refuses_a_repository_with_a_tag_or_digest(text: str, refusal: str) -> None:
    with pytest.raises(InvalidReference, match=refusal):
        Repository.parse(text)


@pytest.mark.parametrize(
    ("text", "familiar", "bare"),
    [
        ("docker.io/library/alpine", "library/alpine", "alpine"),
        ("alpine", "library/alpine", "alpine"),
        ("_/alpine", "library/alpine", "alpine"),
        ("library/a/b", "library/a/b", None),
        ("docker.io/microscaling/microbadger", "microscaling/microbadger", None),
        ("ghcr.io/a/b", "ghcr.io/a/b", None),
        ("quay.io/library/alpine", "quay.io/library/alpine", None),
        ("localhost:5000/web", "localhost:5000/web", None),
        ("[0::1]:5000/web", "[::1]:5000/web", None),
        ("docker.io/localhost/web", "docker.io/localhost/web", None),
        ("docker.io/ghcr.io/owner", "docker.io/ghcr.io/owner", None),
        ("docker.io/a/b.c/d", "a/b.c/d", None),
        ("docker.io/localhost", "library/localhost", "localhost"),
        ("docker.io/test.com", "library/test.com", "test.com"),
        (f"library/{IMAGE_ID}", f"library/{IMAGE_ID}", None),
        (f"library/{IMAGE_ID}x", f"library/{IMAGE_ID}x", f"{IMAGE_ID}x"),
    ],
)
def test_it_has_one_familiar_name_and_a_bare_one_if_official(text: str, familiar: str, bare: str | None) -> None:
    repository = Repository.parse(text)
    assert (repository.familiar, repository.bare) == (familiar, bare)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("alpine", "library/alpine"),
        ("index.docker.io/owner/app:1", "owner/app:1"),
        (f"GHCR.io/owner/app:1@{SHA256}", f"ghcr.io/owner/app:1@{SHA256}"),
        (f"localhost:5000/web@{SHA256}", f"localhost:5000/web@{SHA256}"),
    ],
)
def test_it_writes_a_reference_with_the_familiar_name(text: str, written: str) -> None:
    assert str(Reference.parse(text)) == written


def test_it_writes_a_repository_with_its_registry() -> None:
    assert str(Repository.parse("alpine")) == "docker.io/library/alpine"


def test_it_orders_repositories_by_registry_and_path() -> None:
    names = ["quay.io/a", "docker.io/b/a", "docker.io/a/b", "ghcr.io/z"]
    assert [str(repository) for repository in sorted(map(Repository.parse, names))] == [
        "docker.io/a/b", "docker.io/b/a", "ghcr.io/z", "quay.io/a",
    ]


@pytest.mark.parametrize(
    ("registry", "path"),
    [
        ("exämple.com", "x"), ("docker.io", "../etc/passwd"), ("docker.io", "alpine"), ("docker.io", ""), ("", "a/b"),
        ("ghcr", "a/b"), ("GHCR.io", "a"), ("index.docker.io", "a/b"), ("[0::1]", "a"), ("ghcr.io", "A"),
        ("hub.docker.com", "a/b"), ("ghcr.io:080", "a"), ("..", "a"), ("ghcr.io/a", "b"), ("ghcr.io", "a:1"),
        ("ghcr.io", "a" * 248), ("ghcr.io", "/a"), ("ghcr.io", "a\n"), ("a." * 8_192, "x"), ("a" * 16_384 + ".", "x"),
        ("localhost:" + "9" * 8_192, "x"),
        ("ghcr.io", "a-" * 8_192), ("ghcr.io", "a" * 16_384 + "!"), ("ghcr.io", "-" * 16_384),
    ],
)
def test_it_makes_no_repository_that_is_not_canonical(registry: str, path: str) -> None:
    with pytest.raises(InvalidReference):
        Repository(registry, path)


@pytest.mark.parametrize(
    ("tag", "digest"), [("mañana", None), ("", None), ("a b", None), ("../x", None), (None, ""), (None, "sha256:1")]
)
def test_it_makes_no_reference_with_an_invalid_tag_or_digest(tag: str | None, digest: str | None) -> None:
    with pytest.raises(InvalidReference):
        Reference(Repository.parse("alpine"), tag, digest)


def test_of_the_repositories_that_were_kept_those_in_another_spelling_are_damaged() -> None:
    kept = ["docker.io/library/alpine", "mañana!", "alpine", "", "ghcr.io/a/b:1", "ghcr.io/a/b"]
    assert kept_repositories(kept) == [Repository("docker.io", "library/alpine"), Repository("ghcr.io", "a/b")]


@pytest.mark.parametrize("text", ["latest", "1", "_", "_x", "A.b-C_d", "v1.2.3-rc.1", "t" * 128])
def test_it_knows_a_tag(text: str) -> None:
    assert is_tag(text)


@pytest.mark.parametrize(
    "text", ["mañana", "", "-x", ".x", "x\n", "x y", "x/y", "x:y", "x+y", "..", "t" * 129, SHA256, "\x00", "٣"]
)
def test_it_knows_what_is_not_a_tag(text: str) -> None:
    assert not is_tag(text)


@pytest.mark.parametrize(
    "text",
    [
        *(SHA256, SHA512, BLAKE3),
        *("multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46H", "md5:_-=", "a.b_c-d+e:0"),
        "a:" + "b" * 253,
    ],
)
def test_it_knows_a_digest(text: str) -> None:
    assert is_digest(text)


@pytest.mark.parametrize(
    "text",
    [
        "sha256:mañana", "", "sha256", "sha256:", ":abc", "Sha256:" + "a" * 64, SHA256.upper(),
        SHA256 + "\n", SHA256 + "0", SHA256[:-1], "sha512:" + "a" * 64, "blake3:" + "a" * 128, "+a:b", "a+:b",
        "a:", "a:" + "b" * 254, "a++b:c", "a:b:c", "a:b/c", "a:..", "a:" + "b" * 16_384, "a+" * 8_192 + ":b",
    ],
)
def test_it_knows_what_is_not_a_digest(text: str) -> None:
    assert not is_digest(text)


# Texts that come near to names, which arbitrary ones hardly ever do.
NAME_LIKE = st.text("abAB01._-/:@[]% \né", max_size=40)
COMPONENTS = st.from_regex(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*", fullmatch=True).filter(lambda x: len(x) < 40)
HOSTS = st.sampled_from(
    ["", "docker.io/", "index.docker.io/", "GHCR.io/", "localhost/", "localhost:5000/", "[0::1]:80/", "10.0.0.1/"]
)
NAMES = st.builds(lambda host, path: host + "/".join(path), HOSTS, st.lists(COMPONENTS, min_size=1, max_size=4))
TEXTS = st.text() | NAME_LIKE | NAMES


def repository_or_none(text: str) -> Repository | None:
    try:
        return Repository.parse(text)
    except InvalidReference:
        return None


@given(TEXTS)
@example("docker.io/localhost/web")
@example("docker.io/docker.io/docker.io")
def test_it_reads_its_own_spellings_back(text: str) -> None:
    repository = repository_or_none(text)
    if repository is not None:
        spellings = [str(repository), repository.familiar, repository.bare or repository.familiar]
        assert [Repository.parse(spelling) for spelling in spellings] == [repository] * 3


@given(TEXTS)
def test_it_makes_only_repositories_that_are_safe_as_paths(text: str) -> None:
    repository = repository_or_none(text)
    if repository is not None:
        parts = repository.familiar.split("/")
        assert PurePosixPath("/public", *parts).parts == ("/", "public", *parts)
        assert all(part.isascii() and part.isprintable() and not part.startswith((".", "-")) for part in parts)


@given(st.lists(COMPONENTS, min_size=1, max_size=4))
def test_it_reads_every_path_that_follows_the_grammar(components: list[str]) -> None:
    assert Repository.parse("ghcr.io/" + "/".join(components)).path.split("/") == components


@given(TEXTS, st.none() | st.sampled_from(["latest", "v1.2_3-x"]), st.none() | st.sampled_from([SHA256, SHA512]))
def test_it_reads_its_own_references_back(text: str, tag: str | None, digest: str | None) -> None:
    repository = repository_or_none(text)
    if repository is not None:
        reference = Reference(repository, tag, digest)
        assert Reference.parse(str(reference)) == reference
