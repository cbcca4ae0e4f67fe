"""hilbench: a hardware-in-the-loop, closed-loop robotics testbed for spiking controllers.

Importing it registers the plants with Gymnasium, where that is installed, and loads no engine, socket or simulator.
"""

from hilbench.envs import register

__version__ = "0.1.0"

register()
