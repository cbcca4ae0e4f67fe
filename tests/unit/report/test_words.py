"""Numbers and names as people read them."""

from __future__ import annotations

import pytest

from hilbench.report import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.97, "0.970"), (3.456, "3.46"), (67.66, "67.7"), (189.3, "189"), (30_000, "30\u202f000"),
        (-64.2, "−64.2"), (0.05 * 1000, "50"), (50.00000000000001, "50"), (2.5e-5, "2.50×10⁻⁵"),
        (None, "—"), (float("nan"), "—"),
    ],
)  # fmt: skip
def test_figures_have_three_digits(value: float | None, text: str) -> None:
    assert words.figure(value) == text


def test_a_column_takes_the_prefix_of_its_middle() -> None:
    assert words.prefix("m", [0.0034, 0.19, 0.002, None]) == (1000.0, "mm")
    assert words.prefix("J", [1.77e-7, 3e-7]) == (pytest.approx(1e9), "nJ")
    assert words.prefix("1", [0.001]) == (1.0, "")
    assert words.prefix("m", [5000.0]) == (1.0, "m")
    assert words.prefix("s", [0.0, None]) == (1.0, "s")


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("loop.delay.s", 0.01, "delay 10 ms"), ("controller.learning_rate", 0.02, "learning rate 0.02"),
        ("plant.pole_m", 0.5, "pole 500 mm"), ("link.kind", "zmq", "link zmq"), ("mass_kg", 1.5, "mass 1.5 kg"),
        ("loop.learning", False, "learning False"), ("seed", 3, "seed 3"),
        ("factor", {"left": 0.85}, "factor of left 0.85"), ("sensors", ["a", "b"], "sensors a, b"),
    ],
)  # fmt: skip
def test_settings_as_words(key: str, value: object, text: str) -> None:
    assert words.setting(key, value) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tip_error_m", "tip error"),
        ("theta_error_rad", "theta error"),
        ("walk_error_m_s", "walk error"),
        ("gain_rad_s_m", "gain"),
        ("gain_per_s", "gain"),
        ("angle", "angle"),
        ("negative_reward", "negative reward"),
    ],
)
def test_info_keys_as_words(name: str, text: str) -> None:
    assert words.subject(name) == text


def test_lists() -> None:
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.listed(["a"]) == "a"
    assert words.listed([]) == ""
    assert words.counted(1, "cell") == "1 cell"
    assert words.counted(2, "cell") == "2 cells"


def test_a_disturbance_is_told_by_what_it_does() -> None:
    mist = {"kind": "lighting", "brightness": 1.0, "contrast": 0.4, "at_episode": 40}
    assert words.disturbance("mist", mist) == "mist: contrast 0.4"
    assert words.disturbance("none", {"kind": "lighting", "brightness": 1.0}) == "none: brightness 1"
    assert words.disturbance("off", {"kind": "actuator_gain", "factor": 0.0, "names": ["left"]}) == "off: factor 0"
    assert words.disturbance("load", {"kind": "payload", "mass_kg": 1.0, "drag": 2.0}) == "load: mass 1 kg"
