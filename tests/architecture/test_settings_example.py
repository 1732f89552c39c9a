"""The example file is complete: every key of every table stands in it, with its default."""

import msgspec

from gateway.settings import load_settings
from tests.tools.reference import EXAMPLE, example_comments, settings_tables
from tests.tools.tree import ROOT


def test_every_key_stands_in_the_example() -> None:
    written = example_comments().keys()
    sections = {table for table, _ in settings_tables()}
    missing = [
        (table, field.encode_name)
        for table, section in settings_tables()
        for field in msgspec.structs.fields(section)
        if (f"{table}.{field.encode_name}" if table else field.encode_name) not in sections
        and (table, field.encode_name) not in written
    ]

    assert missing == []


def test_the_example_has_no_key_that_does_not_exist() -> None:
    known = {
        (table, field.encode_name)
        for table, section in settings_tables()
        for field in msgspec.structs.fields(section)
    }

    assert example_comments().keys() - known == set()


def test_every_shipped_file_loads() -> None:
    for path in sorted((ROOT / "config").glob("*.toml")):
        if path.name != "release.toml":
            assert load_settings(path).organisation, path


def test_the_example_listens_on_no_public_address() -> None:
    listeners = load_settings(EXAMPLE).listeners

    assert listeners.ops.host == "127.0.0.1"
    for one in (listeners.network, listeners.backoffice, listeners.staff):
        assert one is not None
        assert one.host.startswith(("10.", "127."))
