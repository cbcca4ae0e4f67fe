"""What this machine can hold: real-time rights, rates, signals."""
