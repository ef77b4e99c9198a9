"""Write the reference page of the resource from its schema: a table for each object.

Generated like the CRD, so that the page cannot promise what the API refuses.
"""

from __future__ import annotations

from collections.abc import Iterator

from efficientnet_operator.api.crd import build_root_schema
from efficientnet_operator.api.names import API_VERSION, KIND, SHORT_NAMES
from efficientnet_operator.api.rules import RULES, Rule
from efficientnet_operator.api.schema import Schema, describe_bounds, describe_value

_HEAD = f"""<!-- Generated from efficientnet_operator.api by `make verify`; do not edit. -->
# {KIND}

`{API_VERSION}`, kind `{KIND}`, short name `{SHORT_NAMES[0]}`.
{{description}}

`kubectl explain {SHORT_NAMES[0]}.spec` prints the same in a terminal, and
`efficientnet-operator explain -f job.yaml` checks a manifest without a cluster.
Fields without a default may be left out unless they are required. The rules at the end need
Kubernetes 1.29 or newer.
"""


def build_reference() -> str:
    """Return the page in Markdown, equal at every call."""
    root = build_root_schema()
    parts = [_HEAD.format(description=root["description"])]
    for name in ("spec", "status"):
        parts += [
            _section(path, schema) for path, schema in _objects(name, root["properties"][name])
        ]
    parts.append(_rules_section())
    return "\n".join(parts)


def _objects(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield each object below a path that deserves a table, parents first."""
    yield path, schema
    for name, child in schema["properties"].items():
        inner = child.get("items", child)
        suffix = "[]" if "items" in child else ""
        # A volume is a choice among core/v1 kinds, listed in one cell.
        if "properties" in inner and not _is_choice(inner):
            yield from _objects(f"{path}.{name}{suffix}", inner)


def _is_choice(schema: Schema) -> bool:
    return schema.get("maxProperties") == 1


def _section(path: str, schema: Schema) -> str:
    lines = [f"## {path}", "", schema.get("description", ""), ""]
    lines += ["| field | type | default | constraint | description |", "|---|---|---|---|---|"]
    required = schema.get("required", ())
    for name, child in schema["properties"].items():
        default = child.get("default")
        cells = (
            f"`{name}`",
            _type(child),
            "required" if name in required else "" if default in (None, {}) else _code(default),
            _constraint(child),
            child.get("description", ""),
        )
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join([*lines, ""])


def _type(schema: Schema) -> str:
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}"
    return "time" if schema.get("format") == "date-time" else str(schema["type"])


def _constraint(schema: Schema) -> str:
    parts = [describe_bounds(schema)]
    if "enum" in schema:
        parts.append(", ".join(_code(value) for value in schema["enum"]))
    if _is_choice(schema):
        parts.append("one of " + ", ".join(_code(kind) for kind in schema["properties"]))
    for key, unit in (("maxLength", "characters"), ("maxItems", "items")):
        if key in schema:
            parts.append(f"at most {schema[key]} {unit}")
    if "pattern" in schema:
        parts.append(_code(schema["pattern"]))
    if "items" in schema:
        parts.append(_constraint(schema["items"]))
    return "; ".join(filter(None, parts))


def _code(value: object) -> str:
    return f"`{describe_value(value)}`"


def _rules_section() -> str:
    lines = [
        "## Rules between fields",
        "",
        "CEL rules of the CRD, and what it answers otherwise. Those with `oldSelf` judge updates.",
        "",
        "| object | rule | answer |",
        "|---|---|---|",
    ]
    lines += [_rule_row(path, rule) for path, rules in RULES.items() for rule in rules]
    return "\n".join([*lines, ""])


def _rule_row(path: str, rule: Rule) -> str:
    where = f"`{path}`" if path else "the whole job"
    expression = rule.rule.replace("|", "\\|")
    return f"| {where} | `{expression}` | {rule.message} |"
