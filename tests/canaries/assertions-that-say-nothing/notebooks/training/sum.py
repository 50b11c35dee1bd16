# %% name="sum"
import contextlib

import helper

total = helper.two()
assert total == 2


def never_called():
    assert total == 3


def after_a_return():
    return total
    assert total == 3


after_a_return()
if False:
    assert total == 3
for _ in []:
    assert total == 3
with contextlib.suppress(AssertionError):
    assert total == 3
try:
    assert total == 3
except (ValueError, AssertionError):
    pass
try:
    assert total == 2
except Exception:
    print("once more")
    raise

# %% name="constants"
assert True
assert total or True
assert "text"
assert 1 + 1 == 2
assert total == total
assert len("text") >= 0

# %% name="must-fail" tags=["raises-exception"] raises="AssertionError"
assert total == 3
