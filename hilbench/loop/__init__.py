"""The loop and what it owns: the clock, the agent, recovery, echoes."""
