"""Every column of a record: its name, Arrow type, unit and meaning, from which the writer makes its schema."""

from __future__ import annotations

from typing import Any, NamedTuple

from hilbench.types import COUNTERS

ARROW = {"i8": "int64", "u8": "uint64", "f8": "double", "f4": "float", "u1": "uint8", "?": "bool"}
"""NumPy's codes, and Arrow's names."""


class Column(NamedTuple):
    """A column of an episode's stream."""

    part: str
    """When it is known: `tick` and `shown` with the tick, `reply` and `brought` with its reply.

    `applied` is known when that first acts. `step` has a value, or several, for each physics step of the tick. Rows of
    `lists` have any length."""
    name: str
    kind: str
    """Of its numbers, as NumPy's code."""
    unit: str
    """Empty for what has none, and where `plant_spec` or `ports` state it."""
    meaning: str
    width: str = ""
    """The field of Widths that says how many numbers a row or a step has; empty for one number, or for a list."""
    since: int = 5
    """The version of the record in which it came."""

    @property
    def arrow(self) -> str:
        """Its Arrow type in words; N is the same in all rows of a run."""
        if self.part == "lists":
            return f"list<{ARROW[self.kind]}>"
        wide = self.part == "step" or (self.width and self.name != "info")
        return f"fixed_size_list<{ARROW[self.kind]}>[N]" if wide else ARROW[self.kind]


COUNTED = {
    "spikes": "spikes of all neurons",
    "synaptic_operations": "weights other than 0 that something other than 0 crossed",
    "neuron_updates": "updates of neurons, idle ones included",
    "weight_updates": "updates of weights and thresholds by learning",
    "multiplications": "of the synaptic operations, those that multiply",
}
_PARTS: dict[str, tuple[tuple[Any, ...], ...]] = {
    "tick": (
        ("seq", "i8", "", "number of the tick in its episode, from 0"),
        ("t_us", "i8", "us", "the plant's time, from the start of the episode"),
        ("skipped", "?", "", "not sent: too many ticks were unanswered, the device was lost, or the plant had ended"),
        ("learning", "?", "", "whether weights might change"),
        ("scheduled_ns", "i8", "ns", "when the tick was to begin"),
        ("captured_ns", "i8", "ns", "when the plant was observed"),
        ("encoded_ns", "i8", "ns", "when the encoder was done"),
        ("sent_ns", "i8", "ns", "when the tick had been handed to the link"),
        ("reward", "f8", "", "of the period before; that of row 0 belongs to no action"),
        ("terminated", "?", "", "the plant has ended the episode here"),
        ("truncated", "?", "", "the plant has cut the episode off here"),
        ("events_lost", "i8", "", "events of the plant's sensors that were lost because the tick was skipped"),
        ("relayed", "?", "", "the program was sent the sensors' events as they were: they are in `events` alone"),
        ("info", "f8", "", "one column for each NAME of `plant_spec.info_units`: `info.NAME`", "info"),
    ),
    "shown": (
        ("obs", "f4", "", "what the plant showed, as `plant_spec.obs_names` lists it", "obs"),
        ("state", "f8", "", "the plant's exact state: `plant_spec.state_meaning`", "state"),
        ("values_in", "f4", "", "values sent, in the order of `ports.inputs`", "values_in"),
        ("modulators", "f4", "", "learning signals sent, in the order of `ports.modulators`", "modulators"),
    ),
    "reply": (
        ("answered", "?", "", "a reply came"),
        ("arrived_ns", "i8", "ns", "when the reply arrived"),
        ("decoded_ns", "i8", "ns", "when the decoder was done"),
        ("prev_seq", "i8", "", "the tick that the device ran before this one; -1 for none"),
        ("received_ns", "i8", "ns", "when the device had the tick, by its own clock"),
        ("compute_ns", "i8", "ns", "what the device took; no time where `load_report.instruction_ns` is a number"),
        ("energy_j", "f8", "J", "by the device's own meter; NaN without one"),
        ("late", "?", "", "the reply came after its deadline"),
        ("processed", "?", "", "the device ran the tick, whether or not its reply came"),
        ("slip", "i8", "", "periods of a gap before the tick that the device did not catch up with"),
        ("clipped", "?", "", "the action lay outside the plant's limits"),
        ("not_finite", "?", "", "the action was no finite number; the safe one acted"),
    ),
    "brought": (
        *((name, "u8", "", COUNTED[name]) for name in COUNTERS),
        ("values_out", "f4", "",
         "values of the reply, in the order of `ports.outputs`; NaN without one", "values_out"),
    ),
    "applied": (
        ("applied_step", "i8", "", "the physics step of the episode from which the reply acted; -1 for never"),
        ("applied_ns", "i8", "ns", "when that step began"),
    ),
    "step": (
        ("actions", "f8", "",
         "of each physics step of the tick, one after the other: `plant_spec.action_names`", "actions"),
        ("sources", "u1", "", "of each physics step: 0 an action held, 1 a reply's, 2 the safe action"),
    ),
    "lists": (
        ("events", "u8", "", "events sent to the program, packed"),
        ("sensor_events", "u8", "", "events of the plant's sensors, packed"),
        ("reply_events", "u8", "", "events of the reply, packed"),
        ("probe_events", "u8", "", "recorded spikes, packed; addresses in the order of `scenario.record.spikes`"),
        ("probe_values", "f4", "",
         "recorded weights, then norms, in the order of `scenario.record`; empty in most rows"),
    ),
}  # fmt: skip
COLUMNS = tuple(Column(part, *row) for part, rows in _PARTS.items() for row in rows)
"""In the order of a stream. Times in ns are of the loop's monotonic clock, except for `received_ns`."""


def column_of(name: str) -> Column:
    """A stream's column by its name there; `info.NAME` is that of `info`."""
    return next(column for column in COLUMNS if column.name == name.partition(".")[0])
