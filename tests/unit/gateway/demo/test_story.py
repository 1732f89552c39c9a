"""The story: what came out, and whether it came out as it must."""

import io

import pytest
from rich.console import Console

from gateway.demo.story import Expected, Story


def test_a_step_that_comes_out_as_expected_leaves_the_run_as_said() -> None:
    story = Story(None)

    with story.step("1-asked", "asked", Expected("refused", "wrong-provider")) as scene:
        scene.came_out("refused", "wrong-provider")

    assert story.is_as_said
    (step,) = story.steps
    assert (step.name, step.outcome, step.reason) == ("1-asked", "refused", "wrong-provider")


@pytest.mark.parametrize("came_out", [("provided", None), ("refused", None), ("refused", "other")])
def test_another_outcome_or_reason_is_not_as_said(came_out: tuple[str, str | None]) -> None:
    story = Story(None)

    with story.step("1-asked", "asked", Expected("refused", "wrong-provider")) as scene:
        scene.came_out(*came_out)

    assert not story.is_as_said


def test_a_good_step_does_not_heal_a_bad_one() -> None:
    story = Story(None)
    with story.step("1-bad", "bad", Expected("provided")):
        pass
    with story.step("2-good", "good", Expected("provided")) as scene:
        scene.came_out("provided")

    assert not story.is_as_said


def test_a_step_that_fails_is_told_and_goes_on_failing() -> None:
    story = Story(None)

    with (
        pytest.raises(RuntimeError),
        story.step("1-asked", "asked", Expected("provided")),
    ):
        raise RuntimeError

    assert [step.outcome for step in story.steps] == ["failed"]
    assert not story.is_as_said


def test_it_is_told_with_what_was_expected() -> None:
    told = io.StringIO()
    story = Story(Console(file=told, width=100))

    with story.step("1-asked", "長岡市が照会", Expected("provided")) as scene:
        scene.tell("what", "地方税関係情報 [brackets] stay")
        scene.came_out("withheld")

    text = told.getvalue()
    assert "長岡市が照会" in text
    assert "地方税関係情報 [brackets] stay" in text
    assert "withheld  (expected provided)" in text
