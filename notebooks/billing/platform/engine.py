"""llama.cpp with SmolLM2-135M in a process of its own, so that it can be killed."""

import signal

from language_model import Engine

engine = Engine(slots=2, context=1024)
print(engine.address, flush=True)
signal.pause()
