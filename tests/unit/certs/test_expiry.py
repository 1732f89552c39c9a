"""What runs out, and when."""

from certs.expiry import expiries
from tests.unit.certs.networks import DAY, NOW, a_network

FIRST = a_network()


def test_everything_that_runs_out_stands_in_one_table() -> None:
    table = expiries(FIRST.core, FIRST.directory)

    assert [expiry.not_after for expiry in table] == sorted(e.not_after for e in table)
    assert {expiry.what for expiry in table} == {
        "directory",
        "directory-key",
        "key-set",
        "permit-key",
        "root",
        "sealing-key",
        "tls-backoffice",
        "tls-backoffice-ca",
        "tls-network",
        "tls-staff",
        "tls-staff-ca",
    }
    assert (table[0].what, table[0].days_left(NOW)) == ("directory", 1.0)
    assert table[0].days_left(NOW + 2 * DAY) == -1.0
    assert len(expiries(FIRST.core)) == len(table) - 3
