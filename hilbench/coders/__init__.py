"""Between observations and ticks, and between replies and actions."""
