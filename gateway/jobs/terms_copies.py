"""The terms of what lies in other places: copies of the key store, backups of the database."""

from typing import Final

from gateway.jobs.term import HOUR, Ender, Term

COPY_TERMS: Final = (
    Term(
        name="key-store-copies",
        what="Copies of the key store in other places, half-made ones too",
        tables=(),
        kept="35 days from the instant their signed manifest tells",
        ground="PROTOCOL §5, Erasure: an older one would undo it",
        ender=Ender.FILES,
        every=HOUR,
    ),
    Term(
        name="database-backups",
        what="Backups of the database in other places; private parts sealed, keys not in them",
        tables=(),
        kept="until newer ones were looked through; 35 days are enough",
        ground="a restore sets back what came after it, and an erased month's public parts stay in"
        " it for as long as it is kept",
        ender=Ender.OWNER,
    ),
)
