from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restoration.assess import BLURRED_SIGMA, NOISY_SIGMA, Assessment
from restoration.catalogue import available_models
from restoration.errors import UsageError
from restoration.plan import ALL_STEPS, WORTH_A_TRY, Step, make_plan, parse_steps
from restoration.recipe import Options, current_recipe_ids, recipe_id


def assessment(
    noise: float = 0.0, blur: float = 0.0, monochrome: bool = False, confidence: float = 0.9
) -> Assessment:
    return Assessment(noise, confidence, blur, confidence, monochrome, confidence)


def test_a_clean_colour_photo_needs_nothing() -> None:
    plan = make_plan(assessment())
    assert plan.steps == ()
    assert not plan.changes_pixels
    assert len(plan.reasons) == 3


def test_all_degradations_at_once() -> None:
    plan = make_plan(assessment(NOISY_SIGMA, BLURRED_SIGMA, True))
    assert plan.steps == (Step.DENOISE, Step.DEBLUR, Step.COLORIZE)
    assert plan.changes_pixels


def test_colour_alone_leaves_the_restored_photo_untouched() -> None:
    plan = make_plan(assessment(monochrome=True))
    assert plan.steps == (Step.COLORIZE,)
    assert not plan.changes_pixels


def test_a_guess_changes_nothing() -> None:
    unsure = assessment(40, 4, True, confidence=WORTH_A_TRY - 0.01)
    assert make_plan(unsure).steps == ()
    assert all("confidence" in reason for reason in make_plan(unsure).reasons)


def test_blur_that_may_be_camera_shake_is_only_tried() -> None:
    plan = make_plan(assessment(40, 4, True, confidence=WORTH_A_TRY))
    assert plan.steps == (Step.DEBLUR,)
    assert plan.is_tentative(Step.DEBLUR)
    assert "camera shake" in plan.reasons[1]
    certain = make_plan(assessment(40, 4, True))
    assert not any(certain.is_tentative(step) for step in Step)
    assert make_plan(assessment(0, 1, confidence=0.3)).steps == ()


@given(
    noise=st.floats(0, 80),
    blur=st.floats(0, 10),
    monochrome=st.booleans(),
    confidence=st.floats(0, 1),
    requested=st.sets(st.sampled_from(ALL_STEPS)),
)
def test_only_what_was_asked_for_runs_in_order_with_a_reason_each(
    noise: float, blur: float, monochrome: bool, confidence: float, requested: set[Step]
) -> None:
    plan = make_plan(assessment(noise, blur, monochrome, confidence), tuple(requested))
    assert set(plan.steps) <= requested
    assert list(plan.steps) == sorted(plan.steps, key=ALL_STEPS.index)
    assert [reason.partition(":")[0] for reason in plan.reasons] == list(ALL_STEPS)


def test_strength_0_leaves_the_pixels_alone_and_says_so() -> None:
    plan = make_plan(assessment(40, 4, True), strength=0)
    assert plan.steps == (Step.COLORIZE,)
    assert plan.reasons[:2] == ("denoise: the strength is 0", "deblur: the strength is 0")
    assert make_plan(assessment(40, 4, True), strength=0.01).steps == ALL_STEPS


def test_reasons_hold_the_measurement() -> None:
    assert make_plan(assessment(noise=23.45)).reasons[0].startswith("denoise: noise sigma 23.4")


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("denoise", (Step.DENOISE,)),
        (" denoise, colorize ", (Step.DENOISE, Step.COLORIZE)),
        ("denoise,deblur,colorize", ALL_STEPS),
    ],
)
def test_step_lists(text: str, steps: tuple[Step, ...]) -> None:
    assert parse_steps(text) == steps


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no step"),
        ("sharpen", "unknown"),
        ("deblur,denoise", "order"),
        ("deblur,deblur", "twice"),
        ("denoise,", "missing beside a comma"),
        ("denoise, ,colorize", "missing beside a comma"),
    ],
)
def test_wrong_step_lists_are_refused(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        parse_steps(text)


def test_recipes_differ_by_options_and_by_the_models_used() -> None:
    everything = Options()
    only_noise = Options(steps=(Step.DENOISE,))
    assert recipe_id(everything, (Step.DENOISE,)) != recipe_id(only_noise, (Step.DENOISE,))
    assert recipe_id(everything, ()) != recipe_id(everything, (Step.DENOISE,))
    assert len(current_recipe_ids(everything)) == 8
    assert recipe_id(everything, (Step.DENOISE, Step.COLORIZE)) in current_recipe_ids(everything)


ANY_PLAN = st.sets(st.sampled_from(ALL_STEPS)).map(lambda s: tuple(sorted(s, key=ALL_STEPS.index)))


def test_the_recipes_of_who_asks_for_nothing_stay_what_they_were() -> None:
    plain = recipe_id(Options(), ())
    assert plain == recipe_id(Options(passes=1), ()) == recipe_id(Options(passes=8), ())


@given(ANY_PLAN, st.floats(0.01, 1), st.floats(0, 1))
def test_shares_change_only_the_recipes_of_photos_that_they_concern(
    used: tuple[Step, ...], strength: float, keep_grain: float
) -> None:
    plain = recipe_id(Options(), used)
    is_same = recipe_id(Options(strength=strength), used) == plain
    assert is_same == (strength == 1 or not set(used) & {Step.DENOISE, Step.DEBLUR})
    is_same = recipe_id(Options(keep_grain=keep_grain), used) == plain
    assert is_same == (keep_grain == 0 or Step.DENOISE not in used)


@given(ANY_PLAN, st.sampled_from([2, 4, 8]))
def test_passes_change_only_the_recipes_of_photos_that_are_restored(
    used: tuple[Step, ...], passes: int
) -> None:
    is_same = recipe_id(Options(passes=passes), used) == recipe_id(Options(passes=1), used)
    assert is_same == (not set(used) & {Step.DENOISE, Step.DEBLUR})
    assert recipe_id(Options(passes=passes), used) in current_recipe_ids(Options(passes=passes))


def test_what_strength_0_passed_through_is_done_again_with_more() -> None:
    nothing = Options(strength=0)
    assert not {recipe_id(nothing, ()), recipe_id(nothing, (Step.COLORIZE,))} & current_recipe_ids(
        Options(strength=0.5)
    )


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"strength": -0.01}, "--strength"),
        ({"strength": 1.01}, "--strength"),
        ({"strength": float("nan")}, "--strength"),
        ({"keep_grain": 2}, "--keep-grain"),
        ({"keep_grain": float("-inf")}, "--keep-grain"),
    ],
)
def test_shares_lie_between_0_and_1(wrong: dict[str, float], word: str) -> None:
    with pytest.raises(UsageError, match=f"{word} must be between 0 and 1"):
        Options(**wrong)


def test_a_new_model_changes_only_the_recipes_that_use_it(tmp_path, monkeypatch) -> None:
    from restoration.catalogue import WEIGHTS_FOLDER

    for path in WEIGHTS_FOLDER.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        if path.stem.startswith("deblur"):
            old = next(card.sha256 for card in available_models() if card.task == "deblur")
            text = text.replace(old, "0" * 64)
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    before, after = (
        {used: recipe_id(Options(), used, folder) for used in [(), (Step.DENOISE,), (Step.DEBLUR,)]}
        for folder in (WEIGHTS_FOLDER, tmp_path)
    )
    assert before[()] == after[()]
    assert before[(Step.DENOISE,)] == after[(Step.DENOISE,)]
    assert before[(Step.DEBLUR,)] != after[(Step.DEBLUR,)]
