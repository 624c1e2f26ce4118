"""Reads provenance: statements about how an image was built.

Signatures are not checked. A statement can contain build arguments, a Dockerfile and a whole environment. So only the
fields of a `ProvenanceDocument` are published, and no address with a password. The formats are
https://slsa.dev/spec/v1.1/provenance, https://slsa.dev/spec/v0.2/provenance,
https://slsa.dev/spec/v0.1/provenance, and BuildKit's own:
https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md
"""

import re
from collections.abc import Iterable, Mapping
from itertools import accumulate
from urllib.parse import unquote

from microbadger.image.bounds import size_bytes
from microbadger.image.documents import InputDocument, ProvenanceDocument, format_time
from microbadger.image.fields import read_list, read_object, read_text, read_time
from microbadger.image.labels import Labels, one_line, repository_url
from microbadger.image.statements import Statement

_MOST_INPUTS = 20
_MOST_INPUTS_READ = 1000
_MOST_INPUTS_COUNTED = 500_000  # JSON with more parts is not parsed
_MAX_INPUTS_BYTES = 8 * 1024
_MAX_TEXT_LENGTH = 300

_OLDER_TYPES = "https://slsa.dev/provenance/v0."
_BUILDKIT = "https://mobyproject.org/buildkit@v1"
_BUILDKIT_TYPES = ("https://mobyproject.org/buildkit@", "https://github.com/moby/buildkit/")
_GITHUB = r"https://(?:github|[^/.]+\.ghe)\.com"
# https://github.com/docker-library/meta-scripts (meta.jq), https://github.com/docker/actions-toolkit (the run),
# https://github.com/actions/attest (the workflow), https://docs.npmjs.com/generating-provenance-statements (the
# runner), https://slsa.dev/spec/v0.2/provenance (its first examples),
# https://docs.gitlab.com/ci/pipeline_security/slsa/provenance_v1, https://tekton.dev/docs/chains/config,
# https://cloud.google.com/build/docs/securing-builds/view-build-provenance
_BUILDERS = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"https://github\.com/docker-library", "Docker Official Images"),
        (rf"{_GITHUB}/[^/]+/[^/]+/(?:actions/runs/[0-9]|\.github/workflows/.).*", "GitHub Actions"),
        (rf"{_GITHUB}/(?:actions/runner/|Attestations/GitHubHostedActions@).+", "GitHub Actions"),
        (r"https://[^/]+/.+/-/runners/[0-9]+", "GitLab CI"),
        (r"https://cloudbuild\.googleapis\.com/GoogleHostedWorker(?:@.+)?", "Google Cloud Build"),
        (r"https://tekton\.dev/chains/.+", "Tekton Chains"),
    )
]

_IMAGES = ("pkg:docker/", "pkg:oci/")
# The numbers of digits of digests. GitLab's runner labels a SHA-1 as sha256.
_OF_CONTENT = {"sha256": (64,), "sha512": (128,), "sha1": (40,), "gitCommit": (40, 64)}
_OF_COMMIT = {"gitCommit": (40, 64), "sha1": (40,), "sha256": (40, 64)}
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
_QUALIFIER = re.compile(r"(?:arch|digest|platform|ref_type|repository_url|tag)=[^@]*$")  # of a package URL
_IS_GIT = re.compile(r"git[+@:]|ssh:|[^?#]*\.git(?:[#@?/]|$)")
_REF = re.compile(r"(?<=://)([^/]*/[^@#]*)@[^#]*")
_PASSWORD = re.compile(r":[^/@]*@(?!sha(?:256|512):)")
_SCP_ADDRESS = re.compile(r"[^/:@]+@[^/:@]+:.*")
_HOST_PREFIX = re.compile(r"https?://(?:www\.)?")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_ADDRESS = re.compile(
    r"([a-z][a-z0-9+.-]*://)(?:[^/?#]*@)?((?:[^/?#@:]*|\[[0-9a-f:.]*\])(?::[0-9]*)?(?:/[^?#]*)?)(?:\?[^#]*)?(#.*)?",
    re.ASCII | re.IGNORECASE,
)


def read_provenance(statement: Statement) -> ProvenanceDocument:
    """Return the provenance in a statement. Missing and invalid fields are left out."""
    is_old = statement.predicate_type.startswith(_OLDER_TYPES)
    predicate = _as_version_1(statement.predicate) if is_old else statement.predicate
    definition, run = read_object(predicate.get("buildDefinition")), read_object(predicate.get("runDetails"))
    parameters, metadata = read_object(definition.get("externalParameters")), read_object(run.get("metadata"))
    builder = _address(read_object(run.get("builder")).get("id"))
    build_type = _address(definition.get("buildType"))
    listed = read_list(definition.get("resolvedDependencies"), _MOST_INPUTS_COUNTED)
    dependencies = [read_object(each) for each in listed[:_MOST_INPUTS_READ]]
    inputs = filter(None, map(_input, dependencies))
    source, commit = _source(parameters, metadata, dependencies)
    configs = (read_object(each.get("configSource")) for each in (parameters, _root(parameters)))
    dockerfile = next((path for config in configs if (path := _address(config.get("path")))), "")
    return _document(
        statement.predicate_type,
        Builder=builder,
        BuilderName=next((name for pattern, name in _BUILDERS if pattern.fullmatch(builder)), ""),
        BuildType=build_type,
        Source=source,
        Commit=commit,
        Dockerfile=dockerfile if build_type.startswith(_BUILDKIT_TYPES) else "",
        Inputs=_first(inputs),
        InputCount=len(listed),
        StartedAt=_time(metadata.get("startedOn")),
        FinishedAt=_time(metadata.get("finishedOn")),
        Invocation=_address(metadata.get("invocationId") or metadata.get("invocationID")),
        Hermetic=_flag(metadata.get("buildkit_hermetic")),
        Reproducible=_flag(metadata.get("buildkit_reproducible")),
    )


def unread_provenance(predicate_type: str, reason: str) -> ProvenanceDocument:
    """Return the document of provenance that exists but could not be read. ``reason`` is a sentence."""
    return _document(predicate_type, Unread=one_line(reason))


def compared(provenance: ProvenanceDocument, facts: Labels) -> ProvenanceDocument:
    """Return provenance with the names of the fields that the image's labels contradict, if there are any."""
    differs = ["Source"] if _is_other_source(facts.source, provenance.get("Source")) else []
    differs += ["Commit"] if _is_other_commit(facts.revision, provenance.get("Commit")) else []
    same: ProvenanceDocument = {**provenance}
    same.pop("Differs", None)
    return {**same, "Differs": differs} if differs else same


def _is_other_source(label: str | None, claim: str | None) -> bool:
    """Return whether two addresses belong to different repositories. Either may be a folder in its repository."""
    if not label or not claim:
        return False
    paths = [_HOST_PREFIX.sub("", url.lower()).rstrip("/").removesuffix(".git") + "/" for url in (label, claim)]
    return not paths[0].startswith(paths[1]) and not paths[1].startswith(paths[0])


def _is_other_commit(label: str | None, claim: str | None) -> bool:
    """Return whether two commits differ. A shortened commit equals its full form, and a branch is not compared."""
    commits = [commit.lower() for commit in (label or "", claim or "")]
    if not all(map(_SHORT_COMMIT.fullmatch, commits)):
        return False
    return not commits[0].startswith(commits[1]) and not commits[1].startswith(commits[0])


def _document(predicate_type: str, **fields: object) -> ProvenanceDocument:
    """Return a document with these fields, without empty ones. `False` does not count as empty."""
    said = {name: value for name, value in fields.items() if value or value is False}
    return {"PredicateType": one_line(predicate_type), **said}  # type: ignore[typeddict-item]


def _as_version_1(predicate: Mapping[str, object]) -> Mapping[str, object]:
    """Return a predicate of version 0.1 or 0.2, converted to the fields of version 1."""
    invocation, recipe = read_object(predicate.get("invocation")), read_object(predicate.get("recipe"))
    metadata, materials = read_object(predicate.get("metadata")), predicate.get("materials")
    config = read_object(invocation.get("configSource")) or _defining_material(recipe, materials)
    return {
        "buildDefinition": {
            "buildType": predicate.get("buildType") or recipe.get("type"),
            "externalParameters": {"configSource": {**config, "path": config.get("entryPoint")}},
            "resolvedDependencies": materials,
        },
        "runDetails": {
            "builder": predicate.get("builder"),
            "metadata": {
                "invocationId": metadata.get("buildInvocationID") or metadata.get("buildInvocationId"),
                "startedOn": metadata.get("buildStartedOn"),
                "finishedOn": metadata.get("buildFinishedOn"),
                "buildkit_hermetic": metadata.get(f"{_BUILDKIT}#hermetic"),
                "buildkit_reproducible": metadata.get("reproducible"),
                "buildkit_metadata": metadata.get(f"{_BUILDKIT}#metadata"),
            },
        },
    }


def _defining_material(recipe: Mapping[str, object], materials: object) -> Mapping[str, object]:
    """Return the material that contains the recipe, according to `definedInMaterial` of version 0.1."""
    known = read_list(materials, _MOST_INPUTS_READ)
    number = recipe.get("definedInMaterial", 0 if len(known) == 1 else None)
    return read_object(known[number]) if type(number) is int and 0 <= number < len(known) else {}


def _source(
    parameters: Mapping[str, object], metadata: Mapping[str, object], dependencies: Iterable[Mapping[str, object]]
) -> tuple[str, str]:
    """Return the web address of the source repository and its commit. Each is empty if it is unknown.

    A BuildKit client's hints about a local directory come last, because BuildKit does not check them.
    """
    root = _root(parameters)
    arguments = read_object(read_object(root.get("request")).get("args"))
    hint = read_object(read_object(metadata.get("buildkit_metadata")).get("vcs"))
    origins = [
        _origin(parameters.get("configSource")),
        _origin(root.get("configSource")),
        _origin(read_object(parameters.get("workflow")).get("repository")),  # GitHub
        _origin(read_object(parameters.get("buildConfigSource")).get("repository")),  # Google Cloud Build
        _origin(parameters.get("source")),  # GitLab, and builders in containers on GitHub
    ]
    hints = [
        _origin({"uri": hint.get("source"), "digest": {"gitCommit": hint.get("revision")}}),
        _origin({"uri": arguments.get("vcs:source"), "digest": {"gitCommit": arguments.get("vcs:revision")}}),
    ]
    source = next((address for address, _ in (*origins, *hints) if address), "")
    known = [*origins, *map(_origin, dependencies), *hints] if source else [*origins, *hints]
    return source, next((commit for address, commit in known if commit and address == source), "")


def _root(parameters: Mapping[str, object]) -> Mapping[str, object]:
    """Return the client's own request to BuildKit, if this build is only part of it, or else an empty object.

    https://github.com/moby/buildkit/pull/6739
    """
    return read_object(read_object(parameters.get("request")).get("root"))


def _origin(resource: object) -> tuple[str, str]:
    """Return the web address and the commit of a resource, which can be a plain address. Either is empty if unknown."""
    fields = resource if isinstance(resource, dict) else {"uri": resource}
    return _repository(fields.get("uri")), _commit(fields)


def _repository(value: object) -> str:
    return _text(repository_url(_REF.sub(r"\1", _text(value))))


def _commit(resource: Mapping[str, object]) -> str:
    """Return the commit of a resource, or an empty text. The SHA-256 of a file is not a commit."""
    algorithm, _, commit = _digest(resource, _OF_COMMIT).partition(":")
    can_be_file = algorithm == "sha256" and len(commit) == 64
    return "" if can_be_file and not _IS_GIT.match(_text(resource.get("uri"))) else commit


def _input(resource: Mapping[str, object]) -> InputDocument | None:
    uri, digest = _address(resource.get("uri")), _digest(resource, _OF_CONTENT)
    if not uri:
        return None
    return InputDocument(URI=uri, Digest=digest) if digest else InputDocument(URI=uri)


def _first(inputs: Iterable[InputDocument]) -> list[InputDocument]:
    """Return the first inputs, as many as are published, images before others."""
    first = sorted(inputs, key=lambda each: not each["URI"].startswith(_IMAGES))[:_MOST_INPUTS]
    sizes = accumulate(map(size_bytes, first))
    return [each for each, size in zip(first, sizes, strict=True) if size <= _MAX_INPUTS_BYTES]


def _digest(resource: Mapping[str, object], lengths: Mapping[str, tuple[int, ...]]) -> str:
    """Return the digest of a resource, for the first of these algorithms that it has, or an empty text."""
    digests = read_object(resource.get("digest"))
    for algorithm, allowed in lengths.items():
        encoded = digests.get(algorithm)
        if isinstance(encoded, str) and len(encoded) in allowed and _HEX.fullmatch(encoded):
            return f"{algorithm}:{encoded}"
    return ""


def _address(value: object) -> str:
    """Return an address or a name, without parts that can be secret: user, password and query; empty if unsafe."""
    address = _without_secrets(_text(value))
    return "" if _PASSWORD.search(unquote(address)) else address


def _without_secrets(text: str) -> str:
    if text.startswith("pkg:"):
        name, _, qualifiers = text.partition("?")
        return "?".join(filter(None, [name, "&".join(filter(_QUALIFIER.match, qualifiers.split("&")))]))
    if _SCP_ADDRESS.fullmatch(text):
        return _repository(text)
    if "://" not in text:
        return text.partition("?")[0]
    match = _ADDRESS.fullmatch(text)
    return "".join(part or "" for part in match.groups()) if match else ""


def _text(value: object) -> str:
    """Return a text as one line that is safe to show, or an empty text if it is too long."""
    text = one_line(read_text(value))
    return text if len(text) <= _MAX_TEXT_LENGTH else ""


def _time(value: object) -> str:
    time = read_time(value)
    return format_time(time) if time else ""


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
