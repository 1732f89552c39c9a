"""What can go wrong with somebody we call."""

from gateway.errors import RefusedError, SekishoError, UnavailableError
from gateway.wire.problems import Problem


class PeerUnavailableError(UnavailableError):
    """The peer could not be reached, was slow, broke off, or said it was busy.

    Nobody knows whether it did anything; asking again is safe, because every request is
    idempotent (PROTOCOL §3 *Once*).
    """

    problem = "peer-unavailable"

    def __init__(self, message: str = "", *, retry_after_s: int = 0) -> None:
        super().__init__(message, retry_after_s=retry_after_s)


class PeerNotAuthenticError(SekishoError):
    """The peer is not who the directory says, or does not take our certificate; never a retry."""

    problem = "peer-not-authentic"


class PeerProtocolError(SekishoError):
    """The peer answered something the protocol does not know."""

    problem = "peer-protocol"


class MessageRefusedError(SekishoError):
    """The peer refused the whole message and did nothing (a 4xx)."""

    problem = "peer-refused"

    def __init__(self, refusal: Problem) -> None:
        super().__init__(f"peer refused: {refusal.type}", members={"reason": refusal.type})
        self.refusal = refusal


class ItemRefusedError(RefusedError):
    """The peer refused one item of a message."""

    problem = "peer-refused"

    def __init__(self, refusal: Problem) -> None:
        super().__init__(f"peer refused: {refusal.type}", reason=refusal.type)
        self.refusal = refusal
