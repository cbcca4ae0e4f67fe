"""A link made worse on purpose: delay, loss, order."""
