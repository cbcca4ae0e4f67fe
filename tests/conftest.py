"""No test leaves a process or a thread behind; and what some tests need that not every machine has."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import shutil
import signal
import threading
from collections.abc import Callable
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from optional import MISSING

# Before NumPy is loaded, here and in every process that a test starts: as many of its threads as there are processors,
# in each of as many test processes, stand in each other's way.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# The same examples every time, and as much time for them as a busy machine needs.
settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


def children() -> dict[int, str]:
    """Processes that this one has started and that have not been waited for: pid -> command; none without /proc."""
    tracker = getattr(resource_tracker._resource_tracker, "_pid", None)
    found = {}
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread, or a child, that ends just now
            for pid in map(int, task.read_text().split()):
                if pid not in (tracker, None):  # multiprocessing keeps its tracker for the whole session
                    found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip() or "a zombie"
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """What a failed test says of a path that is not UTF-8 must not end the workers, which send it as UTF-8."""
    report = yield
    text = str(report.longrepr or "")
    if text != sendable(text):
        report.longrepr = sendable(text)
    report.sections = [(title, sendable(said)) for title, said in report.sections]
    return report


def sendable(text: str) -> str:
    """The text with escapes for what UTF-8 does not have."""
    return text.encode("utf-8", "backslashreplace").decode()


def pytest_collection_modifyitems(items):
    """Skip what runs a plant, or its scenario, without its recordings; not where HILBENCH_REQUIRE asks for them."""
    for item in items if "datasets" not in os.environ.get("HILBENCH_REQUIRE", "") else ():
        given = item.callspec.params.values() if hasattr(item, "callspec") else ()
        names = [each[0] if isinstance(each, tuple) and each else each for each in given]
        for name in [each for each in names if isinstance(each, str) and each in MISSING]:
            item.add_marker(pytest.mark.skip(reason=f"{MISSING[name]} is not installed (extra datasets)"))


@pytest.fixture(autouse=True, scope="module")
def heap_frozen():
    """What there is when a file begins is not searched for garbage again by every run in it: Torch alone is a lot."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def terminal():
    """Processes start as from a terminal: under nohup SIGHUP is ignored, and behind a shell's `&` SIGINT."""
    numbers = (signal.SIGHUP, signal.SIGINT)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def nothing_allowed_for_good():
    """What a test allows to be imported, the next one has to allow for itself."""
    from hilbench import modules

    allowed = modules.allowed()
    yield
    modules._allowed.clear()
    modules._allowed.update(allowed)


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Fail a test after which a child process or a non-daemon thread is still there that was not there before."""
    before, threads = set(children()), set(threading.enumerate())
    yield
    started = [t for t in set(threading.enumerate()) - threads if not t.daemon]
    if started or set(children()) - before:
        gc.collect()  # a backend's workers and processes end with it, whoever still remembers its frame
    left = {pid: command for pid, command in children().items() if pid not in before}
    for thread in started:
        thread.join(timeout=5)
    left_threads = [t.name for t in started if t.is_alive()]
    assert not left, f"pid {os.getpid()}: child processes left behind: {left}"
    assert not left_threads, f"threads left behind: {left_threads}"


@pytest.fixture(scope="session")
def cortexm() -> None:
    """A compiler for Cortex-M, and QEMU. Skips without; fails where HILBENCH_REQUIRE asks for cortexm."""
    missing = [tool for tool in ("arm-none-eabi-gcc", "qemu-system-arm", "gcc") if shutil.which(tool) is None]
    if missing and "cortexm" in os.environ.get("HILBENCH_REQUIRE", ""):
        pytest.fail(f"HILBENCH_REQUIRE asks for cortexm, but {', '.join(missing)} is missing")
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")


@pytest.fixture(scope="session")
def sb3() -> Any:
    """stable-baselines3. Skips the test without it, and fails it where HILBENCH_REQUIRE asks for rl."""
    if importlib.util.find_spec("stable_baselines3") is None:
        if "rl" in os.environ.get("HILBENCH_REQUIRE", ""):
            pytest.fail("HILBENCH_REQUIRE asks for rl, but stable-baselines3 is missing")
        pytest.skip("stable-baselines3 is not installed (extra rl)")
    import stable_baselines3

    return stable_baselines3


@pytest.fixture(scope="session")
def save_policy(sb3: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Any, Path]]:
    """Makes an untrained model of an algorithm for an env and saves it: the model and its file."""

    def save(env: Any, algorithm: str = "PPO", policy: Any = "MlpPolicy", **settings: Any) -> tuple[Any, Path]:
        model = getattr(sb3, algorithm)(policy, env, seed=1, device="cpu", **settings)
        file = tmp_path_factory.mktemp("policy") / "policy.zip"
        model.save(file)
        return model, file

    return save
