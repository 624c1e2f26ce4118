"""A version of which everything is claimed, on two platforms, for tests of its page."""

from typing import Any

from microbadger.image.documents import VersionDocument
from tests.site.images import layer, version

SECOND = 10**9
DIGEST = f"sha256:{'0123456789abcdef' * 4}"

CONFIG: dict[str, Any] = {
    "User": "0:0",
    "Env": ["PATH=/usr/local/bin:/bin", "MODE=fast", "EMPTY=", f"LONG={'x' * 400}", "GREETING=señor"],
    "Entrypoint": ["/entrypoint.sh", "it's"],
    "Cmd": ["nginx", "-g", "daemon off;"],
    "ExposedPorts": ["443/tcp", "53/udp", "8000-8010/tcp"],
    "Volumes": ["/data", "/var/log"],
    "WorkingDir": "/srv/app",
    "StopSignal": "SIGQUIT",
    "Healthcheck": {
        "Test": ["CMD-SHELL", "curl --fail http://localhost || exit 1"],
        "Interval": 30 * SECOND,
        "Timeout": 5 * SECOND,
        "Retries": 3,
        "StartPeriod": 60 * SECOND,
    },
}
CLAIMS: dict[str, Any] = {
    "Base": {
        "Name": "docker.io/library/alpine:3.22",
        "Digest": DIGEST,
        "State": "outdated",
        "TagDigest": DIGEST[::-1],
        "MovedAt": "2026-11-20T10:00:00Z",
        "MovedAtIsExact": False,
        "LayerCount": 1,
    },
    "Source": "https://github.com/example/web",
    "VersionControl": {"Type": "git", "URL": "https://github.com/example/web/commit/c0ffee", "Commit": "c0ffee"},
    "Provenance": {
        "PredicateType": "https://slsa.dev/provenance/v1",
        "Builder": "https://github.com/actions/runner/github-hosted",
        "BuilderName": "GitHub Actions",
        "Source": "https://github.com/example/web",
        "Commit": "f00dfeedf00dfeedf00dfeedf00dfeedf00dfeed",
        "Dockerfile": "docker/Dockerfile",
        "Inputs": [
            {"URI": "pkg:docker/alpine@3.22?platform=linux%2Famd64", "Digest": DIGEST},
            {"URI": "https://github.com/example/web.git#refs/heads/main", "Digest": f"sha1:{'c0ffee' * 6}"},
            {"URI": "https://example.org/source.tar.gz"},
        ],
        "InputCount": 14,
        "StartedAt": "2026-11-20T09:58:00Z",
        "FinishedAt": "2026-11-20T10:00:00Z",
        "Invocation": "https://github.com/example/web/actions/runs/1",
        "Differs": ["Commit"],
    },
    "SBOM": {
        "Format": "SPDX",
        "FormatVersion": "2.3",
        "PackageCount": 214,
        "Licenses": {"MIT": 120, "Apache-2.0": 40, "GPL-2.0-only": 20, "BSD-3-Clause": 9, "Zlib": 4, "ñ": 1, "X": 1},
    },
    "Signatures": [{"Kind": "cosign", "CreatedAt": "2026-11-20T10:01:00Z"}, {"Kind": "notation"}],
    "UnreadClaims": "The registry limits pulls.",
    "EndOfLife": "2027-11-30",
}


def claiming(*tags: str, **fields: Any) -> VersionDocument:
    """Return the version, with these fields in the place of its own."""
    platforms = [
        {
            "OS": "linux",
            "Architecture": architecture,
            "Digest": DIGEST,
            "DownloadSize": size,
            "LayerCount": 1,
            "Layers": [layer("COPY web /", size)],
            "Config": config,
        }
        for architecture, size, config in (("amd64", 2048, CONFIG), ("arm64", 1024, {"User": "app"}))
    ]
    document = {"Platforms": platforms, "Config": CONFIG, **CLAIMS, **fields}
    return version(*tags, **{field: value for field, value in document.items() if value is not None})
