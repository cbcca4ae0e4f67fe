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
    print(f"{found.n_ticks} ticks in {found.duration_s:.2f} s by {found.meter} ({', '.join(found.domains)})")
    for name, joules in (("total", found.total_j), ("idle", found.idle_j), ("dynamic", found.dynamic_j)):
        print(f"{name:8} {joules / found.n_ticks:.4g} J per tick")
    return 0
