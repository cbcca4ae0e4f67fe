"""The Network: populations, projections, ports, and its form on the wire."""
