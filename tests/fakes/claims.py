"""What builders and signers put beside an image: statements, envelopes, bundles, and the manifests that hold them.

    app = image()
    built = statement(buildkit_provenance(source="https://github.com/owner/app.git#refs/heads/main"), app)
    listed = statement(spdx([("musl", "MIT")]), app, predicate_type=SPDX)
    fake.push("owner/app", "latest", attested_index((app, attestation(app, built, listed))))  # BuildKit
    fake.push("owner/app", cosign_tag(app, "att"), cosign_attestations(built))  # cosign 1 and 2
    fake.push("owner/app", None, bundle_referrer(app, built))  # cosign 3, GitHub
    fake.push("owner/app", None, referrer(app, "text/spdx+json", {"text/spdx+json": to_json(spdx())}))

A function returns bytes of a blob, the `dict` of a predicate, or a `FakeImage` to push. What else a document shall hold
is given as fields, which replace those that are there.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from microbadger.image.manifest import OCI_INDEX, OCI_MANIFEST
from tests.fakes.registry import OCI_CONFIG, FakeImage, descriptor, to_json

SLSA_1 = "https://slsa.dev/provenance/v1"
SLSA_0_2 = "https://slsa.dev/provenance/v0.2"
SLSA_0_1 = "https://slsa.dev/provenance/v0.1"
SPDX = "https://spdx.dev/Document"
CYCLONEDX = "https://cyclonedx.org/bom"
COSIGN_SIGNATURE = "https://sigstore.dev/cosign/sign/v1"

IN_TOTO = "application/vnd.in-toto+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
ATTESTATION_TYPE = "application/vnd.docker.attestation.manifest.v1+json"

COMMIT = "4b220de5058abfd01ff619c9d2ff6b09a049bea0"
ALPINE = "8914eb54f968791faf6a8638949e480fef81e697984fba772b3976835194c6d4"
RUN = "https://github.com/owner/app/actions/runs/3709599520"
WORKFLOW = "https://github.com/owner/app/.github/workflows/release.yml@refs/heads/main"
SECRET = "hunter2"


def statement(
    predicate: object, /, *subjects: FakeImage | str, predicate_type: str = SLSA_1, version: str = "v1", **fields: Any
) -> bytes:
    """Return a statement about images or digests; `version` is that of the statement, `v1` or `v0.1`."""
    digests = [subject if isinstance(subject, str) else subject.digest for subject in subjects]
    document = {
        "_type": f"https://in-toto.io/Statement/{version}",
        "subject": [{"name": "_", "digest": dict([digest.split(":")])} for digest in digests],
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    return to_json(document | fields)


def envelope(payload: bytes, /, *, url_safe: bool = False, **fields: Any) -> bytes:
    """Return a DSSE envelope around some bytes, in one of the two alphabets of base64."""
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    document = {
        "payloadType": IN_TOTO,
        "payload": encode(payload).decode(),
        "signatures": [{"keyid": "", "sig": "c2lnbmF0dXJl"}],
    }
    return to_json(document | fields)


def bundle(payload: bytes | None, /, *, version: str = "v0.3", **fields: Any) -> bytes:
    """Return a sigstore bundle around a statement, or with a bare signature if there is none."""
    if payload is None:
        content: dict[str, Any] = {"messageSignature": {"messageDigest": {}, "signature": "c2lnbmF0dXJl"}}
    else:
        content = {"dsseEnvelope": json.loads(envelope(payload))}
    old = f"application/vnd.dev.sigstore.bundle+json;version={version.removeprefix('v')}"
    media_type = old if version in ("v0.1", "v0.2") else f"application/vnd.dev.sigstore.bundle.{version}+json"
    material = {"certificate": {"rawBytes": "Y2VydGlmaWNhdGU="}, "tlogEntries": []}
    return to_json({"mediaType": media_type, "verificationMaterial": material, **content} | fields)


def buildkit_provenance(
    *,
    builder: str = "",
    source: str | None = None,
    commit: str = COMMIT,
    hint: Mapping[str, str] | None = None,
    inputs: Iterable[Mapping[str, object]] | None = None,
) -> dict[str, Any]:
    """Return a predicate of SLSA 1 as BuildKit writes it, with build arguments.

    Without a `source` it is built from a local directory, which `hint` can describe.
    """
    config = {"uri": source, "digest": {"sha1": commit}} if source else {}
    arguments = {"build-arg:PASSWORD": SECRET, "label:a": SECRET}
    return {
        "buildDefinition": {
            "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
            "externalParameters": {
                "configSource": {**config, "path": "docker/Dockerfile"},
                "request": {"frontend": "dockerfile.v0", "args": arguments, "secrets": [{"id": SECRET}]},
            },
            "internalParameters": {"builderPlatform": "linux/amd64", "buildConfig": {"llbDefinition": [SECRET]}},
            "resolvedDependencies": list(_inputs(source, commit) if inputs is None else inputs),
        },
        "runDetails": {
            "builder": {"id": builder},
            "metadata": {
                "invocationId": "yirbp1aosi1vqjmi3z6bc75nb",
                "startedOn": "2026-11-20T10:00:00.466513707Z",
                "finishedOn": "2026-11-20T10:00:01.256820297Z",
                "buildkit_hermetic": False,
                "buildkit_reproducible": False,
                "buildkit_completeness": {"request": True, "resolvedDependencies": False},
                "buildkit_metadata": {"vcs": dict(hint or {}), "source": {"infos": [{"data": SECRET}]}},
            },
        },
    }


def buildkit_provenance_0_2(
    *,
    builder: str = "",
    source: str | None = None,
    commit: str = COMMIT,
    hint: Mapping[str, str] | None = None,
    inputs: Iterable[Mapping[str, object]] | None = None,
) -> dict[str, Any]:
    """Return a predicate of SLSA 0.2 as BuildKit writes it, with build arguments."""
    config = {"uri": source, "digest": {"sha1": commit}} if source else {}
    return {
        "builder": {"id": builder},
        "buildType": "https://mobyproject.org/buildkit@v1",
        "materials": list(_inputs(source, commit) if inputs is None else inputs),
        "invocation": {
            "configSource": {**config, "entryPoint": "docker/Dockerfile"},
            "parameters": {"frontend": "dockerfile.v0", "args": {"build-arg:PASSWORD": SECRET}},
            "environment": {"platform": "linux/amd64", "secret": SECRET},
        },
        "buildConfig": {"llbDefinition": [SECRET]},
        "metadata": {
            "buildInvocationID": "yirbp1aosi1vqjmi3z6bc75nb",
            "buildStartedOn": "2026-11-20T10:00:00.466513707Z",
            "buildFinishedOn": "2026-11-20T10:00:01.256820297Z",
            "completeness": {"parameters": True, "environment": True, "materials": False},
            "reproducible": False,
            "https://mobyproject.org/buildkit@v1#hermetic": False,
            "https://mobyproject.org/buildkit@v1#metadata": {"vcs": dict(hint or {}), "source": {"infos": [SECRET]}},
        },
    }


def github_provenance(*, repository: str = "https://github.com/owner/app", commit: str = COMMIT) -> dict[str, Any]:
    """Return a predicate of SLSA 1 as GitHub's `actions/attest` writes it."""
    workflow = {"ref": "refs/heads/main", "repository": repository, "path": ".github/workflows/release.yml"}
    return {
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {"workflow": workflow},
            "internalParameters": {"github": {"event_name": "push", "repository_id": SECRET}},
            "resolvedDependencies": [
                {"uri": f"git+{repository}@refs/heads/main", "digest": {"gitCommit": commit}},
            ],
        },
        "runDetails": {"builder": {"id": WORKFLOW}, "metadata": {"invocationId": f"{RUN}/attempts/1"}},
    }


def spdx(packages: Iterable[tuple[str, str]] = (("musl", "MIT"),), *, version: str = "2.3") -> dict[str, Any]:
    """Return an SPDX 2 document with the names and licenses of packages, with files and the image itself."""
    listed = [
        {
            "name": name,
            "SPDXID": f"SPDXRef-Package-{number}",
            "versionInfo": "1.0",
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": license_,
            "externalRefs": [
                {"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:musl"},
                {"referenceType": "purl", "referenceLocator": f"pkg:apk/{name}"},
            ],
        }
        for number, (name, license_) in enumerate(packages)
    ]
    purl = {"referenceType": "purl", "referenceLocator": f"pkg:oci/app@sha256:{ALPINE}?arch=amd64"}
    root = {"name": "app", "SPDXID": "SPDXRef-DocumentRoot", "licenseDeclared": "NOASSERTION", "externalRefs": [purl]}
    return {
        "spdxVersion": f"SPDX-{version}",
        "SPDXID": "SPDXRef-DOCUMENT",
        "packages": [*listed, root],
        "files": [{"fileName": "/bin/sh", "SPDXID": "SPDXRef-File-1", "licenseConcluded": "NOASSERTION"}],
        "relationships": [],
    }


def spdx_3() -> dict[str, Any]:
    """Return an SPDX 3 document, which is a graph."""
    return {
        "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
        "@graph": [{"type": "software_Package", "spdxId": "https://example.com/1", "name": "musl"}],
    }


def cyclonedx(packages: Iterable[tuple[str, str]] = (("musl", "MIT"),), *, version: str = "1.5") -> dict[str, Any]:
    """Return a CycloneDX document with the names and licenses of packages, with the operating system."""
    listed = [
        {
            "type": "library",
            "name": name,
            "version": "1.0",
            "purl": f"pkg:apk/{name}",
            "licenses": [{"license": {"id": license_}}],
        }
        for name, license_ in packages
    ]
    system = {"type": "operating-system", "name": "alpine", "version": "3.22"}
    return {"bomFormat": "CycloneDX", "specVersion": version, "components": [*listed, system]}


def syft() -> dict[str, Any]:
    """Return what syft writes if it is not asked for a standard."""
    schema = {"version": "16.0.0", "url": "https://raw.githubusercontent.com/anchore/syft/main/schema/json/schema.json"}
    return {"artifacts": [{"name": "musl"}], "descriptor": {"name": "syft", "version": "1.0.0"}, "schema": schema}


def attestation(subject: FakeImage, *statements: bytes, as_artifact: bool = False) -> FakeImage:
    """Return a manifest of statements as BuildKit writes it: in the legacy form, or as an artifact with a subject."""
    layers = [_layer(each, IN_TOTO, {"in-toto.io/predicate-type": _type_of(each)}) for each in statements]
    if as_artifact:
        return _manifest(layers, statements, EMPTY_CONFIG, artifactType=ATTESTATION_TYPE, subject=subject.descriptor())
    return _manifest(layers, statements, OCI_CONFIG)


def attested_index(*images: tuple[FakeImage, FakeImage | None], **fields: Any) -> FakeImage:
    """Return an index of images, and after them the manifest of attestations about each that has one."""
    entries = [subject.descriptor() for subject, _ in images]
    attestations = [(subject, made) for subject, made in images if made]
    for subject, made in attestations:
        marks = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": subject.digest}
        entries.append(made.descriptor(platform={"architecture": "unknown", "os": "unknown"}, annotations=marks))
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    children = [subject for subject, _ in images] + [made for _, made in attestations]
    return FakeImage(to_json(document | fields), OCI_INDEX, {}, tuple(children))


def cosign_tag(subject: FakeImage | str, suffix: str) -> str:
    """Return the tag beside a digest: with the suffix `sig`, `att` or `sbom`; that of a referrers list without one."""
    digest = subject if isinstance(subject, str) else subject.digest
    return ".".join(filter(None, [digest.replace(":", "-"), suffix]))


def cosign_attestations(*statements: bytes) -> FakeImage:
    """Return the manifest of an `.att` tag, with an envelope around each statement."""
    envelopes = [envelope(each) for each in statements]
    types = map(_type_of, statements)
    layers = [_layer(each, DSSE, {"predicateType": kind}) for each, kind in zip(envelopes, types, strict=True)]
    return _manifest(layers, envelopes, OCI_CONFIG)


def referrer(
    subject: FakeImage,
    artifact_type: str,
    blobs: Mapping[str, bytes],
    *,
    annotations: Mapping[str, str] | None = None,
    config_type: str = EMPTY_CONFIG,
) -> FakeImage:
    """Return an artifact about an image, with blobs by their media types; one without a type has that of its config."""
    layers = [_layer(content, media_type) for media_type, content in blobs.items()]
    fields: dict[str, Any] = {"subject": subject.descriptor()}
    fields |= {"artifactType": artifact_type} if artifact_type else {}
    fields |= {"annotations": dict(annotations)} if annotations else {}
    return _manifest(layers, blobs.values(), config_type, **fields)


def bundle_referrer(
    subject: FakeImage, content: bytes | None, *, created: str = "2026-11-20T10:00:00Z", media_type: str = BUNDLE
) -> FakeImage:
    """Return a bundle about an image, with a statement or, without one, a bare signature, as cosign 3 stores it."""
    annotations = {
        "dev.sigstore.bundle.content": "dsse-envelope" if content else "message-signature",
        "dev.sigstore.bundle.predicateType": _type_of(content) if content else COSIGN_SIGNATURE,
        "org.opencontainers.image.created": created,
    }
    return referrer(subject, media_type, {media_type: bundle(content)}, annotations=annotations)


def _inputs(source: str | None, commit: str) -> list[Mapping[str, object]]:
    of_git: Mapping[str, object] = {"uri": source, "digest": {"sha1": commit}}
    alpine = {"uri": "pkg:docker/alpine@3.17?platform=linux%2Famd64", "digest": {"sha256": ALPINE}}
    return [of_git, alpine] if source else [alpine]


def _type_of(content: bytes) -> str:
    return str(json.loads(content)["predicateType"])


def _layer(content: bytes, media_type: str, annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    return descriptor(content, media_type) | ({"annotations": dict(annotations)} if annotations else {})


def _manifest(layers: list[dict[str, Any]], contents: Iterable[bytes], config_type: str, **fields: Any) -> FakeImage:
    config = b"{}"
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(config, config_type),
        "layers": layers,
    }
    blobs = {each["digest"]: content for each, content in zip(layers, contents, strict=True)}
    return FakeImage(to_json(document | fields), OCI_MANIFEST, {**blobs, descriptor(config, "")["digest"]: config})
