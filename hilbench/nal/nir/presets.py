"""What other frameworks mean by a graph: for each, the parts of the execution profile that its own neurons follow.

A preset is data. It states what a framework computes, for the kinds of neurons that it has; it knows no graph and no
file. Faults of a framework's own import and export are in its notes: they are listed, not copied.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.model.neurons import Kind

Fields = dict[str, Any]
TauUnit = Literal["s", "dt", "1/dt"]
"""What time constants in a file are counted in: seconds, steps, or seconds per step."""


class Preset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one framework means, with the options in its name."""

    summary: str
    behaviour: dict[Kind, Fields]
    """By kind: fields of `neurons.Behaviour`, and `refractory_steps` for a hold that is counted in steps."""
    looped: dict[Kind, Fields] = {}
    """What differs for neurons that feed themselves through one projection (RLeaky, RSynaptic)."""
    dt_s: float | None = None
    """The network step that the framework's files assume; None leaves it to the user."""
    spike_amplitude: float | Literal["impulse"] = 1.0
    """`impulse`: 1 / dt_s."""
    delay_steps: int = 0
    """How long a spike takes to every other population."""
    recurrent_delay: Literal[0, 1] = 1
    """How long it takes around a loop."""
    tau_unit: TauUnit = "s"
    backend: str | None = None
    """The engine that has this framework's arithmetic, where float does not."""
    notes: tuple[str, ...] = ()

    def of(self, kind: Kind, dt_s: float, looped: bool = False) -> Fields:
        """Fields of `Behaviour` for a population. Raises NetworkError for a kind that the framework has not.

        Parameters
        ----------
        kind : str
            The kind of population.
        dt_s : float
            The network step, in seconds.
        looped : bool
            Whether the neurons feed themselves through one projection.
        """
        if kind not in self.behaviour:
            raise NetworkError(f"this preset says nothing of a {kind}; {allowed_hint(kind, self.behaviour)}")
        fields = self.behaviour[kind] | (self.looped.get(kind, {}) if looped else {})
        steps = fields.get("refractory_steps", 0)
        rest = {name: value for name, value in fields.items() if name != "refractory_steps"}
        return rest | ({"refractory_s": steps * dt_s} if steps else {})


def tau_unit_s(unit: TauUnit, dt_s: float) -> float:
    """How many seconds a 1 in a file's time constants stands for.

    Parameters
    ----------
    unit : str
        "s", "dt" or "1/dt".
    dt_s : float
        The network step, in seconds.
    """
    return {"s": 1.0, "dt": dt_s, "1/dt": 1 / dt_s}[unit]


def preset(name: str) -> Preset:
    """The preset of this name. Raises NetworkError."""
    if name not in PRESETS:
        raise NetworkError(f"preset: found {name!r}; {allowed_hint(name, PRESETS)}")
    return PRESETS[name]


_SNNTORCH_NOTES = (
    "snnTorch 1.0.0 exports with a step of 0.1 ms, whatever the network was trained with.",
    "Its import makes an IF a Leaky with beta 0.9, scales thresholds instead of weights, and drops reset_delay.",
    "Its export drops reset_mechanism, reset_delay, graded_spikes_factor, inhibition and state_quant.",
    "reset_mechanism 'none' has no counterpart here.",
    "reset_delay=False with 'subtract': a membrane that its reset leaves above the threshold is tested there against"
    " twice the threshold in the next step.",
)


def _snntorch(summary: str, leaky: Fields, others: Fields) -> Preset:
    """`leaky`: the reset of Leaky; `others`: of Synaptic and of all recurrent layers."""
    return Preset(
        summary=summary,
        dt_s=1e-4,
        behaviour={
            "lif": {"integrator": "euler"} | leaky,
            "li": {"integrator": "euler"},
            "if": {"integrator": "euler", "synapse": "delta"} | leaky,
            "cuba_lif": {"integrator": "euler"} | others,
            "cuba_li": {"integrator": "euler"},
        },
        looped={"lif": others, "if": others},
        notes=_SNNTORCH_NOTES,
    )


def _norse(summary: str, tau_unit: TauUnit) -> Preset:
    value = {"integrator": "euler", "reset": "value"}
    return Preset(
        summary=summary,
        dt_s=1e-3,
        tau_unit=tau_unit,
        behaviour={
            "lif": value,
            "li": {"integrator": "euler"},
            "if": value | {"synapse": "delta"},
            "cuba_lif": value | {"synapse": "delta"},
            "cuba_li": {"integrator": "euler", "synapse": "delta"},
        },
        notes=(
            "Norse 1.1.0's to_nir writes dt / tau_inv: time constants times dt. With dt=1 it writes seconds.",
            "It drops v_reset, reset_method and the initial state (its membranes start at v_leak, here at 0).",
            "Its import drops v_reset and the r of LIF, LI and IF, and runs a CubaLIF's synapse with the v_leak of its"
            " membrane.",
        ),
    )


def _sinabs(summary: str, synapse: Literal["current", "delta"]) -> Preset:
    spikes = {"reset": "subtract", "threshold_test": ">=", "spikes": "multiple"}
    return Preset(
        summary=summary,
        tau_unit="dt",
        behaviour={
            "lif": {"integrator": "exact", "synapse": synapse} | spikes,
            "li": {"integrator": "exact", "synapse": "delta"},
            "if": {"integrator": "exact", "synapse": "delta"} | spikes,
        },
        notes=(
            "sinabs 3.1.3 counts time constants in steps, so the step must be stated.",
            "Its export drops norm_input, spike_fn, reset_fn, min_v_mem and tau_syn: state spikes, reset, v_floor.",
            "Its import drops r and v_reset, sets norm_input=False and, for an IF, min_v_mem to -v_threshold.",
            "It asks for nir 1.0.4 or older and runs with 1.0.8: install it with --no-deps beside nir.",
        ),
    )


_SPYX_NEXT = {"integrator": "discrete", "reset": "subtract", "reset_at": "next"}
_SPYX = Preset(
    summary="Spyx: IF, LIF, LI and the recurrent RIF, RLIF, RCuBaLIF",
    tau_unit="dt",
    delay_steps=1,
    behaviour={
        "lif": _SPYX_NEXT,
        "li": {"integrator": "discrete"},
        "if": _SPYX_NEXT,
        "cuba_lif": {"integrator": "discrete", "reset": "subtract"},
    },
    notes=(
        "Spyx 1.0.0 tests a membrane at the start of the next step: its output spikes come one step later.",
        "to_nir and from_nir count time constants in steps of dt, 1 unless told; for seconds state tau_unit s.",
        "Its export writes r = beta for recurrent layers, and its import drops every r.",
        "Its CuBaLIF subtracts the threshold twice, before and after the decay; RCuBaLIF once, which stands here.",
    ),
)

_NENGO = Preset(
    summary="Nengo: LIF with tau_ref=0, SpikingRectifiedLinear, Lowpass",
    spike_amplitude="impulse",
    behaviour={
        "lif": {"integrator": "exact", "reset": "zero", "v_floor": 0.0},
        "li": {"integrator": "exact"},
        "if": {"integrator": "exact", "reset": "subtract", "threshold_test": ">=", "spikes": "multiple"},
    },
    notes=(
        "Nengo 4.1.0 has no NIR export. Its neurons have threshold 1: gain and bias are weights and biases here.",
        "With tau_ref its LIF counts the hold from the instant within the step; here holds are whole steps.",
        "Its membranes start at random between 0 and 1 unless initial_state says otherwise; here at v_initial.",
        "SpikingRectifiedLinear takes a negative input for 0; here it lowers the membrane.",
        "A connection with a synapse adds one step.",
    ),
)

_LAVA_NOTES = (
    "lava-nc 0.10.0: a Dense delays what it carries by one step, input too, so outputs come later there by one step.",
    "The NIR repository's nir_to_lava.py puts one more Dense before each LIF and refuses a bias; v_reset must be 0.",
)


def _lava(summary: str, **more: Any) -> Preset:
    neuron = {"integrator": "euler", "reset": "zero"}
    return Preset(
        summary=summary,
        delay_steps=1,
        behaviour={"lif": neuron, "if": neuron | {"synapse": "delta"}, "cuba_lif": neuron},
        notes=_LAVA_NOTES + more.pop("notes", ()),
        **more,
    )


_ZERO, _SUBTRACT = {"reset": "zero"}, {"reset": "subtract"}
_SUBTRACT_NEXT = {"reset": "subtract", "reset_at": "next"}
_HELD_AT_ZERO = {"reset": "zero", "refractory_steps": 1}
"""snnTorch multiplies the whole next membrane by 0, its input included: as a reset at once and a hold of one step."""

PRESETS: dict[str, Preset] = {
    "snntorch": _snntorch("snnTorch as it comes: subtract, reset_delay=True", _SUBTRACT_NEXT, _SUBTRACT_NEXT),
    "snntorch-zero": _snntorch("snnTorch with reset_mechanism 'zero', reset_delay=True", _ZERO, _HELD_AT_ZERO),
    "snntorch-now": _snntorch("snnTorch, reset by subtraction, reset_delay=False", _SUBTRACT, _SUBTRACT),
    "snntorch-zero-now": _snntorch("snnTorch with reset_mechanism 'zero', reset_delay=False", _ZERO, _ZERO),
    "norse": _norse("Norse, from a file in seconds, as to_nir(..., dt=1) writes it", "s"),
    "norse-export": _norse("Norse, from a file that to_nir wrote with the dt of the network", "1/dt"),
    "sinabs": _sinabs("sinabs' layers as they come: LIF with norm_input=True, ExpLeak, IAF", "current"),
    "sinabs-unnormalised": _sinabs("sinabs with norm_input=False", "delta"),
    "spyx": _SPYX,
    "nengo": _NENGO,
    "lava-float": _lava("Lava's floating-point LIF and Dense"),
    "lava-fixed": _lava(
        "Lava's fixed-point LIF and Dense, as on Loihi",
        backend="loihi",
        notes=("Decay, weight and threshold bits, rounding and saturation are the engine's: backend 'loihi'.",),
    ),
}
