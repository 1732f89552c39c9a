"""The words that signed documents are made of."""

import pytest

from certs.terms import has_controls
from codes.canonical import canonical_json


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("第117条第6号ロ", False),
        ('a "word" and a back\\slash', False),
        ("\\n", False),
        ("\\\\u001f", False),
        ('\\"', False),
        ("\x80", False),
        ("\n", True),
        ("\\\n", True),
        ("\x1f", True),
        ("\x7f", True),
        ('"\t"', True),
    ],
)
def test_control_characters_are_found_in_canonical_bytes(text: str, expected: bool) -> None:  # noqa: FBT001
    assert has_controls(canonical_json({"a": ["b", text]})) is expected
