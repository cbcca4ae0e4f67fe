"""Whether the contracts tell sound parts from broken ones, and say in one line which promise was broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

HELPERS = Path(__file__).parents[2] / "helpers"
BROKEN = (
    ("DrawsFromNowhere", "a_seed_decides_all_that_it_shows", "a seed decides an episode"),
    ("RemembersTheLastEpisode", "a_seed_decides_all_that_it_shows", "whatever went before: tick 0: observation is"),
    ("HashesText", "a_process_of_its_own_repeats_it", "another process shows something else"),
    ("CountsCalls", "physics_steps_one_by_one_are_physics_steps_at_once", "advance(1) 4 times is advance(4): found"),
    ("ChangesWhenSeen", "looking_changes_nothing_and_what_it_showed_stays", "observe() and state() change nothing"),
    ("KeepsItsArray", "looking_changes_nothing_and_what_it_showed_stays", "an observation stays as it was"),
    ("RepeatsEvents", "reading_its_events_empties_its_sensors", "events() empties the sensors: found events again"),
    ("LeavesItsSpace", "what_it_shows_is_always_as_its_spec_and_spaces_say", "allowed: -9 to 9, as observation_space"),
    ("IgnoresDisturbances", "a_disturbance_that_there_is_not_is_refused", "found no error"),
    ("ClosesOnce", "it_closes_twice", "closed already"),
    ("RemembersSpikes", "a_reset_forgets_the_episode_before", "reset forgets what earlier ticks left"),
    (
        "LateSpikes",
        "values_are_all_written_and_events_lie_in_the_window",
        "less than 10000, the control period",
    ),
    ("ReusesItsEvents", "what_it_is_given_stays_and_what_it_gave_stays", "events stay as they were"),
    ("NeverForgets", "a_reset_forgets_the_episode_before", "reset forgets what earlier replies left"),
    ("ReadsItsAction", "what_it_is_given_stays_and_what_it_wrote_is_the_loops", "depends on replies alone"),
    ("SaysNothing", "silence_from_the_start_gives_a_finite_action", "every action is written, and finite"),
    ("KeepsTicks", "what_a_reader_makes_of_ticks_and_replies_changes_nothing_later", "an earlier tick or reply"),
    ("RepliesFromItsMemory", "a_seed_decides_every_reply_and_ticks_are_left_alone", "reset(seed) begins anew"),
    ("LosesSpikes", "every_feature_is_as_the_reference_has_it_or_the_report_says_why", "feature 'lif, exact'"),
    ("AlwaysLearns", "the_learning_bit_stops_weights_and_nothing_else", "no weight changes in a tick without learning"),
    ("AlwaysLearns", "a_seed_decides_every_reply_and_ticks_are_left_alone", "learning of tick"),
    ("Disorderly", "replies_wait_in_order_and_hold_until_the_next_receive", "replies wait in order"),
    ("ActsAtLevel0", "at_level_0_it_changes_nothing", "at level 0 a disturbance changes nothing: step 0"),
    ("Unseeded", "a_seed_decides_what_it_does", "reset(seed) begins anew"),
    ("SensesByTheClock", "a_seed_decides_what_it_tells_and_a_reset_forgets", "reset(seed) begins anew"),
    ("TouchesThePlant", "what_it_tells_is_as_it_says", "leaves the plant's truth as it is"),
    ("TellsOfTooMany", "what_it_tells_is_as_it_says", "the addresses of the sensor"),
    ("Speaks", "it_reads_or_says_why_not", "why in one line: found"),
    ("first_reward", "a_run_with_little_in_it_breaks_nothing", "of a run without an episode is left out"),
    ("AnotherEachTime", "a_seed_decides_its_program", "the same program for the same seed: plant 'arm_payload'"),
)
"""A part of tests/helpers/broken_parts.py, the test that finds it out, and what that says."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], list[str]]:
    """(class, test) -> what its failures say: of the tests above, and of all that are about the sound plant."""
    report = tmp_path_factory.mktemp("report") / "report.xml"
    file = str(HELPERS / "broken_parts.py")
    ids = [f"{file}::Test{part}::test_{test}" for part, test, _ in BROKEN] + [f"{file}::TestSoundPlant"]
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", f"--junitxml={report}"]
    command = [sys.executable, "-m", "pytest", *options, *ids]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stdout
    said: dict[tuple[str, str], list[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        place = case.attrib["classname"].rpartition(".")[2], case.attrib["name"].partition("[")[0]
        said.setdefault(place, []).extend(each.attrib["message"] for each in case.findall("failure"))
    return said


@pytest.mark.timeout(320)
@pytest.mark.parametrize(("part", "test", "says"), BROKEN)
def test_a_broken_promise_is_found_and_said_in_one_line(found, part, test, says):
    messages = found[f"Test{part}", f"test_{test}"]
    assert messages
    assert all(says in message and "\n" not in message for message in messages)


def test_a_sound_plant_passes(found):
    tests = {place: messages for place, messages in found.items() if place[0] == "TestSoundPlant"}
    assert len(tests) > 10
    assert not any(tests.values())


def test_what_is_missing_is_named_with_the_extra_that_brings_it():
    code = "import sys; sys.modules['hypothesis'] = None; from hilbench.testing import EncoderContract"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines()[-1].endswith('this needs pytest and Hypothesis: pip install "hilbench[testing]"')
