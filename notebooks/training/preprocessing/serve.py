"""The serving process: loads the saved pipeline, reads rows as JSON, writes probabilities as JSON."""

import json
import sys

import joblib
import pandas as pd

pipeline = joblib.load("churn.joblib")
rows = pd.DataFrame(json.load(sys.stdin), columns=list(pipeline.feature_names_in_))
json.dump(pipeline.predict_proba(rows)[:, 1].tolist(), sys.stdout)
