"""`sekisho certs`: make keys, publish the directory, see what runs out; works on files only."""

import hashlib
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter
from cyclopts.validators import Number

from certs.audit import extract_document
from certs.clients import issue_client_files
from certs.directory import Directory
from certs.expiry import Expiry, expiries
from certs.names import NETWORK_ENDPOINT
from certs.network import init_network
from certs.network_spec import NetworkSpec
from certs.own_keys import KEY_SETS, KEYS, read_root
from certs.publish import (
    KEEP,
    PUBLISHED,
    DirectoryChanges,
    LawDay,
    core_keys,
    publish_directory,
    read_directory,
)
from certs.rotation import (
    USUAL,
    KeyKind,
    renew_directory_key,
    renew_key_set,
    renew_permit_key,
    renew_root,
)
from codes.canonical import b64, instant
from gateway.cli.master_key import register as register_master_key
from gateway.cli.output import ExitCode, print_fields, print_json, print_one, print_rows
from gateway.clock import SystemClock
from gateway.errors import InvalidRequestError
from policies.allow_list import AllowList
from policies.facts import load_facts, load_shipped

FIRST_VERSION: Final = 1
_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)

Json = Annotated[bool, Parameter(name="--json", negative="")]
Minutes = Annotated[int, Parameter(validator=Number(gte=0, lte=7 * 24 * 60))]
Flag = Annotated[bool, Parameter(negative="")]

app = App(name="certs", help="Keys, key sets, certificates and the signed directory.")


@app.command(name="init-network")
def init_network_command(
    spec: Path, target: Path, *, facts: Path | None = None, json: Json = False
) -> None:
    """Make root, directory key, everybody's keys and the first directory of a network.

    Args:
        spec: The network as TOML: its name and its organisations.
        target: An empty folder; `root/` in it, and the core's `spare-certificate/`, are to be
            taken offline.
        facts: A folder of law facts for the allow list; else those that come with the program.
        json: Print one JSON document.
    """
    body = _allow_list(facts, version=FIRST_VERSION)
    directory = init_network(
        NetworkSpec.read(spec), target, allow_list=body, now=SystemClock().now()
    )
    _tell(directory, json=json)


@app.command
def publish(
    network: Path,
    *,
    law_day: date | None = None,
    real_days: Flag = False,
    new_allow_list: Flag = False,
    facts: Path | None = None,
    key_set: tuple[Path, ...] = (),
    re_enrol: tuple[Path, ...] = (),
    endpoint: tuple[str, ...] = (),
    withdraw: tuple[str, ...] = (),
    validity_h: int = 24,
    json: Json = False,
) -> None:
    """Publish the next directory; without a change it only renews the validity.

    Args:
        network: The network's folder, or the core's `keys` folder alone.
        law_day: Move the law day (environments `demo` and `test` only).
        real_days: Return from a moved law day to real days.
        new_allow_list: Publish a new allow list made from the facts.
        facts: A folder of law facts for it; else those that come with the program.
        key_set: A signed key set to append to its organisation's chain; may be repeated.
        re_enrol: A first key set that begins its organisation's chain anew, compared by its
            digest with the organisation itself; may be repeated.
        endpoint: A new address as ORGANISATION=https://host:port; may be repeated.
        withdraw: An organisation that leaves; may be repeated.
        validity_h: For how many hours the directory is good, at most 168.
        json: Print one JSON document.
    """
    if law_day is not None and real_days:
        raise InvalidRequestError("a law day and real days exclude each other")
    if facts is not None and not new_allow_list:
        raise InvalidRequestError("facts are for a new allow list")
    moved: LawDay = None if real_days else KEEP if law_day is None else law_day
    body = None
    if new_allow_list:
        current = read_directory(core_keys(network))
        body = _allow_list(facts, version=current.allow_list_version + 1)
    changes = DirectoryChanges(
        law_day=moved,
        allow_list=body,
        key_sets=tuple(path.read_bytes() for path in key_set),
        re_enrolled=tuple(path.read_bytes() for path in re_enrol),
        endpoints=dict(map(_endpoint, endpoint)),
        withdrawn=withdraw,
    )
    directory = publish_directory(
        network, changes=changes, now=SystemClock().now(), validity=validity_h * _HOUR
    )
    _tell(directory, json=json)


@app.command
def show(network: Path, *, json: Json = False) -> None:
    """Show the current directory, verified down to the root beside it.

    Args:
        network: The network's folder, or the core's `keys` folder alone.
        json: Print one JSON document.
    """
    directory = read_directory(core_keys(network))
    _tell(directory, json=json)
    if json:
        return
    columns = ("name", "title", "role", "status", "url", "slots", "key_set", "bodies")
    print_rows(_organisations(directory), columns=columns)


@app.command
def expiry(keys: Path, *, json: Json = False) -> int:
    """List what runs out, soonest first; ends with 1 if something has run out already.

    Args:
        keys: An organisation's `keys` folder.
        json: Print one JSON document.
    """
    now = SystemClock().now()
    table = expiries(keys, _directory_beside(keys))
    rows = [_expiry_row(one, now) for one in table]
    if json:
        print_json({"expiries": rows})
    else:
        print_rows(rows, columns=("what", "name", "not_after", "days_left"))
    return ExitCode.FAILED if any(one.not_after <= now for one in table) else ExitCode.DONE


@app.command(name="issue-client")
def issue_client(
    keys: Path,
    name: str,
    *,
    target: Path,
    listener: str = "backoffice",
    days: int = 90,
    json: Json = False,
) -> None:
    """Issue a client certificate of the back-office or staff listener's own CA.

    Args:
        keys: The organisation's `keys` folder.
        name: The client's name, as it will be registered.
        target: The folder for certificate and key.
        listener: `backoffice` or `staff`.
        days: How long it is good, at most 400 days.
        json: Print one JSON document.
    """
    issued = issue_client_files(
        keys, name, target=target, now=SystemClock().now(), listener=listener, days=days
    )
    print_one(
        {
            "certificate": str(issued.files.certificate),
            "key": str(issued.files.key),
            "uri": issued.uri,
            "sha256": issued.sha256,
            "x5t_s256": b64(bytes.fromhex(issued.sha256)),
            "not_after": instant(issued.not_after),
        },
        as_json=json,
    )


register_master_key(app)


@app.command(name="renew-key-set")
def renew_key_set_command(
    own: Path,
    *,
    what: tuple[KeyKind, ...] = tuple(sorted(USUAL)),
    begins_in_min: Minutes = 15,
    revoke: Flag = False,
    new_organisation_key: Flag = False,
    json: Json = False,
) -> None:
    """Make and sign an organisation's next key set; the core publishes it.

    Args:
        own: The organisation's folder, with its organisation key.
        what: Which keys are new: `tls`, `sealing`, `log`, `witness`; may be repeated.
        begins_in_min: In how many minutes the new set takes the place of the one before; by then
            the core must have published it.
        revoke: The keys that are replaced were stolen: drop them, at once. The core's certificate
            gives way to its spare, whose folder must be there.
        new_organisation_key: Replace the organisation key as well.
        json: Print one JSON document.
    """
    now = SystemClock().now()
    document = renew_key_set(
        own,
        now=now,
        begins=now + begins_in_min * _MINUTE,
        kinds=what,
        revoke=revoke,
        new_organisation_key=new_organisation_key,
    )
    newest = max((own / KEYS / KEY_SETS).iterdir())
    digest = hashlib.sha256(document).hexdigest()
    print_one({"key_set": str(newest), "file_sha256": digest}, as_json=json)


@app.command(name="renew-permit-key")
def renew_permit_key_command(
    network: Path,
    *,
    begins_in_min: Minutes = 15,
    revoke: Flag = False,
    json: Json = False,
) -> None:
    """Give the core a further permit key and publish it.

    Args:
        network: The network's folder, or the core's `keys` folder alone.
        begins_in_min: In how many minutes the core signs with it.
        revoke: The keys in use were stolen: drop them, at once.
        json: Print one JSON document.
    """
    now = SystemClock().now()
    begins = now + begins_in_min * _MINUTE
    _tell(renew_permit_key(network, now=now, begins=begins, revoke=revoke), json=json)


@app.command(name="renew-directory-key")
def renew_directory_key_command(network: Path, *, json: Json = False) -> None:
    """Make a new directory key under the offline root, and publish with it.

    Args:
        network: The network's folder with `root/` in it.
        json: Print one JSON document.
    """
    _tell(renew_directory_key(network, now=SystemClock().now()), json=json)


@app.command(name="renew-root")
def renew_root_command(network: Path, *, json: Json = False) -> None:
    """Make the next root, signed by the one before, and publish the chain.

    Args:
        network: The network's folder with `root/` in it.
        json: Print one JSON document.
    """
    _tell(renew_root(network, now=SystemClock().now()), json=json)


@app.command
def extract(document: Path, target: Path, *, json: Json = False) -> None:
    """Take a signed document apart so that openssl can verify its signatures.

    Args:
        document: A root, directory, key set or allow list.
        target: The folder for message, signatures and public keys.
        json: Print one JSON document.
    """
    paths = extract_document(document.read_bytes(), target)
    if json:
        print_json({"files": [str(path) for path in paths]})
    else:
        print_rows(({"file": str(path)} for path in paths), columns=("file",))


def _allow_list(facts: Path | None, *, version: int) -> dict[str, object]:
    loaded = load_shipped() if facts is None else load_facts(facts)
    return AllowList.build(loaded, version=version).to_document()


def _endpoint(text: str) -> tuple[str, dict[str, str]]:
    name, separator, url = text.partition("=")
    if not separator:
        raise InvalidRequestError("an endpoint is ORGANISATION=https://host:port")
    return name, {NETWORK_ENDPOINT: url}


def _directory_beside(keys: Path) -> Directory | None:
    # The core has what it published; a gateway has the copy it was handed.
    for path in (keys / PUBLISHED / "directory.json", keys / "directory.json"):
        if path.exists():
            return Directory.parse_archived(path.read_bytes(), root=read_root(keys / "root.json"))
    return None


def _tell(directory: Directory, *, json: bool) -> None:
    fields: dict[str, object] = {
        "network": directory.network,
        "version": directory.version,
        "digest": directory.digest,
        "issued": instant(directory.issued),
        "expires": instant(directory.expires),
        "law_day": directory.law_day.isoformat() if directory.law_day else None,
        "allow_list_version": directory.allow_list_version,
        "allow_list_digest": directory.allow_list_digest,
        "root_version": directory.root.version,
        "directory_key_version": directory.directory_key.version,
    }
    if json:
        print_json({**fields, "organisations": _organisations(directory)})
    else:
        print_fields(fields)


def _organisations(directory: Directory) -> list[dict[str, object]]:
    return [
        {
            "name": organisation.name,
            "title": organisation.title,
            "role": organisation.role,
            "status": organisation.status,
            "url": organisation.url,
            "slots": organisation.slots,
            "key_set": organisation.key_sets[-1].version,
            "bodies": [body.body_code for body in organisation.bodies],
        }
        for organisation in directory.organisations.values()
    ]


def _expiry_row(one: Expiry, now: datetime) -> dict[str, object]:
    return {
        "what": one.what,
        "name": one.name,
        "not_after": instant(one.not_after),
        "days_left": round(one.days_left(now), 1),
    }
