"""Random manifests: ``validate`` and the server agree, and what they take can be read.

The manifests are drawn from the CRD's own schema: some fit it, some miss it
narrowly, and some have any JSON in any place.
"""

import json

from efficientnet_operator.api.crd import build_root_schema
from efficientnet_operator.api.manifests import to_json
from efficientnet_operator.api.parsing import parse_job
from efficientnet_operator.api.validation import validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# Which characters are printable depends on the Unicode version beyond this block.
TEXT = st.text(st.characters(max_codepoint=0x24F), max_size=6)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TEXTS_NEAR_A_LIMIT = ("", "a", "/data", "a.b/c", "--x=1", "A_b", "x" * 1025, "a\nb", "-")
FITTING, NEAR, WILD = range(3)


def values(schema, mood):
    """Return a strategy of values that fit a schema, miss it narrowly, or are any JSON."""
    kind = schema["type"]
    if "enum" in schema:
        likely = st.sampled_from(schema["enum"])
    elif kind in ("integer", "number"):
        likely = numbers(schema, mood)
    elif kind == "string":
        likely = texts(schema, mood)
    elif kind == "boolean":
        likely = st.booleans()
    elif kind == "array":
        few = schema.get("minItems", 0) if mood == FITTING else 0
        likely = st.lists(values(schema["items"], mood), min_size=few, max_size=few + 2)
    else:
        likely = objects(schema, mood)
    return st.one_of(likely, likely, likely, ANY_JSON) if mood == WILD else likely


def numbers(schema, mood):
    low, high = schema.get("minimum", 0), schema.get("maximum", 1000)
    slack = 0 if mood == FITTING else 1
    whole = st.integers(int(low) - slack, int(min(high, low + 20)) + slack)
    if schema["type"] == "integer":
        return whole
    return whole.filter(bool) | st.floats(low, high, exclude_min=True)


def texts(schema, mood):
    if mood != FITTING:
        return st.sampled_from(TEXTS_NEAR_A_LIMIT) | TEXT
    if "pattern" in schema:
        letters = st.characters(min_codepoint=0x2D, max_codepoint=0x7A)
        found = st.from_regex(schema["pattern"].replace("$", r"\Z"), alphabet=letters)
        return found.filter(lambda text: len(text) <= schema["maxLength"])
    return st.sampled_from(["/data", "/out", "a"]) | TEXT.filter(bool)


def objects(schema, mood):
    fields = {name: values(child, mood) for name, child in schema.get("properties", {}).items()}
    if not fields:
        return st.dictionaries(TEXT, TEXT if "additionalProperties" in schema else ANY_JSON)
    if schema.get("maxProperties") == 1:
        return st.sampled_from(list(fields)).map(lambda name: {name: {}})
    required = {name: fields.pop(name) for name in schema.get("required", ())}
    return st.fixed_dictionaries(required, optional=fields)


def manifests(mood):
    labels = st.dictionaries(TEXT, TEXT, max_size=2) if mood != FITTING else st.just({"a": "b"})
    names = ("b0", "b-0") if mood == FITTING else ("b0", "B0", "0b", "b0-", "b" * 41)
    metadata = st.fixed_dictionaries(
        {"name": st.sampled_from(names)}, optional={"labels": labels, "annotations": labels}
    )
    spec = values(build_root_schema()["properties"]["spec"], mood)
    return st.builds(
        lambda metadata, spec: {
            "apiVersion": "efficientnet.dev/v1alpha1",
            "kind": "EfficientNetJob",
            "metadata": metadata,
            "spec": spec,
        },
        metadata,
        spec,
    )


def fuzz(check, mood, examples):
    """Run a check on random manifests, the same ones at each run."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(manifests(mood))
    def run(manifest):
        check(manifest)

    run()


def test_agrees_on_random_manifests(jobs):
    accepted = []

    def agrees(manifest):
        # As kubectl sends it: a float that is whole goes as an integer.
        sent = to_json(manifest)
        found = jobs.words_against(sent)
        assert sorted(validate(manifest)) == found, json.dumps(manifest)
        if not found:
            offline = parse_job(manifest).spec
            assert offline == parse_job(to_json(jobs.create(sent, dry_run=True))).spec
            accepted.append(manifest)

    fuzz(agrees, FITTING, examples=300)
    fuzz(agrees, NEAR, examples=200)
    fuzz(agrees, WILD, examples=300)
    assert len(accepted) > 30
