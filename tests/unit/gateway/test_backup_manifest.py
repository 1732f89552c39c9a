"""What a backup says of itself."""

from datetime import UTC, datetime, timedelta

from gateway.domain.backup import DATABASE, KEY_STORE, Manifest, backup_name, is_too_old, owner_name

TAKEN = datetime(2026, 11, 23, 2, tzinfo=UTC)


def test_a_backup_is_named_by_what_whose_and_when() -> None:
    name = backup_name(KEY_STORE, owner_name("test", "nagaoka-shi"), TAKEN, "0123456789abcdef" * 2)

    assert name == "sekisho-key-store-test.nagaoka-shi-20261123T020000Z-01234567"


def test_only_a_copy_of_the_key_store_grows_too_old() -> None:
    at = TAKEN + timedelta(days=35)

    assert is_too_old(KEY_STORE, TAKEN, at)
    assert not is_too_old(KEY_STORE, TAKEN, at - timedelta(seconds=1))
    assert not is_too_old(DATABASE, TAKEN, at)


def test_a_manifest_without_content_names_no_file() -> None:
    manifest = Manifest(
        type="backup",
        version=1,
        kind=DATABASE,
        id="0" * 32,
        network="test",
        organisation="nagaoka",
        program="test",
        taken_at="2026-11-23T02:00:00.000Z",
        key_id="0" * 64,
    )

    assert manifest.files == []
