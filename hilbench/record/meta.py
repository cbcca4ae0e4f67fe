"""What the JSON files of a run's folder say: a struct for each, which writes them, reads them and is their schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from hilbench.record.versions import Format
from hilbench.scenario.recorded import SCENARIO_VERSION, RecordedScenario
from hilbench.types import LoadReport, NetworkFacts, PlantSpec, Port, RobotReport

RECORD = Format("record", 5)
"""Of a run's folder as a whole: its JSON files and its columns."""
SCENARIO = Format("scenario", SCENARIO_VERSION, {1: dict})

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Bucket = Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")]
"""The lower bound of a bucket, in ns."""
Status = Literal["running", "done", "fault", "interrupted", "failed"]


class Host(Struct, frozen=True, kw_only=True):
    """The computer on which the loop ran."""

    system: str
    """Operating system with its version."""
    architecture: str
    """As "x86_64"."""
    cpu_model: str = ""
    n_cpus: int | None = None
    """Logical processors."""


class Provenance(Struct, frozen=True, kw_only=True):
    """Where and with what something was made."""

    package_versions: dict[str, str | None]
    """By package, and Python's; null for one that is not installed."""
    commit: str | None = None
    """Of the checkout, with + where files differ from it; null outside of one."""
    host: Host
    started_at: str
    """In UTC, as ISO 8601 has it."""
    arguments: tuple[str, ...] = ()
    """Of the command line, without the program."""


class Sources(Struct, frozen=True, kw_only=True):
    """What decided a run's numbers besides its scenario."""

    code_sha256: dict[str, str]
    """By module: SHA-256 of its files; "not seen" for one that cannot be read."""
    library_versions: dict[str, str | None]
    file_sha256: dict[str, str | None]
    """By path: SHA-256 of each file, or folder, that the scenario names; null for one that was not there."""


class Ports(Struct, frozen=True, kw_only=True):
    """Where the controller's program takes in and gives out values and events, in the order of the columns."""

    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    modulators: tuple[Port, ...] = ()


class Fault(Struct, frozen=True, kw_only=True):
    """A device, or a robot, that was lost."""

    episode: int
    tick: int
    t_s: float
    """The plant's time at it, from the start of its episode, in s."""
    error: str
    """The kind of error, as "LinkError"."""
    message: str
    recovery: str | None = None
    """How the device came back; null where it did not."""


class NotFinite(Struct, frozen=True, kw_only=True):
    """Where a plant first showed what is no finite number."""

    episode: int
    tick: int
    t_s: float
    """The plant's time at it, from the start of its episode, in s."""
    entries: tuple[str, ...]
    """What was not finite there, by the names of columns: "reward", "info.NAME", "obs.NAME" of an observation."""


class EpisodeEnd(Struct, frozen=True, kw_only=True):
    """What the last action of an episode led to, where the run's duration ended it: that has no row."""

    episode: int
    obs: tuple[float, ...]
    reward: float
    """Of the last period."""
    terminated: bool
    truncated: bool
    info: dict[str, float]


class LinkLosses(Struct, frozen=True, kw_only=True):
    """Frames that were lost at the loop's end of its link; null for what its link does not count."""

    unsent_ticks: Count | None = None
    """Ticks for which the link had no room."""
    broken_frames: Count | None = None
    """Frames from the device whose bytes were wrong."""


class RealtimeRights(Struct, frozen=True, kw_only=True):
    """How a real-time run waited, and what it asked of the operating system."""

    spin_s: float
    """The last part of every wait, which is polled and not slept, in s."""
    asked: dict[str, Any]
    """Field of `scenario.loop` -> what it asks for."""
    refused: dict[str, str]
    """Field -> why the run did without."""


class Histograms(Struct, frozen=True, kw_only=True):
    """Times of a real-time run: lower bound of a bucket in ns -> count. docs/metrics.md says how wide buckets are."""

    latency: dict[Bucket, Count]
    """Of every tick, as the metric `latency` counts it."""
    link_echo: dict[Bucket, Count]
    """Of the link's bare echoes."""


class StreamTotals(Struct, frozen=True, kw_only=True):
    """A whole stream."""

    rows: Count
    bytes: Count
    pieces: Count
    """Its batches, and its end."""


class RunMeta(Struct, frozen=True, kw_only=True):
    """What `run.json` says: all that is known of a run besides its columns."""

    format_version: int = RECORD.version
    status: Status = "running"
    """`running` for a run that goes on, or was killed."""
    scenario: RecordedScenario
    scenario_folder: str = ""
    """Where modules that the scenario names lie; empty where it names none."""
    plant_spec: PlantSpec
    ports: Ports = Ports()
    load_report: LoadReport
    """Which parts of the program the backend runs as stated, and which not."""
    network: NetworkFacts | None = None
    """Null where the program is no network."""
    controller_notes: tuple[str, ...] = ()
    """A line for whatever the controller's user should know of it."""
    device_shares_clock: bool = False
    """Whether `received_ns` and the loop's own stamps may be subtracted."""
    meter_refusals: dict[str, str | None] = {}
    """By meter: why it could not be read where the loop ran; null where it could."""
    sources: Sources
    provenance: Provenance
    reuse_key: str | None = None
    """In an evaluation: of all that decides the run's numbers. A run with the same key is not repeated."""
    run_id: str | None = None
    """In an evaluation: random, to tell a run from another one that replaces it in its folder."""
    latencies_of_run_id: str | None = None
    """The `run_id` of the run whose latencies this one repeats."""
    replay_of: str | None = None
    """The folder of the run that this one replays."""
    realtime: RealtimeRights | None = None
    """Null on the virtual clock."""
    n_episodes: Count = 0
    """Those that were begun."""
    faults: tuple[Fault, ...] = ()
    episode_ends: tuple[EpisodeEnd, ...] = ()
    plant_not_finite: NotFinite | None = None
    """Where the plant first showed what is no finite number; null where all it showed was finite."""
    link_losses: LinkLosses = LinkLosses()
    robot: RobotReport | None = None
    """Null for a plant that is no robot."""
    streams: dict[str, StreamTotals] | None = None
    """By file; null until the run has ended, so also for one that was killed."""
    histograms_ns: Histograms | None = None
    """Null on the virtual clock."""
    fell_behind: bool | None = None
    """Whether the loop itself did not keep up with the clock; null on the virtual clock."""


class EnergyRecord(Struct, frozen=True, kw_only=True):
    """What `energy.json` says: what a run's program took while its ticks were fed to it again."""

    format_version: int = RECORD.version
    meter: str
    meter_sha256: dict[str, str] = {}
    """By module: SHA-256 of the meter's code; empty for one of hilbench's own."""
    domains: tuple[str, ...] = ()
    """The parts of the hardware whose energy was added up."""
    accuracy: str
    n_ticks: int
    duration_s: float
    total_j: float
    idle_j: float
    """What the idle host takes in that time."""
    dynamic_j: float
    """`total_j` less `idle_j`."""


class AgreementRecord(Struct, frozen=True, kw_only=True):
    """What `agreement.json` says: how many of a run's spikes the reference backend makes too."""

    format_version: int = RECORD.version
    reference_backend: str
    run_spikes: int
    reference_spikes: int
    agreed_spikes: int
    """Pairs of the same neuron and the same network step."""
