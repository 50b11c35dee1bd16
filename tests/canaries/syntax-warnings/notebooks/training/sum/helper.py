def two():
    one = 1
    return one + 1 if one is 1 else 0


PATTERN = "\d"
