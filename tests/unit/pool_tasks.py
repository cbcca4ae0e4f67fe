"""What test_pool.py has workers do. It imports nothing that takes them time."""

import os


def divide(number: int) -> int:
    """60 over the number, but 7 ends the worker."""
    if number == 7:
        os._exit(3)
    return 60 // number
