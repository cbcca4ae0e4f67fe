"""Runs in a Python that has NEST: reads experiments as JSON from standard input, prints what NEST made of each.

All times in ms. A parrot neuron repeats what reaches its receptor 0 and takes part in plasticity by receptor 1.
"""

from __future__ import annotations

import json
import sys

import nest

COMMON = ("tau_c", "tau_n", "b", "A_plus", "A_minus", "tau_plus", "Wmin", "Wmax")
"""Parameters of `stdp_dopamine_synapse` that all synapses of its model share."""


def relay(times, step, **parameters):
    """A neuron that spikes at these times."""
    generator = nest.Create("spike_generator", params={"spike_times": [round(t - step, 6) for t in times]})
    parrot = nest.Create("parrot_neuron", params=parameters)
    nest.Connect(generator, parrot, syn_spec={"delay": step})
    return parrot


def weight(step, model, synapse, pre, post, delay, neuron=None, dopamine=()):
    """The weight of a plastic synapse after its last presynaptic spike: NEST changes it at those alone."""
    nest.ResetKernel()
    nest.resolution = step
    source, target = relay(pre, step), relay(post, step, **neuron or {})
    if dopamine:
        transmitter = nest.Create("volume_transmitter")
        nest.Connect(relay(dopamine, step), transmitter, syn_spec={"delay": step})
        shared = {name: value for name, value in synapse.items() if name in COMMON}
        nest.CopyModel(model, "modulated", shared | {"volume_transmitter": transmitter})
        model, synapse = "modulated", {name: value for name, value in synapse.items() if name not in COMMON}
    nest.Connect(source, target, syn_spec={"synapse_model": model, "receptor_type": 1, "delay": delay, **synapse})
    nest.Simulate(max(*pre, *post) + 10 * delay + 10)
    return nest.GetConnections(source, target).weight


def spikes(step, model, neuron, weight, pre, until):
    """When a neuron fires that gets spikes at these times, one step after each."""
    nest.ResetKernel()
    nest.resolution = step
    cell, recorder = nest.Create(model, params=neuron), nest.Create("spike_recorder")
    nest.Connect(relay(pre, step), cell, syn_spec={"weight": weight, "delay": step})
    nest.Connect(cell, recorder)
    nest.Simulate(until)
    return sorted(recorder.events["times"].tolist())


if __name__ == "__main__":
    nest.verbosity = nest.VerbosityLevel.ERROR
    found = [globals()[asked.pop("run")](**asked) for asked in json.load(sys.stdin)]
    print(json.dumps(found))
