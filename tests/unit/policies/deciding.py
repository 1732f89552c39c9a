"""What the usual allow list says to a question."""

from policies.decision import decide
from policies.model import Citation, Permit, Question, Reason, Refuse
from tests.unit.policies.builders import a_question, an_allow_list, classes

LAW = an_allow_list()
AID = {
    "procedure": Citation(row_no="42", article="44", item="1", sub_item="イ"),
    "inquirer": classes("市長"),
    "provider": classes("特別区の区長"),
}


def permitted(question: Question) -> Permit:
    found = decide(LAW, question)
    assert isinstance(found, Permit), found
    return found


def refused(question: Question) -> Refuse:
    found = decide(LAW, question)
    assert isinstance(found, Refuse), found
    return found


def reason(**changed: object) -> Reason:
    return refused(a_question(**changed)).reason
