"""Why something was not trusted: one tree, a stable reason slug each, nothing personal in it.

A `verify` of this package raises one of these and never returns a boolean.
"""


class CertsError(Exception):
    """A refusal with a stable reason slug; the message never repeats keys, tokens or payloads."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}" if self.message else self.reason


class KeyMaterialError(CertsError):
    """Bytes or a file are not the key they should be."""


class SignatureError(CertsError):
    """A signature is missing, of another key, or does not verify."""


class DocumentError(CertsError):
    """A signed document is not what its type promises."""


class KeySetError(DocumentError):
    """A key set is not valid, or breaks the continuity of its organisation."""


class DirectoryError(DocumentError):
    """A directory is not valid, not fresh, or does not hold what is asked."""


class TlsError(CertsError):
    """A certificate or a TLS context is not fit for its place."""


class SealingError(CertsError):
    """Something sealed does not open, or may not be sealed."""


class PermitError(CertsError):
    """A permit token is refused."""


class Pkcs11Error(CertsError):
    """A PKCS#11 module, its token or the key on it cannot be used."""


class KeyStoreError(CertsError):
    """The key store, its master key or one of its keys cannot be used."""


class SlotSealError(CertsError):
    """A row of the record log does not bear the seal that only its writers can make."""


class TokenError(CertsError):
    """A client assertion or access token is refused."""


class PasswordError(CertsError):
    """A password or one-time password is refused."""


class BackupError(CertsError):
    """A backup, or a file of it, is not what it says it is, or does not open here."""
