"""What the law's table says to a question, by the allow list and directory of just now."""

from collections.abc import Mapping

import msgspec

from certs import organisations
from gateway.errors import InvalidBodyError
from gateway.flows.context import Context
from policies.explain import QuestionError, explain
from policies.model import Body


class Explain:
    """Explains, and never permits."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def answer(self, question: Mapping[str, object]) -> dict[str, object]:
        """Return decision, reason, basis and nearest (DESIGN §5).

        Raises:
            InvalidBodyError: a side named twice or not at all, a citation that is none.
        """
        trust = self._context.trust
        try:
            return explain(trust.law, question, bodies=self._bodies())
        except QuestionError:
            raise InvalidBodyError("decision: not a question", pointer="") from None

    def _bodies(self) -> dict[str, Body]:
        """Return the bodies of the directory as the law's table reads them."""
        directory = self._context.trust.directory
        return {
            body.body_code: _body(organisation.name, body)
            for organisation in directory.organisations.values()
            for body in organisation.bodies
        }


def _body(organisation: str, body: organisations.Body) -> Body:
    members: dict[str, object] = {
        "body_code": body.body_code,
        "organisation": organisation,
        "name": body.name,
        "classes": [
            {
                "class_id": one.class_id,
                "fact": one.fact,
                "from": one.from_.isoformat(),
                "to": one.to.isoformat() if one.to is not None else None,
            }
            for one in body.classes
        ],
        "delegated_by": body.delegated_by,
    }
    return msgspec.convert(members, Body)
