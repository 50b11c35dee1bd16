"""Measurements that others published, with their sources."""

import numpy as np
from transformer_costs import LLAMA_3_1_8B, LLAMA_3_1_70B, LLAMA_3_1_405B

# GPU joules per output token, by sequences decoded together. Llama 3.1, vLLM 0.11, chat
# requests, H100 SXM: ML.ENERGY Leaderboard 3.0, December 2025 (https://ml.energy/leaderboard).
# name: (model, bytes a weight, {batch: J/token})
DECODE = {
    "8B, bf16, 1 GPU": (LLAMA_3_1_8B, 2, {8: 0.455, 64: 0.119, 128: 0.095, 512: 0.070}),
    "70B, bf16, 4 GPUs": (
        LLAMA_3_1_70B,
        2,
        {8: 3.76, 16: 2.09, 32: 1.21, 64: 0.797, 128: 0.563, 256: 0.479, 512: 0.421},
    ),
    "405B, fp8, 8 GPUs": (
        LLAMA_3_1_405B,
        1,
        {8: 13.97, 64: 3.08, 128: 2.43, 256: 2.06},
    ),
}
# Output tokens a second of "70B, bf16, 4 GPUs": same source.
TOKENS_PER_SECOND = {8: 470, 512: 5_921}

# Mean gCO2/kWh in each hour of the local day in 2024, direct emissions; computed from
# Electricity Maps' hourly data (https://www.electricitymaps.com), as kept in
# https://github.com/HewlettPackard/sustain-cluster/tree/main/data/carbon_intensity.
_GRIDS = {
    "California": """221 219 218 218 218 220 211 169 116 96 89 87
                     86 88 93 108 137 163 191 215 220 221 222 221""",
    "Germany": """301 295 292 289 290 296 300 297 279 252 226 208
                  200 200 208 222 243 270 300 321 328 325 321 312""",
    "PJM, with Virginia": """324 318 315 313 312 315 318 320 318 314 314 314
                             315 315 315 316 319 323 329 334 337 338 337 332""",
}
GRAMS = {region: np.array(text.split(), dtype=float) for region, text in _GRIDS.items()}
