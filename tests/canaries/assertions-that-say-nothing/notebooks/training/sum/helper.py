def two():
    assert __name__ == "helper"
    return 2


def three():
    assert two() == 3
