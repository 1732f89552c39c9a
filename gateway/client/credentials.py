"""What a client proves who it is with: files on its own machine, named by one JSON document."""

import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Self

import msgspec

from codes.canonical import b64, unb64
from codes.errors import CodesError

FILE_BYTES_MAX: Final = 64 * 1024
ASSERTION_LIFE_S: Final = 60
SECRET_ALGORITHM: Final = "HS256"  # noqa: S105  # an algorithm's name

Sign = Callable[[bytes], bytes]
"""Signs the bytes of an assertion with the client's key: from a file, a card, a vault."""


class CredentialsError(Exception):
    """The credentials cannot be used; the message names a file or a member, no secret."""


class CredentialsFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`credentials.json`; paths in it are taken from its own folder."""

    url: str
    client_id: str
    audience: str
    algorithm: str
    certificate: Path
    private_key: Path
    ca: Path
    assertion_key: Path | None = None
    secret: Annotated[str, msgspec.Meta(min_length=43)] | None = None

    def __repr__(self) -> str:
        return f"CredentialsFile({self.client_id}, masked)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A client's identity at one gateway, ready to be used."""

    url: str
    client_id: str
    audience: str
    algorithm: str
    tls: ssl.SSLContext = field(repr=False)
    sign: Sign = field(repr=False)

    @classmethod
    def load(cls, path: Path, *, sign: Sign | None = None) -> Self:
        """Return the credentials that a file names.

        Args:
            path: The file that `sekisho clients add` wrote.
            sign: Signs assertions; needed unless the file holds a shared secret.

        Raises:
            CredentialsError: the file, or one it names, cannot be used.
        """
        found = read_credentials(path)
        if found.secret is not None:
            sign = _secret_signer(found.secret)
        if sign is None:
            raise CredentialsError(f"{path}: an assertion key needs somebody to sign with it")
        return cls(
            url=found.url.rstrip("/"),
            client_id=found.client_id,
            audience=found.audience,
            algorithm=found.algorithm,
            tls=_tls(found),
            sign=sign,
        )

    def assertion(self, *, jti: str, now: float | None = None) -> str:
        """Return a fresh assertion (RFC 7523); `jti` is never used twice."""
        issued = int(time.time() if now is None else now)
        header = {"alg": self.algorithm, "typ": "JWT"}
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "iat": issued,
            "exp": issued + ASSERTION_LIFE_S,
            "jti": jti,
        }
        signed = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{b64(self.sign(signed.encode('ascii')))}"


def read_credentials(path: Path) -> CredentialsFile:
    """Return what a credentials file says, its paths made absolute, or raise `CredentialsError`."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}") from None
    if len(raw) > FILE_BYTES_MAX:
        raise CredentialsError(f"{path}: more than {FILE_BYTES_MAX} bytes")
    base = path.absolute().parent

    def absolute(_type: type, value: object) -> object:
        if not isinstance(value, str) or not value:
            raise ValueError("a path is a text that is not empty")
        return base / value

    try:
        return msgspec.convert(msgspec.json.decode(raw), CredentialsFile, dec_hook=absolute)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # `from None`: the original exception may carry the secret.
        raise CredentialsError(f"{path}: not a credentials file") from None


def _secret_signer(text: str) -> Sign:
    try:
        secret = unb64(text)
    except CodesError:
        raise CredentialsError("secret: not base64url") from None
    return lambda signed: hmac.digest(secret, signed, hashlib.sha256)


def _tls(found: CredentialsFile) -> ssl.SSLContext:
    """Return the context for calls: TLS 1.3, this CA alone, our own certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(cafile=found.ca)
        context.load_cert_chain(found.certificate, found.private_key)
    except (OSError, ssl.SSLError) as error:
        raise CredentialsError(f"{found.client_id}: certificate, key or CA: {error}") from None
    return context
