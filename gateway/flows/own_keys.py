"""Our own private halves, each used from when the directory we follow lists its public one.

The folder of keys is read again whenever another directory is adopted: a renewed key is of use
from that moment on and not before, so no worker need be told or started anew.
"""

from datetime import datetime

from certs.directory import Directory
from certs.errors import CertsError, KeyMaterialError
from certs.keysets import KeySet
from certs.log_keys import LogSigner, WitnessKey
from certs.own_keys import CertificateFiles, PrivateKeySet
from certs.sealing import SealingPrivateKey
from gateway.logs import get_logger

log = get_logger()


class OwnKeys:
    """What one worker signs, opens and shows itself with."""

    def __init__(self, keys: PrivateKeySet) -> None:
        self._keys = keys
        self._is_ahead = False

    @property
    def all(self) -> PrivateKeySet:
        """Everything in the folder as it was read last."""
        return self._keys

    def read_again(self) -> None:
        """Take up what was renewed; what cannot be read changes nothing."""
        try:
            self._keys = PrivateKeySet.load(self._keys.directory)
        except CertsError as error:
            log.error("own_keys_unreadable", reason=error.reason)  # noqa: TRY400 - it says why

    def require_listed(self, directory: Directory, now: datetime) -> None:
        """Return quietly if the directory says of us what we do, else raise `own-entry-differs`.

        A newest set of ours may be on its way to the core; when it has begun, the log says so.
        """
        ours = [key_set.digest for key_set in self._keys.key_sets]
        listed = [one.digest for one in directory.organisation(self._keys.organisation).key_sets]
        if listed != ours[: len(listed)]:
            raise KeyMaterialError("own-entry-differs", f"version {directory.version}")
        if len(listed) < len(ours) and self._keys.key_set.not_before <= now:
            log.warning("own_key_set_not_published", directory_version=directory.version)

    def log_signer(self, directory: Directory, moment: datetime) -> LogSigner:
        """Return the log key that whoever follows this directory verifies by at that moment."""
        return self._keys.log_of(self._in_force(directory, moment))

    def witness_key(self, directory: Directory, moment: datetime) -> WitnessKey:
        """Return the witness key that this directory gives us at that moment."""
        return self._keys.witness_of(self._in_force(directory, moment))

    def certificate(self, directory: Directory, moment: datetime) -> CertificateFiles:
        """Return the certificate to show to others: the first that this directory lists of us."""
        if self._is_ahead and self._keys.key_set.not_before <= moment:
            return self._keys.certificate_of(self._keys.key_set)
        return self._keys.certificate_of(self._in_force(directory, moment))

    def follow(self) -> None:
        """Show what the directory lists again: the core has let us in to fetch one."""
        self._is_ahead = False

    def go_ahead(self) -> None:
        """Show the newest certificate already: the core does not know the one in use any more.

        That is how it is when ours was revoked, and the directory that says so lies behind the
        door that the revoked one no longer opens.
        """
        self.read_again()
        self._is_ahead = True

    def sealing(self, key_id: str) -> SealingPrivateKey:
        """Return the private half of one of our sealing keys, or raise `KeyMaterialError`."""
        try:
            return self._keys.sealing[key_id]
        except KeyError:
            raise KeyMaterialError("unknown-sealing-key", "not one of ours") from None

    def _in_force(self, directory: Directory, moment: datetime) -> KeySet:
        return directory.organisation(self._keys.organisation).key_set_begun(moment)
