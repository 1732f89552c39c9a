import pickle

from codes.errors import CanonicalError, CodesError, MalformedError


def test_a_refusal_names_its_reason_and_survives_a_process_border() -> None:
    error = CanonicalError("too-deep", "at most 16 levels")

    assert str(error) == "too-deep: at most 16 levels"
    assert str(MalformedError("base64url")) == "base64url"
    assert isinstance(error, CodesError)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.reason, again.message) == (
        CanonicalError,
        "too-deep",
        "at most 16 levels",
    )
