"""What a worker says to the driver: one line in, one line out. Standard library alone, so that every peer can run it.

    build {"work": NAME, ...parameters}  ->  ready {facts}
    run                                  ->  done {"seconds": ..., "spikes": ...}
    quit

Anything that goes wrong is answered by `error "what"`. The worker times its own work, so pipes cost nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

Run = Callable[[], dict[str, float]]
Build = Callable[..., tuple[dict[str, Any], Run]]


def serve(works: dict[str, Build]) -> None:
    """Answer on what was standard output; whatever a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    run: Run | None = None
    for line in sys.stdin:
        verb, _, rest = line.strip().partition(" ")
        if verb == "quit":
            return
        try:
            if verb == "build":
                parameters = json.loads(rest)
                facts, run = works[parameters.pop("work")](**parameters)
                answer = f"ready {json.dumps(facts)}"
            else:
                answer = f"done {json.dumps(run())}"
        except Exception as error:  # the driver gives it as the row's reason
            answer = f"error {json.dumps(f'{type(error).__name__}: {error}')}"
        print(answer, file=answers, flush=True)
