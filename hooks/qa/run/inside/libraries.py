"""What the server imports before it forks: libraries of this list that an example names.

The list is the engine's own choice. Whatever else an example imports is imported in the sandbox:
an import runs code, and `IPython.__main__` would run a file of the folder it stands in.
"""

from __future__ import annotations

from collections.abc import Iterable

LIBRARIES = {
    "cryptography": (
        "cryptography.hazmat.primitives.asymmetric.ed25519",
        "cryptography.hazmat.primitives.asymmetric.padding",
        "cryptography.hazmat.primitives.asymmetric.x25519",
        "cryptography.hazmat.primitives.ciphers.aead",
    ),
    "fastapi": ("fastapi",),
    "httpx": ("httpx",),
    "hypothesis": ("hypothesis", "hypothesis.strategies"),
    "joblib": ("joblib",),
    "jwt": ("jwt",),
    "kubernetes_validate": ("kubernetes_validate",),
    "matplotlib": ("matplotlib.pyplot",),
    "numpy": ("numpy", "numpy.random"),
    "onnx": ("onnx",),
    "onnxruntime": ("onnxruntime",),
    "opacus": ("opacus", "opacus.accountants"),
    "pandas": ("pandas",),
    "peft": ("peft",),
    "psycopg": ("psycopg",),
    "pydantic": ("pydantic",),
    "safetensors": ("safetensors",),
    "scipy": ("scipy.optimize", "scipy.sparse", "scipy.special", "scipy.stats"),
    "simpy": ("simpy",),
    "sklearn": (
        "sklearn.calibration",
        "sklearn.compose",
        "sklearn.datasets",
        "sklearn.ensemble",
        "sklearn.feature_selection",
        "sklearn.impute",
        "sklearn.linear_model",
        "sklearn.metrics",
        "sklearn.model_selection",
        "sklearn.neighbors",
        "sklearn.pipeline",
        "sklearn.preprocessing",
        "sklearn.tree",
    ),
    "stripe": ("stripe",),
    # Its compiler is imported at the first use of an optimizer.
    "torch": ("torch", "torch._dynamo", "torch.utils.data"),
    "transformers": (
        "transformers",
        "transformers.models.llama.modeling_llama",
        "transformers.generation.utils",
    ),
    "uvicorn": ("uvicorn",),
    "xllamacpp": ("xllamacpp",),
    "yaml": ("yaml",),
}

LARGE = ("torch",)
"""Libraries that make each fork slower and take seconds to load: their users have a server of their
own, so that all others need not wait."""
NEEDS = {"torch": {"opacus", "peft", "transformers"}}
"""Libraries that import a large one."""


def libraries_of(imports: Iterable[str]) -> tuple[str, ...]:
    """Those of the list among modules by their full names."""
    return tuple(sorted({name.partition(".")[0] for name in imports} & LIBRARIES.keys()))


def group_of(libraries: Iterable[str]) -> str:
    """The library in LARGE that they need, or nothing."""
    named = set(libraries)
    return next((name for name in LARGE if name in named or named & NEEDS.get(name, set())), "")
