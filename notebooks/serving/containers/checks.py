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
        # A RUN and its continuations become one line.
        lines = file.read().replace("\\\n", "\\").splitlines()
    number = 1
    for line in lines:
        if line.startswith("FROM"):
            copied = set()
        elif line.startswith(("COPY", "ADD")) and "--from=" not in line:
            copied |= {word for word in line.split()[1:-1] if not word.startswith("--")}
        elif wanted := re.search(r"pip install.*(?:-r|--requirement) (\S+)", line):
            if not copied & {wanted[1], "."}:
                text = f"{wanted[1]} was never copied into this stage"
                found.append(("own check", number, text))
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


def broken_api_rules(doc: dict) -> list[str]:
    """Rules that the API server enforces in code: the published schemas lack them."""
    kind, name, spec = doc["kind"], doc["metadata"]["name"], doc["spec"]
    label = DNS_LABEL if kind == "Service" else rf"{DNS_LABEL}(\.{DNS_LABEL})*"
    rules = {f"name {name!r} is not a DNS name": re.fullmatch(label, name)}
    template = spec.get("template", {"spec": {"containers": []}})
    for item in template["spec"]["containers"]:
        name = item["name"]
        gpus = item["resources"]["limits"].get("nvidia.com/gpu", 0)
        rules |= {
            f"container name {name!r} is not a DNS label": re.fullmatch(
                DNS_LABEL, name
            ),
            f"nvidia.com/gpu: {gpus} is not an integer": float(gpus).is_integer(),
        }
    if kind == "Deployment":
        wanted = spec["selector"]["matchLabels"].items()
        matches = wanted <= template["metadata"]["labels"].items()
        rules["selector does not match the template's labels"] = matches
    if kind == "PodDisruptionBudget":
        both = {"minAvailable", "maxUnavailable"} <= spec.keys()
        rules["minAvailable and maxUnavailable exclude each other"] = not both
    if "maxReplicas" in spec:
        enough = int(spec["maxReplicas"]) >= int(spec["minReplicas"])
        rules["maxReplicas is below minReplicas"] = enough
    return [rule for rule, kept in rules.items() if not kept]


COMPOSE_CHECK = [
    *["check-jsonschema", "--builtin-schema", "vendor.compose-spec"],
    *["--output-format", "json"],
]


def compose_findings(path: str) -> list[tuple[str, str, str]]:
    run = subprocess.run([*COMPOSE_CHECK, path], capture_output=True, text=True)
    errors = json.loads(run.stdout).get("errors", [])
    found = [
        ("Compose schema", error["path"], error["message"])
        for error in errors
        if not error["message"].startswith("Unevaluated")  # follows from the others
    ]
    # What the schema allows and an engineer regrets:
    for name, service in load(path)[0]["services"].items():
        secrets = [key for key in service.get("environment", {}) if "PASSWORD" in key]
        habits = {
            f"{key} stands in the file in clear text": not key.endswith("_FILE")
            for key in secrets
        }
        impatient = isinstance(service.get("depends_on"), list)
        habits["depends_on waits for a start, not for health"] = impatient
        movable = service.get("image", "").endswith(":latest")
        habits["tag 'latest' may name another image tomorrow"] = movable
        valid = re.fullmatch(DNS_LABEL, name)
        habits["service name is no valid host name"] = not valid
        found += [("own check", name, text) for text, bad in habits.items() if bad]
    return found
