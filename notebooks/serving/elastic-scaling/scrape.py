"""What a query of sums, or an alert, gives on one scrape: the part of PromQL that the page needs."""

import promql_parser
from promql_parser import BinaryExpr, Call, MatchOp


def samples(scrape: dict):
    """(name, labels, value) of {(namespace, model, pod): {metric: value}, or None if it is down}."""
    for (namespace, model, pod), gauges in scrape.items():
        target = {"namespace": namespace, "pod": pod}
        yield "up", target, int(gauges is not None)
        for name, value in (gauges or {}).items():
            yield name, target | {"model_name": model}, value


def select(selector, scrape: dict) -> list[float]:
    assert all(m.op == MatchOp.Equal for m in selector.matchers.matchers)
    wanted = {m.name: m.value for m in selector.matchers.matchers}
    return [
        value
        for name, labels, value in samples(scrape)
        if name == selector.name and wanted.items() <= labels.items()
    ]


def evaluate(query, scrape: dict) -> float:
    if isinstance(query, str):
        return evaluate(promql_parser.parse(query), scrape)
    if isinstance(query, BinaryExpr):
        assert str(query.op) == "+"
        return evaluate(query.lhs, scrape) + evaluate(query.rhs, scrape)
    assert str(query.op) == "sum"
    return sum(select(query.expr, scrape))


def fires(query, scrape: dict) -> bool:
    """Whether an alert's expression has any result."""
    if isinstance(query, str):
        return fires(promql_parser.parse(query), scrape)
    if isinstance(query, Call):
        assert query.func.name == "absent"
        return not select(query.args[0], scrape)
    if str(query.op) == "or":
        return fires(query.lhs, scrape) or fires(query.rhs, scrape)
    assert str(query.op) == "=="
    return query.rhs.val in select(query.lhs, scrape)
