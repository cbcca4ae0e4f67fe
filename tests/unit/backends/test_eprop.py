"""e-prop against back-propagation through time, written out by hand, with the gradient through others' spikes cut."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from hilbench import plugins
from hilbench.nal import Network
from hilbench.nal.rules.eprop import EProp
from hilbench.nal.rules.eprop_rate import EPropRate
from hilbench.seeding import stream
from hilbench.types import EVENT, Probes, Tick

ENGINES = ["numba", "reference"]
N_IN, N, N_OUT, N_STEPS = 5, 4, 2, 150
DT_S, TAU_S, OUT_TAU_S, ADAPT_TAU_S = 0.001, 0.02, 0.03, 0.1
GAMMA, THRESHOLD = 0.3, 0.625


def make(name):
    cls = plugins.get("backends", name)
    return cls(cls.Config())


@pytest.fixture(params=ENGINES)
def engine(request):
    return make(request.param)


def recurrent(adapt_step=0.0, reset_at="now", amplitude=1.0, rate=1e-3, kind=EProp, **rule) -> Network:
    """Event lines into a recurrent population, both plastic, and a readout that is not.

    A large amplitude goes with small weights, so the learning rate of the recurrent ones falls with its square.
    """
    random = np.random.default_rng(2)
    net = Network(DT_S, spike_amplitude=amplitude, seed=11)
    net.input("e", N_IN, kind="events")
    adapting = {"adapt_tau_s": ADAPT_TAU_S, "adapt_step": adapt_step} if adapt_step else {}
    net.lif(
        "a", N, tau_s=TAU_S, r=20.0, v_threshold=THRESHOLD, reset="subtract", reset_at=reset_at, output=True, **adapting
    )
    net.readout("y", N_OUT, tau_s=OUT_TAU_S, r=30.0)
    net.connect("a", "y", random.normal(0, 1 / amplitude, (N_OUT, N)), name="out")
    learns = {"modulator": "error", "readout": "out", "dampening": GAMMA} | rule
    into = random.normal(0.25, 0.25, (N, N_IN))
    net.connect("e", "a", into, rule=kind(learning_rate=rate, **learns), delay_steps=3, name="in")
    back = random.normal(0, 0.4 / amplitude, (N, N))
    learns = kind(learning_rate=rate / amplitude**2, **learns)
    net.connect("a", "a", back, rule=learns, delay_steps=1, name="rec")
    return net


def inputs() -> np.ndarray:
    """(N_STEPS, N_IN): spikes of the event lines."""
    return (np.random.default_rng(3).random((N_STEPS, N_IN)) < 0.15).astype(float)


def run(engine, net, spikes, errors, learning=True):
    """Outputs (N_STEPS, N_OUT) and spikes (N_STEPS, N), one step a tick."""
    engine.load(net, net.dt_us, Probes())
    y, z = np.zeros((N_STEPS, N_OUT)), np.zeros((N_STEPS, N))
    for t in range(N_STEPS):
        here = np.array([(0, i) for i in np.flatnonzero(spikes[t])], EVENT)
        reply = engine.step(Tick(t, learning=learning, events=here, modulators=errors[t]))
        y[t] = reply.values
        z[t, reply.events["address"]] = 1
    return y, z


def parameters(net) -> SimpleNamespace:
    """What the network computes with, from its float32 numbers."""
    tau_s, out_tau_s = (float(net.populations[name].tau_s[0]) for name in ("a", "y"))
    alpha, kappa = np.exp(-DT_S / tau_s), np.exp(-DT_S / out_tau_s)
    dense = {name: p.weights.toarray().astype(float) for name, p in net.projections.items()}
    b = net.populations["a"].behaviour
    return SimpleNamespace(
        alpha=alpha, kappa=kappa, gain=20 * (1 - alpha), out_gain=30 * (1 - kappa), amplitude=net.spike_amplitude,
        rho=np.exp(-DT_S / b.adapt_tau_s) if b.adapt_tau_s else 0.0, beta=b.adapt_step, weights=dense,
        next=b.reset_at == "next",
    )  # fmt: skip


def forward(p, spikes):
    """Spikes and pseudo-derivatives (N_STEPS, N) of the network, computed apart from any engine."""
    z, psi = np.zeros((N_STEPS, N)), np.zeros((N_STEPS, N))
    v, a, before = np.zeros(N), np.zeros(N), np.zeros(N)
    for t in range(N_STEPS):
        arrived = p.weights["in"] @ (spikes[t - 3] if t >= 3 else np.zeros(N_IN))
        arrived = arrived + p.amplitude * p.weights["rec"] @ before
        v = p.alpha * v - before * THRESHOLD * (1 if p.next else p.alpha) + p.gain * arrived
        excess = v - THRESHOLD - p.beta * a
        z[t] = excess > 0
        psi[t] = GAMMA / THRESHOLD * np.maximum(0, 1 - np.abs(excess) / THRESHOLD)
        a = p.rho * a + z[t]
        before = z[t]
    return z, psi


def backward(p, spikes, z, psi, errors, pulls=None):
    """dE/dW of input and recurrent weights, for E with dE/dy[t] = errors[t], from the last step to the first.

    `pulls` (N_STEPS, N) is dE/dz[t] beside the readout's.
    """
    pulls = np.zeros((N_STEPS, N)) if pulls is None else pulls
    gradient = {"in": np.zeros((N, N_IN)), "rec": np.zeros((N, N))}
    by_y, by_v, by_a = np.zeros(N_OUT), np.zeros(N), np.zeros(N)
    for t in reversed(range(N_STEPS)):
        by_y = errors[t] + p.kappa * by_y
        by_z = p.out_gain * p.amplitude * p.weights["out"].T @ by_y + by_a  # and not through rec, nor through the reset
        by_z = by_z + pulls[t]
        by_a = p.rho * by_a - p.beta * psi[t] * by_z
        by_v = psi[t] * by_z + p.alpha * by_v
        if t >= 3:
            gradient["in"] += p.gain * np.outer(by_v, spikes[t - 3])
        if t >= 1:
            gradient["rec"] += p.gain * p.amplitude * np.outer(by_v, z[t - 1])
    return gradient


@pytest.mark.parametrize("reset_at", ["now", "next"])
@pytest.mark.parametrize("adapt_step", [0.0, 0.25])
@pytest.mark.parametrize("amplitude", [1.0, 1000.0])
def test_the_gradient_is_that_of_back_propagation_through_time(adapt_step, reset_at, amplitude):
    net, spikes = recurrent(adapt_step, reset_at, amplitude), inputs()
    engine = make("reference")
    y, z = run(engine, net, spikes, np.zeros((N_STEPS, N_OUT), np.float32), learning=False)
    wanted = np.sin(np.arange(N_STEPS)[:, None] / 20 + np.arange(N_OUT))
    errors = (y - wanted).astype(np.float32)
    p = parameters(net)
    own_z, psi = forward(p, spikes)
    np.testing.assert_array_equal(z, own_z)
    assert 0.05 < z.mean() < 0.5
    expected = backward(p, spikes, z, psi, errors.astype(float))
    # So small a rate that the weights stay what they are: a sum over time of changes, not of changed weights' changes.
    largest = max(np.abs(expected["in"]).max(), np.abs(expected["rec"]).max() / amplitude)
    net = recurrent(adapt_step, reset_at, amplitude, rate=5e-9 / (DT_S * largest))
    run(engine, net, spikes, errors)
    learnt = engine.snapshot()
    for name, gradient in expected.items():
        moved = learnt[f"weights/{name}"].reshape(gradient.T.shape).T - p.weights[name]
        found = -moved / (net.projections[name].rule.learning_rate * DT_S)
        np.testing.assert_allclose(found, gradient, rtol=1e-6, atol=1e-6 * np.abs(gradient).max())
        assert np.abs(gradient).max() > 1


def test_random_feedback_takes_the_place_of_the_readouts_weights():
    net, spikes, engine = recurrent(0.25, feedback_weights="random", random_scale=0.5), inputs(), make("reference")
    errors = np.random.default_rng(5).normal(size=(N_STEPS, N_OUT)).astype(np.float32)
    p = parameters(net)
    z, psi = forward(p, spikes)
    expected = {}
    for name in ("in", "rec"):
        p.weights["out"] = 0.5 * stream(net.seed, f"feedback of {name}").normal(size=(N, N_OUT)).T
        expected[name] = backward(p, spikes, z, psi, errors.astype(float))[name]
    rate = 5e-9 / (DT_S * max(np.abs(gradient).max() for gradient in expected.values()))
    net = recurrent(0.25, rate=rate, feedback_weights="random", random_scale=0.5)
    run(engine, net, spikes, errors)
    for name, gradient in expected.items():
        moved = engine.snapshot()[f"weights/{name}"].reshape(gradient.T.shape).T - p.weights[name]
        np.testing.assert_allclose(-moved / (rate * DT_S), gradient, rtol=1e-6, atol=1e-6 * np.abs(gradient).max())


def test_eprop_learns_to_draw_a_pattern(engine):
    net, spikes = recurrent(0.1, rate=0.01), inputs()
    wanted = np.sin(np.arange(N_STEPS)[:, None] / 20 + np.arange(N_OUT)) + 3
    engine.load(net, net.dt_us, Probes())
    losses = []
    for _ in range(8):
        engine.reset(0, "weights")
        y, total = np.zeros(N_OUT), 0.0
        for t in range(N_STEPS):
            here = np.array([(0, i) for i in np.flatnonzero(spikes[t])], EVENT)
            reply = engine.step(Tick(t, events=here, modulators=(y - wanted[t]).astype(np.float32)))
            y = reply.values.astype(float)
            total += float(((y - wanted[t]) ** 2).mean())
        losses.append(total / N_STEPS)
    assert losses[-1] < 0.5 * losses[0], losses


@pytest.mark.parametrize("adapt_step", [0.0, 0.25])
def test_the_rates_pull_is_that_of_back_propagation_too(engine, adapt_step):
    """E_reg = 1/2 sum (f - f*)^2 in each step, whose local gradient takes dE_reg/dz[t] = c (f - f*)."""
    regular = {"kind": EPropRate, "target_rate_hz": 40.0, "rate_weight": 0.05, "rate_tau_s": 0.08}
    net, spikes = recurrent(adapt_step, **regular), inputs()
    errors = np.random.default_rng(5).normal(size=(N_STEPS, N_OUT)).astype(np.float32)
    errors[::3] = 0  # the rate pulls there, too
    p = parameters(net)
    z, psi = forward(p, spikes)
    rates = np.zeros((N_STEPS + 1, N))
    for t in range(N_STEPS):
        rates[t + 1] = np.exp(-DT_S / 0.08) * rates[t] + (1 - np.exp(-DT_S / 0.08)) * z[t] / DT_S
    pulls = 0.05 * (rates[1:] - 40.0)
    expected = backward(p, spikes, z, psi, errors.astype(float), pulls)
    without = backward(p, spikes, z, psi, errors.astype(float))
    rate = 5e-9 / (DT_S * max(np.abs(gradient).max() for gradient in expected.values()))
    run(engine, recurrent(adapt_step, rate=rate, **regular), spikes, errors)
    for name, gradient in expected.items():
        moved = engine.snapshot()[f"weights/{name}"].reshape(gradient.T.shape).T - p.weights[name]
        np.testing.assert_allclose(-moved / (rate * DT_S), gradient, rtol=1e-6, atol=1e-6 * np.abs(gradient).max())
        assert np.abs(gradient - without[name]).max() > 0.1 * np.abs(gradient).max()


def test_the_rates_pull_alone_brings_neurons_to_their_target(engine):
    net = recurrent(rate=2e-3, kind=EPropRate, target_rate_hz=60.0, rate_weight=1.0, rate_tau_s=0.2)
    spikes, quiet = inputs(), np.zeros((N_STEPS, N_OUT), np.float32)
    _, before = run(engine, net, spikes, quiet, learning=False)
    engine.load(net, net.dt_us, Probes())
    late = np.zeros(N)
    for k in range(24):
        for t in range(N_STEPS):
            here = np.array([(0, i) for i in np.flatnonzero(spikes[t])], EVENT)
            reply = engine.step(Tick(k * N_STEPS + t, events=here, modulators=quiet[0]))
            late[reply.events["address"]] += k >= 20
    before_hz, late_hz = before.sum(axis=0) / (N_STEPS * DT_S), late / (4 * N_STEPS * DT_S)
    assert np.abs(late_hz - 60).mean() < 0.4 * np.abs(before_hz - 60).mean()
