"""Runs integer networks in Lava 0.10 and writes every u, v and spike of every step. Imports nothing of hilbench.

Usage, in Lava's environment: python lava_networks.py {models|runtime} IN.npz OUT.npz

`models` calls Lava's own ProcessModels for LIF, Dense and DelayDense in this process, one after the other, and hands
over what their ports would carry. `runtime` runs the networks as Lava does: a process per part. Both files hold nested
dicts of arrays, see `pack`.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def pack(tree: dict[str, Any], where: str = "") -> dict[str, Any]:
    """A nested dict flattened for npz: {"a": {"b": 1}} becomes {"a/b": 1}."""
    flat = {}
    for key, value in tree.items():
        flat |= pack(value, f"{where}{key}/") if isinstance(value, dict) else {where + key: value}
    return flat


def unpack(flat: Any) -> dict[str, Any]:
    """What `pack` flattened."""
    tree: dict[str, Any] = {}
    for path in flat:
        *folders, name = path.split("/")
        at = tree
        for folder in folders:
            at = at.setdefault(folder, {})
        at[name] = flat[path]
    return tree


class Port:
    """Stands for a port of a ProcessModel: hands over what was put in, and keeps what is sent."""

    def send(self, data: np.ndarray) -> None:
        self.sent = data.copy()

    def recv(self) -> np.ndarray:
        return self.given


def dense_settings(p: dict[str, Any]) -> dict[str, Any]:
    from lava.utils.weightutils import SignMode

    sign = {} if p["sign"] == "auto" else {"sign_mode": SignMode[str(p["sign"]).upper()]}
    return {"weight_exp": int(p["weight_exp"]), "num_weight_bits": int(p["weight_bits"]), **sign}


def lif_model(p: dict[str, Any]) -> Any:
    """A PyLifModelBitAcc with the variables that Lava's builder gives it, in their types."""
    from lava.proc.lif.models import PyLifModelBitAcc

    model, size = PyLifModelBitAcc({}), int(p["size"])
    model.du, model.dv, model.vth = int(p["du"]), int(p["dv"]), int(p["vth"])
    model.u, model.v = np.zeros(size, np.int32), np.zeros(size, np.int32)
    model.bias_mant, model.bias_exp = p["bias_mant"].astype(np.int16), p["bias_exp"].astype(np.int16)
    model.a_in, model.s_out = Port(), Port()
    return model


def dense_model(p: dict[str, Any]) -> Any:
    """A PyDenseModelBitAcc, or PyDelayDenseModelBitAcc, with the variables that Lava's builder gives it."""
    from lava.proc.dense.models import PyDelayDenseModelBitAcc, PyDenseModelBitAcc

    n_target = len(p["weights"])
    if "delays" in p:
        model = PyDelayDenseModelBitAcc(dense_settings(p))
        model.delays = p["delays"].astype(np.int32)
        model.a_buff = np.zeros((n_target, int(p["delays"].max()) + 1), np.int32)
    else:
        model = PyDenseModelBitAcc(dense_settings(p))
        model.a_buff = np.zeros(n_target, np.int32)
    model.weights, model.num_message_bits = p["weights"].astype(np.int32), np.zeros(1, int)
    model.s_in, model.a_out = Port(), Port()
    return model


def run_models(net: dict[str, Any]) -> dict[str, Any]:
    """Each population's u, v and spikes (n_steps, size), from Lava's ProcessModels alone."""
    lifs = {name: lif_model(p) for name, p in net["populations"].items()}
    denses = {name: dense_model(p) for name, p in net["projections"].items()}
    n_steps = len(next(iter(net["inputs"].values())))
    traces = {
        name: {k: np.zeros((n_steps, m.u.size), np.int64) for k in ("u", "v", "spikes")} for name, m in lifs.items()
    }
    for step in range(n_steps):
        # A Dense sends what it had added up in the step before, so its output is known before it runs.
        sent = {n: (m.a_buff[:, 0] if m.a_buff.ndim == 2 else m.a_buff).astype(np.int32) for n, m in denses.items()}
        for name, model in lifs.items():
            arriving = [sent[n] for n, p in net["projections"].items() if p["target"] == name]
            model.a_in.given = sum(arriving, np.zeros(model.u.size, np.int16))
            model.run_spk()
            for key, value in (("u", model.u), ("v", model.v), ("spikes", model.s_out.sent)):
                traces[name][key][step] = value
        for name, model in denses.items():
            source = str(net["projections"][name]["source"])
            model.s_in.given = traces[source]["spikes"][step] if source in traces else net["inputs"][source][step]
            model.run_spk()
            if not np.array_equal(model.a_out.sent, sent[name]):
                raise RuntimeError(f"{name} sent something else than it had added up")
    return traces


def run_runtime(net: dict[str, Any]) -> dict[str, Any]:
    """Each population's u, v and spikes (n_steps, size), from Lava's runtime and its monitors."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import DelayDense, Dense
    from lava.proc.io.source import RingBuffer
    from lava.proc.lif.process import LIF
    from lava.proc.monitor.process import Monitor

    sources = {name: RingBuffer(data=spikes.T.astype(int)) for name, spikes in net["inputs"].items()}
    n_steps = len(next(iter(net["inputs"].values())))
    lifs = {
        name: LIF(
            shape=(int(p["size"]),), du=int(p["du"]), dv=int(p["dv"]), vth=int(p["vth"]),
            bias_mant=p["bias_mant"].astype(int), bias_exp=p["bias_exp"].astype(int),
        )
        for name, p in net["populations"].items()
    }  # fmt: skip
    for p in net["projections"].values():
        settings = {"weights": p["weights"].astype(int), **dense_settings(p)}
        dense = DelayDense(delays=p["delays"].astype(int), **settings) if "delays" in p else Dense(**settings)
        (sources | lifs)[str(p["source"])].s_out.connect(dense.s_in)
        dense.a_out.connect(lifs[str(p["target"])].a_in)
    monitors = {(name, key): Monitor() for name in lifs for key in ("u", "v", "s_out")}
    for (name, key), monitor in monitors.items():
        monitor.probe(getattr(lifs[name], key), n_steps)
    first = next(iter(lifs.values()))
    first.run(condition=RunSteps(num_steps=n_steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    found = {at: next(iter(next(iter(m.get_data().values())).values())).copy() for at, m in monitors.items()}
    first.stop()
    return {name: {"u": found[name, "u"], "v": found[name, "v"], "spikes": found[name, "s_out"]} for name in lifs}


def main(how: str, path_in: str, path_out: str) -> None:
    """Run every network of a file."""
    run = {"models": run_models, "runtime": run_runtime}[how]
    with np.load(path_in) as file:
        nets = unpack(file)
    np.savez_compressed(path_out, **pack({name: run(net) for name, net in nets.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
