"""The exceptions for documents from registries that cannot be used.

    ManifestError
    ├── InvalidManifest      the document breaks its specification or a bound
    ├── UnsupportedManifest  the document is valid, but not a container image
    └── InvalidStatement     the document is not a valid statement
        └── UnrelatedStatement   the document is a statement about other content
"""


class ManifestError(ValueError):
    """A document cannot be used. The message is one sentence."""


class InvalidManifest(ManifestError):
    """A document breaks its specification or a bound. `reason` says how, in a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the document is invalid: {reason}")
        self.reason = reason


class UnsupportedManifest(ManifestError):
    """A document is not a container image. `kind` names the kind of artifact, such as "Helm chart"."""

    def __init__(self, kind: str) -> None:
        article = "an" if kind[0].lower() in "aeio" or kind == "SBOM" else "a"
        super().__init__(f"this is {article} {kind}, not a container image")
        self.kind = kind


class InvalidStatement(ManifestError):
    """A document is not a valid statement about the content it was found for. The message calls the document "it"."""


class UnrelatedStatement(InvalidStatement):
    """A statement is about other content than it was found for, so it is ignored."""
