"""What a query of sums gives on one scrape: the part of PromQL that the rule on this page needs."""

import promql_parser


def samples(scrape: dict):
    """(name, labels, value) of {(namespace, model, pod): {metric: value}}."""
    for (namespace, model, pod), gauges in scrape.items():
        labels = {"namespace": namespace, "model_name": model, "pod": pod}
        for name, value in gauges.items():
            yield name, labels, value


def evaluate(query, scrape: dict) -> float:
    if isinstance(query, str):
        return evaluate(promql_parser.parse(query), scrape)
    if isinstance(query, promql_parser.BinaryExpr):
        assert str(query.op) == "+"
        return evaluate(query.lhs, scrape) + evaluate(query.rhs, scrape)
    assert str(query.op) == "sum"
    assert all(
        m.op == promql_parser.MatchOp.Equal for m in query.expr.matchers.matchers
    )
    wanted = {m.name: m.value for m in query.expr.matchers.matchers}
    return sum(
        value
        for name, labels, value in samples(scrape)
        if name == query.expr.name and wanted.items() <= labels.items()
    )
