"""One worker process with both models; it knows models, not customers or money.

Start: python worker.py SOCKET_FD
"""

import re
import socket
import sys

import numpy as np


def tokenize(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text.lower())


def make_app(weights: dict[str, np.ndarray]):
    from fastapi import FastAPI

    app = FastAPI()
    vocabulary = weights["vocabulary"].tolist()
    index = {token: i for i, token in enumerate(vocabulary)}

    @app.post("/generate")
    def generate(body: dict) -> dict:
        tokens = tokenize(body["prompt"])
        context, output = [index.get(t, 0) for t in ["<s>", "<s>", *tokens]][-2:], []
        while len(output) < body["max_tokens"] and output[-1:] != ["."]:
            scores = weights["text_bias"].copy()
            for position, token in enumerate(context):
                scores += weights["text"][:, position * len(vocabulary) + token]
            context = [context[1], int(scores.argmax())]
            output.append(vocabulary[context[1]])
        return {
            "output": " ".join(output),
            "usage": {"input_token": len(tokens), "output_token": len(output)},
        }

    @app.post("/vision")
    def vision(body: dict) -> dict:
        pixels = np.asarray(body["pixels"]) / 16
        scores = weights["image"] @ pixels + weights["image_bias"]
        return {"output": int(scores.argmax()), "usage": {"image": 1}}

    return app


if __name__ == "__main__":
    import uvicorn

    app = make_app(dict(np.load("weights.npz")))
    listening = socket.socket(fileno=int(sys.argv[1]))
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])
