"""Lava's own LIF with two ports more: what the host adds in each step, and the state it reads back. Needs Lava.

Lava reads and writes variables one number at a time; over a port a whole array goes at once.
"""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.io.injector import Injector
from lava.proc.lif.models import PyLifModelBitAcc, PyLifModelFloat
from lava.proc.lif.process import LIF


class HostedLIF(LIF):
    """A LIF that a host drives and watches: `drive_in` (n,) comes in, spikes and v (2 n,) go out."""

    def __init__(self, **settings) -> None:
        super().__init__(**settings)
        (n,) = self.a_in.shape
        self.drive_in = InPort(shape=(n,))
        self.state_out = OutPort(shape=(2 * n,))


@implements(proc=HostedLIF, protocol=LoihiProtocol)
class PyHostedLifFixed(PyLifModelBitAcc):
    """Lava's bit-accurate LIF. What the host sends is added to the bias."""

    implements_process = None  # or Lava takes the parent's for this one's
    drive_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    state_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def scale_bias(self):
        super().scale_bias()
        self.effective_bias = self.effective_bias + self.drive_in.recv()

    def run_spk(self):
        super().run_spk()
        self.state_out.send(np.concatenate((self.s_out_buff, self.v)).astype(float))


@implements(proc=HostedLIF, protocol=LoihiProtocol)
class PyHostedLifFloat(PyLifModelFloat):
    """Lava's floating-point LIF. What the host sends joins what its synapses bring."""

    implements_process = None
    drive_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    state_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def subthr_dynamics(self, activation_in):
        super().subthr_dynamics(activation_in + self.drive_in.recv())

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
