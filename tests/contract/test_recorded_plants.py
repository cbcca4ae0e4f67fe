"""What every plant promises, over those that play somebody's recordings: here small files that are made up."""

from __future__ import annotations

from typing import ClassVar

import data_sets
import pytest

from hilbench import plugins
from hilbench.envs._recorded import RecordedPlant
from hilbench.testing import PlantContract
from hilbench.testing._parts import part_of


class Recorded(PlantContract):
    """A plant with the files of its data set."""

    def cases(self):
        return [(self.plugin, {})]

    @pytest.fixture
    def part(self, request, folder):
        return part_of("envs", self.plugin, {"folder": str(folder), "n_samples": 11})


class TestSHD(Recorded):
    plugin = "shd"
    disturbances: ClassVar = {
        "who": {"kind": "source_changed", "sources": [3]},
        "lost": {"kind": "event_dropout", "probability": 0.5},
    }

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory):
        data_sets.shd(folder := tmp_path_factory.mktemp("shd"))
        return folder


class TestDvsGesture(Recorded):
    plugin = "dvs_gesture"
    disturbances: ClassVar = {
        "light": {"kind": "source_changed", "sources": ["natural"]},
        "hot": {"kind": "hot_pixels", "count": 9, "rate_hz": 99.0},
    }

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory):
        data_sets.dvs_gesture(folder := tmp_path_factory.mktemp("dvs"))
        return folder


class TestMitBih(Recorded):
    plugin = "mit_bih"
    disturbances: ClassVar = {
        "who": {"kind": "source_changed", "sources": [200]},
        "noise": {"kind": "sensor_noise", "std": {"lead_1": 0.1}},
    }

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory):
        data_sets.mit_bih(folder := tmp_path_factory.mktemp("mit"))
        return folder


def test_each_plant_that_plays_recordings_is_here():
    found = {name for name, each in plugins.all_of("envs").items() if issubclass(each.load(), RecordedPlant)}
    assert found == {each.plugin for each in Recorded.__subclasses__()}
