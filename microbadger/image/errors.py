"""Errors in documents of registries.

    ManifestError
    ├── InvalidManifest      the document breaks its specification or a bound
    ├── UnsupportedManifest  the document is valid, but not a container image
    └── InvalidStatement     the document is not a claim
        └── UnrelatedStatement   the document is not a claim about the image in question
"""


class ManifestError(ValueError):
    """A document cannot be used; the message is one sentence."""


class InvalidManifest(ManifestError):
    """A document breaks its specification or a bound; `reason` says how, in a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the document is invalid: {reason}")
        self.reason = reason


class UnsupportedManifest(ManifestError):
    """A document is not a container image; `kind` names what it is, such as "Helm chart"."""

    def __init__(self, kind: str) -> None:
        article = "an" if kind[0].lower() in "aeio" or kind == "SBOM" else "a"
        super().__init__(f"this is {article} {kind}, not a container image")
        self.kind = kind


class InvalidStatement(ManifestError):
    """A document is not a statement about the content it was found for; the message is a sentence about "it"."""


class UnrelatedStatement(InvalidStatement):
    """A statement is about other content than the one it was found for, so it does not count."""
