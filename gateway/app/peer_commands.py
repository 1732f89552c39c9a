"""What the operator may command about peers whose keys changed, over the control socket."""

from collections.abc import Mapping
from typing import Annotated, Final, TypeVar

import msgspec

from certs.held_peers import HeldPeer
from certs.organisations import Organisation
from codes.canonical import instant
from gateway.app.roles import Command
from gateway.errors import InvalidRequestError
from gateway.flows.trust import Trust
from gateway.flows.unconfirmed_peers import Unconfirmed, UnconfirmedPeers

T = TypeVar("T")

COMMANDS: Final = ("peers-list", "peers-show", "peers-confirm")


class _Show(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `peers-show`."""

    organisation: str


class _Confirm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of `peers-confirm`: the digest that was compared with the peer."""

    organisation: str
    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


def peer_commands(peers: UnconfirmedPeers, trust: Trust) -> Mapping[str, Command]:
    """Return the commands by their names."""

    async def list_all(arguments: Mapping[str, object]) -> Mapping[str, object]:
        if arguments:
            raise InvalidRequestError("peers-list: takes nothing")
        return {"peers": [_row(peer) for peer in await peers.all()]}

    async def show(arguments: Mapping[str, object]) -> Mapping[str, object]:
        found = await peers.find(_read(arguments, _Show).organisation)
        return _row(found) | {
            "known": _known(found.peer),
            "listed": _listed(trust.listed(found.peer.organisation)),
        }

    async def confirm(arguments: Mapping[str, object]) -> Mapping[str, object]:
        asked = _read(arguments, _Confirm)
        await peers.confirm(asked.organisation, asked.digest)
        return {"organisation": asked.organisation, "key_set": asked.digest, "state": "confirmed"}

    return {"peers-list": list_all, "peers-show": show, "peers-confirm": confirm}


def _row(peer: Unconfirmed) -> dict[str, object]:
    return {
        "organisation": peer.peer.organisation,
        "key_set": peer.peer.claimed,
        "first_seen": instant(peer.first_seen),
        "taken_over_at": instant(peer.taken_over_at) if peer.taken_over_at is not None else None,
        "known_until": instant(peer.peer.key_sets[-1].not_after),
    }


def _known(peer: HeldPeer) -> dict[str, object]:
    return {"status": peer.status, "key_sets": [one.digest for one in peer.key_sets]}


def _listed(organisation: Organisation) -> dict[str, object]:
    newest = organisation.key_sets[-1]
    return {
        "status": organisation.status,
        "key_sets": [one.digest for one in organisation.key_sets],
        "organisation_key": newest.organisation_key.key_id,
        "tls": [certificate.sha256 for certificate in newest.tls],
    }


def _read(arguments: Mapping[str, object], type_: type[T]) -> T:
    try:
        return msgspec.convert(arguments, type_)
    except msgspec.ValidationError:
        raise InvalidRequestError("peers: an organisation, to confirm also its digest") from None
