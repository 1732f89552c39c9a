"""Somebody looks at what a held answer holds: recorded before it is shown."""

from gateway.domain.staff import Staff
from gateway.flows.context import Context
from gateway.flows.record_types import Draft, Recorded, SearchColumns
from gateway.flows.release import Preview, Release
from gateway.flows.sign_in_staff import SOURCE


class ReviewHolds:
    """Previews with their readers on record."""

    def __init__(self, context: Context, release: Release) -> None:
        self._context = context
        self._release = release

    async def show(self, hold_id: str, *, reader: Staff) -> Preview:
        """Return the preview of a waiting hold; raises as `Release.show`."""
        preview = await self._release.show(hold_id)
        draft = Draft(
            kind="records-read",
            members={},
            private={
                "staff": reader.staff_id,
                "what": "hold",
                "hold_id": hold_id,
                "permit_id": preview.row.permit_id,
                "preview": preview.digest.hex(),
                "unified_number": preview.unified_number,
            },
            search=SearchColumns(staff=reader.staff_id, permit_id=preview.row.permit_id),
        )
        (outcome,) = await self._context.writer.append([draft], source=SOURCE)
        if not isinstance(outcome, Recorded):
            raise outcome
        return preview
