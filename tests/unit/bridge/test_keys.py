"""Key files, and who gets in with them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import bridge_fakes as fakes
import pytest
import zmq

from hilbench.bridge import keys
from hilbench.bridge.device.server import check_bind, serve
from hilbench.bridge.zmq import Config, ZmqLink
from hilbench.errors import LinkError, ScenarioError
from hilbench.settings import to_config

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def _clean():
    with fakes.no_leaks():
        yield


@pytest.fixture
def device(tmp_path):
    """Keys of a device that admits `robot`; its public key is in keys/device/device.pub."""
    keys.new(tmp_path / "keys/device")
    public = keys.new(tmp_path / "keys/robot")
    (tmp_path / "clients").mkdir()
    public.rename(tmp_path / "clients/robot.pub")
    return keys.read_device(tmp_path / "keys/device", tmp_path / "clients")


def fake():
    return fakes.FakeBackend(fakes.FakeBackend.Config())


def link(address, folder, name="robot", server="device/device.pub", **more):
    names = {"keys": str(folder / "keys" / name), "server_key": str(folder / "keys" / server)} if name else {}
    return ZmqLink(Config(address=address, **names, **more), "fake", {})


def load(one):
    return one.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)


def test_a_pair_is_written_once_and_its_secret_is_private(tmp_path):
    folder = tmp_path / "a/b"
    public = keys.new(folder)
    assert public == folder / "b.pub"
    assert stat.S_IMODE((folder / keys.SECRET).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    pair = keys.read_pair(folder)
    assert keys.read_public(public) == pair.public == zmq.curve_public(pair.secret)
    before = {file: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(LinkError, match="ever overwritten"):
        keys.new(folder)
    (folder / keys.SECRET).unlink()
    with pytest.raises(LinkError, match="ever overwritten"):
        keys.new(folder)
    assert {file: file.read_bytes() for file in folder.iterdir()} == {public: before[public]}


def test_without_its_secret_a_public_key_is_said_to_be_in_the_way(tmp_path):
    keys.new(tmp_path / "a")
    (tmp_path / "a" / keys.SECRET).unlink()
    with pytest.raises(LinkError, match=r"gone, and a\.pub alone is no pair.*`hilbench keys new` in another folder"):
        keys.read_pair(tmp_path / "a")


def test_pairs_differ(tmp_path):
    keys.new(tmp_path / "a")
    keys.new(tmp_path / "b")
    assert keys.read_pair(tmp_path / "a") != keys.read_pair(tmp_path / "b")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [(None, "No such file.*`hilbench keys new"), (b"short", "found 5 characters"), (b"~" * 40, "Z85 does not have")],
)
def test_a_key_that_is_none_is_named(tmp_path, text, wanted):
    if text is not None:
        (tmp_path / keys.SECRET).write_bytes(text)
        (tmp_path / keys.SECRET).chmod(0o600)
    with pytest.raises(LinkError, match=wanted):
        keys.read_pair(tmp_path)


def test_a_secret_that_others_can_read_is_refused(tmp_path):
    keys.new(tmp_path / "a")
    (tmp_path / "a" / keys.SECRET).chmod(0o644)
    with pytest.raises(LinkError, match="chmod 600"):
        keys.read_pair(tmp_path / "a")


def test_a_secret_is_not_taken_for_a_public_key(tmp_path):
    keys.new(tmp_path / "a")
    with pytest.raises(LinkError, match="secret key, which never leaves"):
        keys.read_public(tmp_path / "a" / keys.SECRET)


def test_an_empty_allow_list_is_a_mistake(tmp_path):
    keys.new(tmp_path / "a")
    with pytest.raises(LinkError, match="no plant could connect"):
        keys.read_device(tmp_path / "a", tmp_path)


def test_a_plant_on_the_list_gets_its_replies_over_an_encrypted_connection(device, tmp_path):
    with fakes.serving(fake(), keys=device) as address, link(address, tmp_path) as plant:
        load(plant)
        plant.reset(0, "none", 0)
        for tick in fakes.ticks(5):
            plant.send(tick)
            assert plant.receive(20_000_000_000).seq == tick.seq
        assert plant._socket.getsockopt(zmq.MECHANISM) == zmq.CURVE


def test_a_plant_that_is_not_on_the_list_is_told_so_at_once(device, tmp_path):
    keys.new(tmp_path / "keys/stranger")
    with (
        fakes.serving(fake(), keys=device) as address,
        link(address, tmp_path, "stranger", timeout_s=60) as plant,
        pytest.raises(LinkError, match=r"refused the key in .*stranger; copy the file \*.pub"),
    ):
        load(plant)


def test_a_plant_with_another_devices_key_is_told_so(device, tmp_path):
    keys.new(tmp_path / "keys/other")
    with (
        fakes.serving(fake(), keys=device) as address,
        link(address, tmp_path, server="other/other.pub", timeout_s=1) as plant,
        pytest.raises(LinkError, match=r"within 1 s; it is not the device of .*other.pub"),
    ):
        load(plant)


def test_a_plant_without_keys_is_told_so(device, tmp_path):
    with (
        fakes.serving(fake(), keys=device) as address,
        link(address, tmp_path, None, timeout_s=1) as plant,
        pytest.raises(LinkError, match=r"without keys; set link.keys and link.server_key"),
    ):
        load(plant)


def test_a_device_without_keys_is_no_match_for_a_plant_with_them(device, tmp_path):
    with (
        fakes.serving(fake()) as address,
        link(address, tmp_path, timeout_s=1) as plant,
        pytest.raises(LinkError, match=r"or is served without keys"),
    ):
        load(plant)


def test_strangers_never_reach_the_device(device, tmp_path):
    """While they try, the plant on the list goes on."""
    keys.new(tmp_path / "keys/stranger")
    with fakes.serving(fake(), keys=device) as address, link(address, tmp_path) as plant:
        load(plant)
        plant.reset(0, "none", 0)
        for tick, name in zip(fakes.ticks(2), ("stranger", None), strict=True):
            with link(address, tmp_path, name, timeout_s=0.5) as other, pytest.raises(LinkError):
                load(other)
            plant.send(tick)
            assert plant.receive(20_000_000_000).seq == tick.seq
        assert plant.status().refused == 0


def test_keys_open_an_address_to_other_hosts_but_not_over_other_links(device):
    check_bind("tcp://0.0.0.0:5555", insecure=False, has_keys=True)
    for bind in ("stream://127.0.0.1:5555", "unix:///device"):
        with pytest.raises(LinkError, match="allowed with keys: tcp://HOST:PORT, ipc://PATH"):
            serve(fake(), bind, ready=print, keys=device)
    with pytest.raises(LinkError, match="`hilbench keys new`"):
        check_bind("tcp://0.0.0.0:5555", insecure=False)


@pytest.mark.parametrize(
    "half", [{"keys": "k", "address": "tcp://h:1"}, {"server_key": "s"}, {"keys": "k", "server_key": "s"}]
)
def test_half_of_the_settings_is_a_mistake(half):
    with pytest.raises(ScenarioError, match="expected"):
        to_config(Config, half, "link")


def test_missing_key_files_are_named_before_anything_is_opened(tmp_path):
    before = os.listdir("/proc/self/fd")
    with (
        link("tcp://127.0.0.1:1", tmp_path) as plant,
        pytest.raises(LinkError, match=r"robot/secret\.key: No such file"),
    ):
        load(plant)
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("failing", ["secret.key", "mine.pub"])
def test_a_disk_that_fills_up_leaves_no_half_a_pair(tmp_path, monkeypatch, failing):
    folder, open_file = tmp_path / "mine", os.open

    def full(file, *more):
        opened = open_file(file, *more)
        if Path(file).name == failing:
            full_disk = open_file("/dev/full", os.O_WRONLY)
            os.dup2(full_disk, opened)
            os.close(full_disk)
        return opened

    monkeypatch.setattr("hilbench.bridge.keys.os.open", full)
    with pytest.raises(LinkError, match="No space left on device"):
        keys.new(folder)
    monkeypatch.undo()
    assert not list(folder.iterdir())
    keys.new(folder)


def test_a_folder_that_may_not_be_looked_into_is_one_line(tmp_path, monkeypatch):
    def denied(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", denied)
    with pytest.raises(LinkError, match=r"cannot write keys to .*: Permission denied"):
        keys.new(tmp_path / "mine")


@pytest.mark.parametrize("damage", [b"", b"short", b"~" * 40])
def test_the_remedy_for_a_damaged_key_works(tmp_path, damage):
    """`keys new` overwrites nothing, so it cannot mend the folder that the damaged key is in."""
    folder = tmp_path / "robot"
    keys.new(folder)
    (folder / keys.SECRET).write_bytes(damage)
    with pytest.raises(LinkError, match=r"put a copy of it back, or make a pair .* in another folder"):
        keys.read_pair(folder)
    keys.new(tmp_path / "another")
    keys.read_pair(tmp_path / "another")
    public = tmp_path / "other.pub"
    public.write_bytes(damage)
    with pytest.raises(LinkError, match=r"allowed: the file \*.pub of the other side, copied anew"):
        keys.read_public(public)
