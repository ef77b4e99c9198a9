"""What the documents name exists: files, headings, make targets, commands, fields, reasons.

Documents rot in silence; these tests read them as their readers do.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from docsite.commands import find_commands

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "operator/src/efficientnet_operator/core"
EXECUTE = ROOT / "operator/src/efficientnet_operator/kube/execute.py"
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("*/README.md"),
        *ROOT.glob("charts/*/README.md"),
        *ROOT.glob("deploy/*/README.md"),
        *ROOT.glob("tests/contract/README.md"),
    ]
)
GUIDES = (ROOT / "docs/runbook.md", ROOT / "docs/user-guide.md")

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MAKE = re.compile(r"(?:^|`|\$\(|'|; )make ((?:[a-z][a-z0-9-]*(?: |\b))+)", re.MULTILINE)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
BLOCK = re.compile(r"```.*?```", re.DOTALL)
REASON = re.compile(r"[A-Z][A-Za-z]+")


def read(document):
    return document.read_text(encoding="utf-8")


def name_of(document):
    return str(document.relative_to(ROOT))


def slug(heading):
    """Return a heading's anchor as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def anchors(document):
    text = BLOCK.sub("", read(document))
    return {slug(h) for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_to_files_and_headings(document):
    broken = []
    for link in LINK.findall(CODE.sub("", read(document))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def make_targets():
    makefile = read(ROOT / "Makefile")
    return set(re.findall(r"^([a-z][a-z0-9-]*):(?!=)", makefile, re.MULTILINE))


def test_make_targets_that_documents_name_exist():
    named = {
        (name_of(document), target)
        for document in DOCUMENTS
        for targets in MAKE.findall(read(document))
        for target in targets.split()
    }
    assert {"demo", "test", "setup", "verify", "cluster-down"} <= {t for _, t in named}
    assert not [(d, t) for d, t in named if t not in make_targets()]


def test_a_stranger_gets_a_model_and_its_curve_with_ten_commands():
    commands = list(find_commands(ROOT / "docs/quick-start.md"))
    assert commands[0] == "make demo"
    assert commands.index("make demo-plot") < 10


def test_blocks_say_what_they_hold():
    # Those of commands are run by tests/e2e/test_documented_commands.py.
    fences = [(name_of(d), block) for d in DOCUMENTS for block in BLOCK.findall(read(d))]
    assert not [d for d, block in fences if block.startswith("```\n")]


def test_the_readme_names_its_two_commands_on_lines_of_their_own():
    assert {"make demo", "make test"} <= set(read(ROOT / "README.md").splitlines())


def literals(node):
    """Return the string constants that an expression may be, such as both arms of an if."""
    return {
        n.value
        for n in ast.walk(node)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and REASON.fullmatch(n.value)
    }


# What takes a reason, and as which of its arguments.
REASON_ARGUMENT = {
    "set": 2,
    "clear": 1,
    "Violation": 0,
    "Refusal": 0,
    "Hold": 0,
    "Event": 1,
    "fail_job": 2,
    "finish_job": 2,
    "record_attempt": 0,
}


def reasons_in(source):
    """Return the reasons that a module gives to conditions, events and failures."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            position = REASON_ARGUMENT.get(name)
            if position is not None and len(node.args) > position:
                found |= literals(node.args[position])
        elif isinstance(node, ast.Assign):
            targets = {ast.unparse(t) for t in node.targets}
            if targets & {"reason", "failure['reason']"}:
                found |= literals(node.value)
            if targets & {
                "REASONS",
                "DEADLINE_EXCEEDED",
                "PENDING_DEADLINE_EXCEEDED",
                "NO_PROGRESS",
                "NODE_LOST",
                "CHIP_UNHEALTHY",
            }:
                found |= literals(node.value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "reason":
                    found |= literals(value)
    return found


def reasons_of_core():
    return set().union(*(reasons_in(read(path)) for path in CORE.rglob("*.py")))


def test_reasons_are_found_in_code():
    assert {
        "UnevenAllocation",  # a violation
        "GivenBack",  # a condition
        "HostGroupGivenBack",  # an event
        "WaitingForRanks",  # chosen by an if, assigned first
        "PodDeleted",  # in a dict
        "BackoffLimitExceeded",
        "DeadlineExceeded",  # in a constant
        "BadData",  # by exit code
    } <= reasons_of_core()


def test_every_reason_is_explained():
    told = {w for guide in GUIDES for w in re.findall(r"`(\w+)`", read(guide))}
    assert not reasons_of_core() - told


def test_every_refusal_of_the_api_server_is_explained():
    tree = ast.parse(read(EXECUTE))
    (refused,) = (
        n.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "REFUSED"
    )
    words = literals(refused)
    assert words
    runbook = read(GUIDES[0])
    kinds = ("Pod", "ConfigMap", "PodGroup")
    assert not [k + w for k in kinds for w in words if f"`{k}{w}`" not in runbook]


@cache
def crd_fields():
    """Return every field name of the CRD."""
    crd = yaml.safe_load(read(ROOT / "deploy/crd/efficientnetjobs.yaml"))
    names = set()

    def walk(schema):
        for name, child in (schema.get("properties") or {}).items():
            names.add(name)
            walk(child)
        if isinstance(schema.get("items"), dict):
            walk(schema["items"])

    walk(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    return names


SECTIONS = (
    "spec|status|model|dataset|output|training|transferLearning|export|rankTable|scheduling|"
    "runPolicy|podTemplate|failure|progress|history"
)
FIELD = re.compile(rf"`((?:{SECTIONS})(?:\.[a-zA-Z]+)+)[:`]")


# The contract speaks of a pod's fields, not of the job's.
SPEAK_OF_JOBS = [d for d in DOCUMENTS if d.parent.name != "contract"]


@pytest.mark.parametrize("document", SPEAK_OF_JOBS, ids=name_of)
def test_fields_that_documents_name_are_in_the_crd(document):
    known = crd_fields() | {"spec", "status", "path"}
    text = BLOCK.sub("", read(document))
    unknown = [f for f in FIELD.findall(text) if not set(f.split(".")) <= known]
    assert not unknown
