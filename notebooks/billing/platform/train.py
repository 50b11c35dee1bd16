"""Train the two models; their weights go to weights.npz, where workers find them."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from worker import tokenize

TEXT = """
the gateway checks the key. the gateway checks the wallet. the wallet holds the money
before the model runs. the money goes back to the wallet. the scheduler picks the worker.
the worker runs the model. the worker counts the tokens. the model runs on the worker.
the ledger records two sides of every transfer. the ledger checks every transfer.
a retry with the same key is not charged. a call is charged in full. a failed call is
not charged. every token is counted. every call is counted. the tokens of every call
go to the ledger. the bill adds up to the cent. the key of the wallet goes to the gateway.
"""


def train_language_model() -> dict[str, np.ndarray]:
    """A log-linear trigram model: the next word from the two before it."""
    sentences = [
        ["<s>", "<s>", *tokenize(s), "."] for s in TEXT.split(".") if s.strip()
    ]
    vocabulary = ["<unk>", *sorted({token for s in sentences for token in s})]
    ids = [[vocabulary.index(token) for token in s] for s in sentences]
    trigrams = np.array([s[i : i + 3] for s in ids for i in range(len(s) - 2)])
    size = len(vocabulary)
    one_hot = np.eye(size)
    context = np.hstack([one_hot[trigrams[:, 0]], one_hot[trigrams[:, 1]]])
    model = LogisticRegression(C=100).fit(context, trigrams[:, 2])
    # A word never seen in third place is never produced.
    text, text_bias = np.zeros((size, 2 * size)), np.full(size, -np.inf)
    text[model.classes_], text_bias[model.classes_] = model.coef_, model.intercept_
    return {"vocabulary": np.array(vocabulary), "text": text, "text_bias": text_bias}


def train_models() -> tuple[float, np.ndarray]:
    """Train both. Returns the digit reader's test accuracy, and the test images."""
    digits = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(*digits, random_state=0)
    reader = LogisticRegression(max_iter=300).fit(x_train / 16, y_train)
    weights = train_language_model()
    weights |= {"image": reader.coef_, "image_bias": reader.intercept_}
    np.savez("weights.npz", **weights)
    return float(reader.score(x_test / 16, y_test)), x_test
