"""The terms of what only the core and the resident network's stand-in keep (`terms.py`)."""

from typing import Final

from gateway.jobs.term import HOUR, Ender, Term
from gateway.storage.retention import Rows

CORE_TERMS: Final = (
    Term(
        name="core-exchanges",
        what="The core: which inquiries it answered, what it was told, who asked whom",
        tables=("core_inquiries", "core_outcomes", "core_contacts"),
        kept="80 days after the inquiry; contacts 8 days; with a day goes its key",
        ground="PROTOCOL §3: no permit and no outcome can name it any more",
        ender=Ender.DAYS,
        every=HOUR,
        days=("core_inquiries", "core_contacts", "core_outcomes"),
    ),
    Term(
        name="core-code-requests",
        what="The core: code acquisitions under way and their numbers",
        tables=("core_code_requests",),
        kept="until linked; the number until it lapses, a made code 30 days longer",
        ground="法21の2③",
        ender=Ender.JOB,
        every=HOUR,
        rows=(
            Rows(table="core_code_requests", since="expires_at", where="person IS NULL"),
            Rows(table="core_code_requests", since="expires_at + interval '30 days'"),
        ),
    ),
    Term(
        name="core-people",
        what="The core: the secret table and who holds codes for whom",
        tables=("core_people", "core_holders"),
        kept="while the network knows the person",
        ground="令27⑤, 令26⑥",
        ender=Ender.OWNER,
    ),
    Term(
        name="core-documents",
        what="The core: every version of directory and allow list; nothing personal",
        tables=("core_documents", "core_directories"),
        kept="for ever: old signatures are judged by the keys of their time",
        ground="PROTOCOL §1, Directory",
        ender=Ender.OWNER,
    ),
    Term(
        name="resident-people",
        what="The stand-in for the resident network: invented people",
        tables=("resident_people",),
        kept="while the stand-in runs",
        ground="none: nobody real",
        ender=Ender.OWNER,
    ),
)
