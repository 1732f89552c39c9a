"""What is typed behind --set becomes members of a record."""

import pytest

from gateway.cli.record_corrections import members_of
from gateway.errors import InvalidRequestError


def test_texts_marks_and_information_are_read_as_what_they_are() -> None:
    members = members_of(
        ["department=a=b", "act21_2=1", "non_disclosure=0", 'information={"term":"T"}']
    )

    assert members == {
        "department": "a=b",
        "act21_2": 1,
        "non_disclosure": 0,
        "information": {"term": "T"},
    }


@pytest.mark.parametrize(
    "given",
    [
        ["department"],
        ["=x"],
        ["department=a", "department=b"],
        ["act21_2=2"],
        ["non_disclosure=yes"],
        ["information=[]"],
        ["information={"],
    ],
)
def test_what_is_no_member_is_refused(given: list[str]) -> None:
    with pytest.raises(InvalidRequestError):
        members_of(given)
