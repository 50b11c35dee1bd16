"""Numbers that others published, with their sources."""

import numpy as np

# kgCO2/kWh in 2023, averages: Ministry of Ecology and Environment and National Bureau of
# Statistics of China, 31 December 2025.
CHINA = {"nation": 0.5306, "north": 0.6361, "southwest": 0.2472}

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
