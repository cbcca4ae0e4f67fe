"""The MIT-BIH records: leads and labels of beats, whose they are, and files that are wrong."""

from __future__ import annotations

import shutil

import data_sets
import numpy as np
import pytest
from data_sets import played

from hilbench.envs.mit_bih import MitBih
from hilbench.errors import ScenarioError

FINE = {"control_period_s": 0.002, "physics_step_s": 0.002, "n_samples": 8}
AFTER_S = 0.26
"""From R to the next sample's first instant."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The folder, and of each record the leads, R and the codes of its beats."""
    data_sets.needs("wfdb")
    told = data_sets.mit_bih(folder := tmp_path_factory.mktemp("mitdb"))
    return folder, told


@pytest.fixture
def folder(files, tmp_path):
    """One of its own, to be broken."""
    return shutil.copytree(files[0], tmp_path / "mitdb")


def test_leads_go_on_from_beat_to_beat_as_they_were_recorded(files):
    folder, told = files
    with MitBih(folder=str(folder), sources=[200], **FINE) as plant:
        _, seen, infos = played(plant, 0)
    leads, at, _ = told["200"]
    first = int(infos[0]["sample"]) - 40  # record 100 has the 40 beats before
    begins_s = round(at[first - 1] / 360 / 0.002) * 0.002 + AFTER_S
    at_s = begins_s + 0.002 * np.arange(len(seen))
    for lead in range(2):
        expected = np.interp(at_s, np.arange(len(leads)) / 360, leads[:, lead])
        # 200 units a mV, so that half a unit is 2.5 uV.
        np.testing.assert_allclose(seen[:, lead], expected, atol=0.0026)


def test_a_header_may_be_as_the_database_has_them(files, folder):
    """Without a unit, with first values and checksums that are not looked at, and comments."""
    leads, at, _ = files[1]["100"]
    lines = [
        f"100 2 360 {len(leads)}",
        "100.dat 212 200 11 1024 995 -22131 0 MLII",
        "100.dat 212 200 11 1024 1011 20052 0 V5",
    ]
    (folder / "100.hea").write_text("\r\n".join([*lines, "# 69 M 1085 1629 x1", "# Aldomet, Inderal", ""]))
    with MitBih(folder=str(folder), sources=[100], **FINE) as plant:
        obs, info = plant.reset(seed=0)
    first_s = round(at[int(info["sample"]) - 1] / 360 / 0.002) * 0.002 + AFTER_S
    expected = [np.interp(first_s, np.arange(len(leads)) / 360, lead) for lead in leads.T]
    np.testing.assert_allclose(obs[:2], expected, atol=0.0026)


def test_each_beat_is_decided_on_250_ms_after_r_and_has_the_label_of_its_code(files):
    folder, told = files
    with MitBih(folder=str(folder), sources=[100], **FINE) as plant:
        _, seen, infos = played(plant, 3, lambda info: np.eye(2)[int(info["label"])])
    _, at, kinds = told["100"]
    decided = np.flatnonzero([info["decided"] for info in infos])
    numbers = [int(infos[row - 1]["sample"]) for row in decided]
    assert numbers == list(range(numbers[0], numbers[0] + 8))
    begins_s = round(at[numbers[0] - 1] / 360 / 0.002) * 0.002 + AFTER_S
    np.testing.assert_allclose(begins_s + 0.002 * decided, at[numbers] / 360 + 0.25, atol=0.0011)
    is_ventricular = [kinds[number] == "V" for number in numbers]
    assert any(is_ventricular)
    assert [bool(infos[row]["target"]) for row in decided] == is_ventricular
    assert [bool(infos[row]["alarm"]) for row in decided] == is_ventricular
    shown = seen[decided, 2:]
    np.testing.assert_array_equal(shown, np.eye(2)[np.array(is_ventricular, int)])


def test_a_fusion_and_other_beats_are_not_ventricular_and_a_rhythm_is_no_beat(files):
    with MitBih(folder=str(files[0]), **FINE) as plant:
        labels = [(sample.sources, sample.label) for sample in plant.samples]
    assert labels == [
        ((name,), int(kind == "V")) for name, (_, _, kinds) in files[1].items() for kind in kinds
    ]  # fmt: skip


def test_another_patient_comes_with_the_next_beat_and_each_record_may_be_drawn(files):
    change = {"who": {"kind": "source_changed", "sources": [200], "at_s": 2.5}}
    with MitBih(folder=str(files[0]), sources=[100], disturbances=change, **FINE) as plant:
        _, _, infos = played(plant, 0)
    numbers = [int(info["sample"]) for info in infos]
    changes = [k for k in range(1, len(numbers)) if numbers[k] != numbers[k - 1] + 1 and numbers[k] != numbers[k - 1]]
    assert len(changes) == 1
    assert 2.5 <= infos[changes[0]]["t_s"] < 3.5
    assert max(numbers[: changes[0]]) < 40 <= min(numbers[changes[0] :])
    with MitBih(folder=str(files[0]), **FINE) as plant:
        drawn = {int(plant.reset(seed=seed)[1]["sample"]) for seed in range(40)}
    assert min(drawn) < 40 < max(drawn)
    assert all(1 <= number % 40 <= 31 for number in drawn)


def test_the_shortest_record_that_an_episode_fits_in_is_played_to_its_end(files):
    with MitBih(folder=str(files[0]), **FINE | {"n_samples": 38}) as plant:
        _, _, infos = played(plant, 0)
    assert infos[-1]["sample"] % 40 == 39


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"n_samples": 39}, r"plant: record 100: found 40 beats; allowed: n_samples \+ 2 = 41, or more"),
        ({"rest_s": 0.6}, r"plant: record 100: found beats 0.6 s apart; allowed: .*0.622 s, or more"),
        ({"sources": [201]}, r"plant.sources: found '201'; allowed: 100, 200"),
        ({"disturbances": {"p": {"kind": "lead_changed"}}}, r"disturbances.p: found a plant without a lead"),
    ],
)
def test_wrong_settings_are_refused_in_a_line(files, settings, line):
    with pytest.raises(ScenarioError, match=line):
        MitBih(**{"folder": str(files[0])} | FINE | settings)


def test_records_without_a_ventricular_beat_are_refused(tmp_path):
    data_sets.needs("wfdb")
    data_sets.mit_bih(tmp_path, ["100"], n_beats=3)
    with pytest.raises(
        ScenarioError, match=r"plant.sources: found no sample of ventricular; allowed: one of each class"
    ):
        MitBih(folder=str(tmp_path), n_samples=1)


@pytest.mark.parametrize("suffix", [".dat", ".atr"])
def test_a_file_that_is_missing_is_named(folder, suffix):
    (folder / f"200{suffix}").unlink()
    with pytest.raises(ScenarioError, match=rf"plant.folder: .*: found no file 200{suffix}"):
        MitBih(folder=str(folder), **FINE)


def test_a_folder_without_records_is_refused(tmp_path):
    with pytest.raises(ScenarioError, match=r"found no record; allowed: files NAME.hea, NAME.dat, NAME.atr"):
        MitBih(folder=str(tmp_path))


@pytest.mark.parametrize(
    ("name", "data", "line"),
    [
        ("200.hea", b"hello\n", r"200: cannot be read as a WFDB record: HeaderSyntaxError: [^\n]+$"),
        ("200.atr", b"\x01", r"200: cannot be read as a WFDB record: ValueError: [^\n]+$"),
        ("200.dat", b"\x01\x02", r"200: cannot be read as a WFDB record: [^\n]+$"),
    ],
)
def test_a_damaged_file_is_refused_in_a_line(folder, name, data, line):
    (folder / name).write_bytes(data)
    with pytest.raises(ScenarioError, match=line), MitBih(folder=str(folder), sources=[200], **FINE) as plant:
        plant.reset(seed=0)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("100 2 360", "100 2 360 100", r"100.atr: found annotations out of order, or beyond the record's 100"),
        ("/mV", "/uV", r"100: found units uV, uV, or gaps; allowed: mV"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_in_a_line(folder, old, new, line):
    header = (folder / "100.hea").read_text()
    rest = header.partition("\n")[2]
    first = "100 2 360 100\n" if "100" in new else header.partition("\n")[0] + "\n"
    (folder / "100.hea").write_text(first + rest.replace(old, new))
    with pytest.raises(ScenarioError, match=line), MitBih(folder=str(folder), sources=[100], **FINE) as plant:
        plant.reset(seed=0)
