"""The client SDK: what a back-office system calls a gateway with.

credentials = Credentials.load(Path("kokuho/credentials.json"), sign=key.sign)
async with BackofficeClient(credentials) as gateway:
    inquiry = await gateway.ask(NewInquiry(...), wait_s=10)
"""

from gateway.client.backoffice import BackofficeClient
from gateway.client.credentials import Credentials, CredentialsError
from gateway.client.errors import (
    ClientError,
    GatewayBusyError,
    GatewayRefusedError,
    GatewayUnreachableError,
    NotAuthenticError,
    NotFoundError,
    OutsideRegistrationError,
    ProblemError,
    RefusedByRuleError,
    RequestInvalidError,
    SignInError,
)

__all__ = [
    "BackofficeClient",
    "ClientError",
    "Credentials",
    "CredentialsError",
    "GatewayBusyError",
    "GatewayRefusedError",
    "GatewayUnreachableError",
    "NotAuthenticError",
    "NotFoundError",
    "OutsideRegistrationError",
    "ProblemError",
    "RefusedByRuleError",
    "RequestInvalidError",
    "SignInError",
]
