"""A Prometheus rule file, after the documentation of recording and alerting rules.

https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/
https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from qa.check import promql

UNITS = ("y", "w", "d", "h", "m", "s", "ms")
DURATION = re.compile("0|(?=.)" + "".join(rf"(?:\d+{unit})?" for unit in UNITS))
TEMPLATE = re.compile(r"(?:(?!\{\{|\}\}).|\{\{(?:(?!\{\{|\}\}).)+\}\})*", re.DOTALL)
METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _duration(text: str) -> str:
    if not DURATION.fullmatch(text):
        raise ValueError(f'"{text}" is no duration (such as 30s, 5m or 1h30m)')
    return text


def _metric(name: str) -> str:
    if not METRIC.fullmatch(name):
        raise ValueError(f'"{name}" is no name of a metric (letters, digits, _ and :)')
    return name


def _label(name: str) -> str:
    if not LABEL.fullmatch(name) or name == "__name__":
        raise ValueError(f'"{name}" is no name of a label (letters, digits and _)')
    return name


def _expression(text: str) -> str:
    if fault := promql.fault_of(text):
        raise ValueError(fault)
    return text


def _template(text: str) -> str:
    """Only whether its actions are closed: what they name is known when the alert fires."""
    if not TEMPLATE.fullmatch(text):
        raise ValueError("a template action {{ ... }} is not closed, or not opened")
    return text


NotEmpty = Annotated[str, Field(min_length=1)]
Duration = Annotated[str, AfterValidator(_duration)]
Labels = dict[Annotated[str, AfterValidator(_label)], Annotated[str, AfterValidator(_template)]]


class Strict(BaseModel):
    """No unknown field; a number may stand for its text, as Prometheus reads it."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


class Rule(Strict):
    record: Annotated[str, AfterValidator(_metric)] | None = None
    alert: NotEmpty | None = None
    expr: Annotated[str, AfterValidator(_expression)]
    for_: Annotated[Duration | None, Field(alias="for")] = None
    keep_firing_for: Duration | None = None
    labels: Labels = {}
    annotations: Labels = {}

    @field_validator("for_", "keep_firing_for", "annotations")
    @classmethod
    def _only_for_alerts(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("record") is not None:
            raise ValueError("a recording rule has none")
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.record is None) == (self.alert is None):
            raise ValueError("a rule has either record or alert")
        return self


class Group(Strict):
    name: NotEmpty
    interval: Duration | None = None
    query_offset: Duration | None = None
    limit: Annotated[int, Field(ge=0)] = 0
    labels: Labels = {}
    rules: list[Rule]


class RuleFile(Strict):
    groups: list[Group]
