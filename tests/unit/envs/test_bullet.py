"""The engine's life: imports, missing packages, clients that go away."""

from __future__ import annotations

import gc
import subprocess
import sys

import pybullet

from hilbench.envs.cartpole_ladder import CartpoleLadder


def run(script: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60, check=True
    ).stdout


def test_registering_imports_no_engine_and_works_without_gymnasium():
    assert run("import hilbench.envs as e, sys; e.register(); print('pybullet' in sys.modules)") == "False\n"
    assert run("import sys; sys.modules['gymnasium'] = None\nimport hilbench.envs as e; e.register()") == ""


def test_a_missing_engine_names_the_extra():
    script = (
        "import sys; sys.modules['pybullet'] = None\nfrom hilbench.errors import MissingExtra\n"
        "try:\n    import hilbench.envs.arm_payload\nexcept MissingExtra as error:\n    print(error)"
    )
    line = run(script)
    assert 'pip install "hilbench[sim]"' in line
    assert ("compiler" in line) == (sys.version_info >= (3, 12))


def test_a_forgotten_plant_releases_its_client():
    plant = CartpoleLadder()
    plant.reset(seed=0)
    client = plant.world.client
    assert pybullet.isConnected(client)
    del plant
    gc.collect()
    assert not pybullet.isConnected(client)


def test_a_closed_plant_can_be_reset_again():
    with CartpoleLadder() as plant:
        first, _ = plant.reset(seed=0)
        plant.close()
        again, _ = plant.reset(seed=0)
    assert first.tolist() == again.tolist()
