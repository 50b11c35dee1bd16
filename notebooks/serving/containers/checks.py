"""The checks of a merge request: each returns what it found, nothing where all is well."""

import json
import re
import subprocess

import kubernetes_validate
import yaml

DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"  # RFC 1123, as Kubernetes reads it


def load(path: str) -> list[dict]:
    with open(path) as file:
        return list(yaml.safe_load_all(file))


def hadolint(path: str) -> list[tuple[str, int, str]]:
    run = subprocess.run(
        ["hadolint", "--no-fail", "--format", "json", path],
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        (f["code"], f["line"], f["message"].split(".")[0])
        for f in json.loads(run.stdout)
    ]


def installs_uncopied_file(path: str) -> list[tuple[str, int, str]]:
    """No hadolint rule asks whether the requirements exist in the stage when pip reads them."""
    copied, found = set(), []
    with open(path) as file:
        lines = (
            file.read().replace("\\\n", "\\").splitlines()
        )  # a RUN and its continuations on one line
    number = 1
    for line in lines:
        if line.startswith("FROM"):
            copied = set()
        elif line.startswith(("COPY", "ADD")) and "--from=" not in line:
            copied |= {word for word in line.split()[1:-1] if not word.startswith("--")}
        elif wanted := re.search(r"pip install.*(?:-r|--requirement) (\S+)", line):
            if not copied & {wanted[1], "."}:
                found.append(
                    (
                        "own check",
                        number,
                        f"{wanted[1]} was never copied into this stage",
                    )
                )
        number += 1 + line.count("\\")
    return found


def dockerfile_findings(path: str) -> list[tuple[str, int, str]]:
    return sorted(
        hadolint(path) + installs_uncopied_file(path), key=lambda finding: finding[1]
    )


def schema_error(doc: dict, version: str, strict: bool = True) -> str | None:
    try:
        kubernetes_validate.validate(doc, version, strict=strict)
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.message}"
    return None


def compose_findings(path: str) -> list[tuple[str, str, str]]:
    command = [
        "check-jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "--output-format",
        "json",
        path,
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    found = [
        ("Compose schema", e["path"], e["message"])
        for e in json.loads(run.stdout).get("errors", [])
        if not e["message"].startswith("Unevaluated")
    ]  # follows from the other errors
    for name, service in load(path)[0][
        "services"
    ].items():  # what the schema allows and an engineer regrets
        habits = {
            f"{key} stands in the file in clear text": "PASSWORD" in key
            and not key.endswith("_FILE")
            for key in service.get("environment", {})
        }
        habits |= {
            "depends_on waits for a start, not for health": isinstance(
                service.get("depends_on"), list
            ),
            "tag 'latest' may name another image tomorrow": service.get(
                "image", ""
            ).endswith(":latest"),
            "service name is no valid host name": not re.fullmatch(DNS_LABEL, name),
        }
        found += [
            ("own check", name, habit) for habit, present in habits.items() if present
        ]
    return found
