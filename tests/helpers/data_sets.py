"""Small made-up files in the formats of three public data sets, for the plants that play these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pytest
from small_plants import Mass

from hilbench.envs.sensors import Playback

LIGHTS = ("fluorescent", "natural")


def needs(*packages: str) -> None:
    """Skip the test without a package. HILBENCH_REQUIRE may ask for datasets."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing and "datasets" in os.environ.get("HILBENCH_REQUIRE", ""):
        pytest.fail(f"HILBENCH_REQUIRE asks for datasets, but {', '.join(missing)} is missing")
    if missing:
        pytest.skip(f"this needs {', '.join(missing)}: pip install 'hilbench[datasets]'")


def played(plant: Any, seed: int, scores: Any = None) -> tuple[list[Any], np.ndarray, list[dict[str, float]]]:
    """Events of each control period, observations and infos of an episode; `scores` gives an action from the info."""
    obs, info = plant.reset(seed=seed)
    has_events = bool(plant.plant_spec.event_sensors)
    events, seen, infos, ended = [], [obs], [info], False
    while not ended:
        obs, _, ended, _, info = plant.step(np.zeros(len(plant.classes)) if scores is None else scores(info))
        events += [plant.events()] if has_events else []
        seen.append(obs)
        infos.append(info)
    return events, np.array(seen), infos


def since_start(events: Sequence[Any], period_us: int) -> list[tuple[int, int]]:
    """Events of control periods as (time since the episode's start in us, address)."""
    return [(k * period_us + int(t_us), int(address)) for k, each in enumerate(events) for t_us, address in each]


SPEAKERS = {"shd_train.h5": (0, 1), "shd_test.h5": (2, 3)}


def shd(folder: Path, speakers: Mapping[str, Sequence[int]] = SPEAKERS) -> dict[str, list[tuple[Any, Any, int, int]]]:
    """Files of SHD: in each every speaker of its own says every word once. Gives the rows of each file.

    A word has its own channels, 30 word + 0 to 29, one spike every 10 ms from 0 on, for as long as the speaker speaks.
    """
    told = {}
    for name, who in speakers.items():
        random, told[name] = np.random.default_rng(who[0]), []
        for speaker in who:
            times_s = (np.arange(40 + 10 * speaker) * 0.01).astype(np.float16)
            for label in range(20):
                units = (30 * label + random.integers(0, 30, times_s.size)).astype(np.uint16)
                told[name].append((times_s, units, label, speaker))
        write_shd(folder / name, told[name])
    return told


def write_shd(path: Path, rows: Iterable[tuple[Any, Any, int, int]]) -> None:
    """A file of SHD with rows of times in s, channels, label and speaker."""
    needs("h5py")
    import h5py

    times, units, labels, speakers = zip(*rows, strict=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        spikes, extra = file.create_group("spikes"), file.create_group("extra")
        for name, rows_of, kind in (("times", times, "float16"), ("units", units, "uint16")):
            column = spikes.create_dataset(name, (len(rows_of),), h5py.vlen_dtype(np.dtype(kind)))
            for row, values in enumerate(rows_of):
                column[row] = np.asarray(values, kind)
        file["labels"] = np.array(labels, np.uint16)
        extra["speaker"] = np.array(speakers, np.uint16)


HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#Start-Time: 2016-07-12 13:20:12 (TZ-0700)\r\n"
END = b"#!END-HEADER\r\n"


def packet(events: Sequence[Sequence[int]], overflows: int = 0, kind: int = 1, valid: int = 1) -> bytes:
    """A packet of polarity events: rows of t_us, x, y, polarity."""
    head = pack("<hhiiiiii", kind, 1, 8, 4, overflows, len(events), len(events), len(events) * valid)
    return head + b"".join(pack("<Ii", valid | p << 1 | y << 2 | x << 17, t_us) for t_us, x, y, p in events)


def aedat31(*packets: bytes) -> bytes:
    """A file of AEDAT 3.1."""
    return HEADER + END + b"".join(packets)


def dvs_gesture(folder: Path, n_users: int = 2, lights: Sequence[str] = LIGHTS) -> dict[str, list[list[int]]]:
    """Trials of DVS128 Gesture: every user makes each gesture once under each light. Gives the events of each trial.

    A gesture is 0.6 s, with an event every 2 ms from its start on, in rows 10 (label - 1) and the next nine, between
    columns 32 and 95. Spans are 0.1 s apart, and an event lies in between that belongs to none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    told = {}
    for user in range(1, n_users + 1):
        for light in lights:
            random, lines, events = np.random.default_rng(user), ["class,startTime_usec,endTime_usec"], []
            for label in range(1, 12):
                start_us = 1_000_000 + 700_000 * label
                lines.append(f"{label},{start_us},{start_us + 600_000}")
                for k in range(300):
                    x, y = 32 + random.integers(64), 10 * (label - 1) + random.integers(10)
                    events.append([start_us + 2000 * k, int(x), int(y), k % 2])
                events.append([start_us + 650_000, 127, 127, 1])
            name = f"user{user:02d}_{light}"
            (folder / f"{name}_labels.csv").write_text("\n".join(lines) + "\n")
            packets = [packet(events[k : k + 500]) for k in range(0, len(events), 500)]
            (folder / f"{name}.aedat").write_bytes(aedat31(*packets))
            told[name] = events
    return told


def mit_bih(folder: Path, names: Sequence[str] = ("100", "200"), n_beats: int = 40) -> dict[str, tuple[Any, Any, Any]]:
    """Records of 360 samples a second, with a beat every 0.8 s. Gives the leads in mV, R and the code of each beat.

    Every fifth beat is ventricular: it comes 0.2 s early and is upside down. A rhythm's annotation is at the beginning.
    """
    needs("wfdb")
    import wfdb

    folder.mkdir(parents=True, exist_ok=True)
    told = {}
    for number, name in enumerate(names):
        at = (360 * (0.8 * np.arange(1, n_beats + 1) - 0.2 * (np.arange(n_beats) % 5 == 3))).astype(int)
        kinds = ["V" if k % 5 == 3 else "NLRA"[k % 4] for k in range(n_beats)]
        samples = np.arange(at[-1] + 400)
        leads = np.zeros((samples.size, 2))
        for r, kind in zip(at, kinds, strict=True):
            bump = np.exp(-0.5 * ((samples - r) / (15 if kind == "V" else 6)) ** 2)
            leads += bump[:, None] * ([-1.0, 0.8] if kind == "V" else [1.0, 0.5])
        leads[:, 1] += 0.1 * number
        wfdb.wrsamp(name, fs=360, units=["mV", "mV"], sig_name=["MLII", "V1"], p_signal=leads, fmt=["212", "212"],
                    adc_gain=[200, 200], baseline=[1024, 1024], write_dir=str(folder))  # fmt: skip
        wfdb.wrann(name, "atr", np.concatenate([[10], at]), ["+", *kinds], aux_note=["(N"] + [""] * n_beats,
                   write_dir=str(folder))  # fmt: skip
        told[name] = leads, at, kinds
    return told


class Film(Mass):
    """A plant that plays an event of each pixel of a camera, one after the other."""

    def playback(self) -> Playback:
        n = 128 * 128 * 2
        return Playback((128, 128, 2), np.arange(n), np.arange(n))
