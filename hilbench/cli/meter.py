"""`hilbench meter`."""

from __future__ import annotations

from hilbench.cli._shared import Run


def meter(run: Run, /, *, trust: bool = False) -> int:
    """Meter the joules of a run's program while its recorded ticks are fed to it again, and keep them with the run.

    Parameters
    ----------
    run
        the folder of the recorded run
    trust
        import modules that the run names as MODULE:NAME, which runs their code
    """
    from hilbench.runs.metering import measure_energy

    found = measure_energy(run, trust=trust)
    ticks = found["ticks"]
    print(f"{ticks} ticks in {found['seconds']:.2f} s by {found['meter']} ({', '.join(found['domains'])})")
    for name in ("total", "idle", "dynamic"):
        print(f"{name:8} {found[f'{name}_j'] / ticks:.4g} J per tick")
    return 0
