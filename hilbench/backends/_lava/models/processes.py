"""Lava's own LIF, with a refractory time and two ports more: what the host adds, and the state it reads. Needs Lava.

Lava reads and writes variables one number at a time; over a port a whole array goes at once.
"""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.io.injector import Injector
from lava.proc.lif.models import PyLifModelBitAcc, PyLifModelFloat
from lava.proc.lif.process import LIF


class HostedLIF(LIF):
    """A LIF that a host drives and watches: `drive_in` (n,) comes in, spikes and v (2 n,) go out.

    Lava's own LIF has no refractory time.

    Parameters
    ----------
    refractory_steps : int
        For how many steps v is held after a spike, as on the chip.
    **settings
        The settings of Lava's LIF.
    """

    def __init__(self, *, refractory_steps: int, **settings) -> None:
        super().__init__(**settings)
        (n,) = self.a_in.shape
        self.refractory_steps = Var(shape=(1,), init=refractory_steps)
        self.held = Var(shape=(n,), init=0)
        self.drive_in = InPort(shape=(n,))
        self.state_out = OutPort(shape=(2 * n,))


def hold(model, before):
    """Restore the v of neurons that are held.

    Parameters
    ----------
    model : PyHostedLifFixed or PyHostedLifFloat
        The model of the neurons.
    before : (n,) array
        Their v before the step.
    """
    model.v[:] = np.where(model.held > 0, before, model.v)


def fire(model, over):
    """The spikes of neurons over the threshold that are not held. Counts down the steps of those that are.

    Parameters
    ----------
    model : PyHostedLifFixed or PyHostedLifFloat
        The model of the neurons.
    over : (n,) bool
        Which of them are over their threshold.
    """
    spikes = over & (model.held == 0)
    model.held[:] = np.where(spikes, model.refractory_steps, np.maximum(model.held - 1, 0))
    return spikes


@implements(proc=HostedLIF, protocol=LoihiProtocol)
class PyHostedLifFixed(PyLifModelBitAcc):
    """Lava's bit-accurate LIF. What the host sends is added to the bias."""

    implements_process = None  # or Lava takes the parent's for this one's
    drive_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    refractory_steps: int = LavaPyType(int, np.int32)
    held: np.ndarray = LavaPyType(np.ndarray, np.int32)
    state_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def scale_bias(self):
        super().scale_bias()
        self.effective_bias = self.effective_bias + self.drive_in.recv()

    def subthr_dynamics(self, activation_in):
        before = self.v.copy()
        super().subthr_dynamics(activation_in)
        hold(self, before)

    def spiking_activation(self):
        return fire(self, super().spiking_activation())

    def run_spk(self):
        super().run_spk()
        self.state_out.send(np.concatenate((self.s_out_buff, self.v)).astype(float))


@implements(proc=HostedLIF, protocol=LoihiProtocol)
class PyHostedLifFloat(PyLifModelFloat):
    """Lava's floating-point LIF. What the host sends joins what its synapses bring."""

    implements_process = None
    drive_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    refractory_steps: int = LavaPyType(int, np.int32)
    held: np.ndarray = LavaPyType(np.ndarray, np.int32)
    state_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def subthr_dynamics(self, activation_in):
        before = self.v.copy()
        super().subthr_dynamics(activation_in + self.drive_in.recv())
        hold(self, before)

    def spiking_activation(self):
        return fire(self, super().spiking_activation())

    def run_spk(self):
        super().run_spk()
        self.state_out.send(np.concatenate((self.s_out_buff, self.v)))


@implements(proc=Injector, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyIntegerInjector(PyLoihiProcessModel):
    """Lava's injector hands on real numbers, which its integer models cannot shift: a network that hangs."""

    in_port: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    out_port: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self):
        self.out_port.send(self.in_port.recv().astype(np.int32))
