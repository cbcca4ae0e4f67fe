"""The ways to add a population to a Network, with every keyword by name, so that an editor shows them."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from hilbench.nal.model.neurons import (
    Fires,
    Integrator,
    Kind,
    Reset,
    ResetAt,
    Spikes,
    Synapse,
    SynapseUpdate,
    ThresholdTest,
)
from hilbench.nal.model.rule import Rule

Size = int | tuple[int, ...]
PerNeuron = ArrayLike | None
"""A number for all neurons or one for each; None takes the default of the kind."""


class AddPopulations:
    """The methods of a Network that add populations. What they are given arrives in `add_stated`."""

    __slots__ = ()

    def lif(
        self, name: str, size: Size, *, tau_s: ArrayLike, r: PerNeuron = None, v_leak: PerNeuron = None,
        v_initial: PerNeuron = None, v_threshold: PerNeuron = None, v_reset: PerNeuron = None,
        integrator: Integrator | None = None, synapse: Synapse | None = None, reset: Reset | None = None,
        reset_at: ResetAt | None = None, threshold_test: ThresholdTest | None = None, fires: Fires | None = None,
        refractory_s: float | None = None, spikes: Spikes | None = None, v_floor: float | None = None,
        threshold_noise: float | None = None, adapt_tau_s: float | None = None, adapt_step: float | None = None,
        rule: Rule | None = None, output: bool = False, units: tuple[str, ...] = (), **unknown: Any,
    ) -> str:  # fmt: skip
        """Add leaky integrate-and-fire neurons.

        Parameters
        ----------
        name : str
            The population's name.
        size : int or tuple of int
            How many neurons, or the shape that they stand in.
        tau_s : float or (size,)
            Membrane time constant, in seconds.
        r, v_leak, v_initial, v_threshold, v_reset : float or (size,)
            The other arrays of the kind; defaults are 1, 0, 0, 1 and 0.
        integrator, synapse, reset, reset_at, threshold_test, fires : optional
            Fields of `neurons.Behaviour`, which explains them and has their defaults.
        refractory_s, spikes, v_floor, threshold_noise, adapt_tau_s, adapt_step : optional
            More fields of `neurons.Behaviour`.
        rule : Rule, optional
            A learning rule that moves the thresholds.
        output : bool
            Whether the spikes leave through an output port of the same name.
        units : tuple of str
            Units of that port's values.
        **unknown
            A name that stands here is refused, with the nearest one that there is.
        """
        return self.add(
            name, "lif", size, tau_s=tau_s, r=r, v_leak=v_leak, v_initial=v_initial, v_threshold=v_threshold,
            v_reset=v_reset, integrator=integrator, synapse=synapse, reset=reset, reset_at=reset_at,
            threshold_test=threshold_test, fires=fires, refractory_s=refractory_s, spikes=spikes, v_floor=v_floor,
            threshold_noise=threshold_noise, adapt_tau_s=adapt_tau_s, adapt_step=adapt_step, rule=rule, output=output,
            units=units, **unknown,
        )  # fmt: skip

    def cuba_lif(
        self, name: str, size: Size, *, tau_s: ArrayLike, tau_syn_s: ArrayLike, r: PerNeuron = None,
        v_leak: PerNeuron = None, v_initial: PerNeuron = None, w_in: PerNeuron = None, v_threshold: PerNeuron = None,
        v_reset: PerNeuron = None, integrator: Integrator | None = None, synapse: Synapse | None = None,
        synapse_update: SynapseUpdate | None = None, reset: Reset | None = None, reset_at: ResetAt | None = None,
        threshold_test: ThresholdTest | None = None, fires: Fires | None = None, refractory_s: float | None = None,
        spikes: Spikes | None = None, v_floor: float | None = None, threshold_noise: float | None = None,
        adapt_tau_s: float | None = None, adapt_step: float | None = None, rule: Rule | None = None,
        output: bool = False, units: tuple[str, ...] = (), **unknown: Any,
    ) -> str:  # fmt: skip
        """Add leaky integrate-and-fire neurons behind a synaptic current that decays exponentially.

        Parameters
        ----------
        name, size, tau_s, r, v_leak, v_initial, v_threshold, v_reset, rule, output, units
            As in `lif`.
        tau_syn_s : float or (size,)
            Time constant of the synaptic current, in seconds.
        w_in : float or (size,)
            What each input is multiplied by before it enters the current; 1 by default.
        integrator, synapse, synapse_update, reset, reset_at, threshold_test, fires : optional
            Fields of `neurons.Behaviour`, which explains them and has their defaults.
        refractory_s, spikes, v_floor, threshold_noise, adapt_tau_s, adapt_step : optional
            More fields of `neurons.Behaviour`.
        **unknown
            A name that stands here is refused, with the nearest one that there is.
        """
        return self.add(
            name, "cuba_lif", size, tau_s=tau_s, tau_syn_s=tau_syn_s, r=r, v_leak=v_leak, v_initial=v_initial,
            w_in=w_in, v_threshold=v_threshold, v_reset=v_reset, integrator=integrator, synapse=synapse,
            synapse_update=synapse_update, reset=reset, reset_at=reset_at, threshold_test=threshold_test, fires=fires,
            refractory_s=refractory_s, spikes=spikes, v_floor=v_floor, threshold_noise=threshold_noise,
            adapt_tau_s=adapt_tau_s, adapt_step=adapt_step, rule=rule, output=output, units=units, **unknown,
        )  # fmt: skip

    def readout(
        self, name: str, size: int, *, tau_s: ArrayLike, r: ArrayLike = 1.0, units: tuple[str, ...] = ()
    ) -> str:
        """Add leaky integrators whose values leave through an output port of the same name.

        Parameters
        ----------
        name : str
            The population's name, and the port's.
        size : int
            How many neurons, and values.
        tau_s : float or (size,)
            Membrane time constant, in seconds.
        r : float or (size,)
            What the input is multiplied by.
        units : tuple of str
            Units of the values.
        """
        return self.add(name, "li", size, tau_s=tau_s, r=r, output=True, units=units)

    def add(
        self, name: str, kind: Kind, size: Size, *, tau_s: PerNeuron = None, tau_syn_s: PerNeuron = None,
        r: PerNeuron = None, v_leak: PerNeuron = None, v_initial: PerNeuron = None, w_in: PerNeuron = None,
        v_threshold: PerNeuron = None, v_reset: PerNeuron = None, integrator: Integrator | None = None,
        synapse: Synapse | None = None, synapse_update: SynapseUpdate | None = None, reset: Reset | None = None,
        reset_at: ResetAt | None = None, threshold_test: ThresholdTest | None = None, fires: Fires | None = None,
        refractory_s: float | None = None, spikes: Spikes | None = None, v_floor: float | None = None,
        threshold_noise: float | None = None, adapt_tau_s: float | None = None, adapt_step: float | None = None,
        rule: Rule | None = None, output: bool = False, units: tuple[str, ...] = (), **unknown: Any,
    ) -> str:  # fmt: skip
        """Add a population of any kind. What is None is not stated and takes its default.

        Parameters
        ----------
        name : str
            The population's name.
        kind : str
            One of `neurons.KINDS`; `neurons.PARAMETERS` says which arrays it has.
        size : int or tuple of int
            How many neurons, or the shape that they stand in.
        tau_s, tau_syn_s, r, v_leak, v_initial, w_in, v_threshold, v_reset : float or (size,)
            The kind's arrays; time constants in seconds.
        integrator, synapse, synapse_update, reset, reset_at, threshold_test, fires : optional
            Fields of `neurons.Behaviour`, which explains them and has their defaults.
        refractory_s, spikes, v_floor, threshold_noise, adapt_tau_s, adapt_step : optional
            More fields of `neurons.Behaviour`.
        rule : Rule, optional
            A learning rule that moves the thresholds.
        output : bool
            Whether spikes, or values where it sends none, leave through an output port of the same name.
        units : tuple of str
            Units of that port's values.
        **unknown
            A name that stands here is refused, with the nearest one that there is.
        """
        stated = {
            "tau_s": tau_s, "tau_syn_s": tau_syn_s, "r": r, "v_leak": v_leak, "v_initial": v_initial, "w_in": w_in,
            "v_threshold": v_threshold, "v_reset": v_reset, "integrator": integrator, "synapse": synapse,
            "synapse_update": synapse_update, "reset": reset, "reset_at": reset_at, "threshold_test": threshold_test,
            "fires": fires, "refractory_s": refractory_s, "spikes": spikes, "v_floor": v_floor,
            "threshold_noise": threshold_noise, "adapt_tau_s": adapt_tau_s, "adapt_step": adapt_step,
        }  # fmt: skip
        found = {key: value for key, value in stated.items() if value is not None} | unknown
        return self.add_stated(name, kind, size, found, rule=rule, output=output, units=units)

    def add_stated(
        self, name: str, kind: Kind, size: Size, stated: dict[str, Any], *, rule: Rule | None = None,
        output: bool = False, units: tuple[str, ...] = (),
    ) -> str:  # fmt: skip
        """`add` for a reader of files: all that is stated of the population comes in one dict.

        Parameters
        ----------
        name, kind, size, rule, output, units
            As in `add`.
        stated : dict
            The kind's arrays and the fields of `neurons.Behaviour`, by name. None counts as a value here.
        """
        raise NotImplementedError  # Network does it
