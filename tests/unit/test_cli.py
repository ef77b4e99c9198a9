"""What the command line understands, and how it refuses the rest."""

import pytest
from efficientnet_operator.cli import build_parser, main


def parse(*words):
    return build_parser().parse_args(words)


def test_the_settings_of_an_operator_have_defaults():
    arguments = parse("run")
    assert (arguments.selector, arguments.job_series, arguments.log_format) == ("", 500, "auto")


def test_a_selector_is_taken_as_it_is():
    assert parse("run", "--selector=team in (a,b),!test").selector == "team in (a,b),!test"


NAMES = {"job/b0": "b0", "enj/b0": "b0", "efficientnetjobs/b0": "b0", "b0": "b0"}


@pytest.mark.parametrize("word, want", NAMES.items(), ids=NAMES)
def test_a_live_job_may_be_named_as_for_kubectl(word, want):
    assert parse("explain", word).job == want


WRONG = {
    "another kind": (["explain", "pod/b0"], "'pod/b0' is not of the form job/NAME"),
    "no name": (["explain", "job/"], "'job/' is not of the form job/NAME"),
    "neither job nor file": (["explain"], "one of the arguments job/NAME -f/--filename"),
    "both": (["explain", "job/b0", "-f", "x.yaml"], "not allowed with argument"),
    "a form that there is not": (["explain", "job/b0", "-o", "xml"], "invalid choice: 'xml'"),
    "fewer than no series": (["run", "--job-series=-1"], "'-1' is not a whole number from 0 on"),
    "no port": (["run", "--ui-port=99999"], "'99999' is not a port, 0 to 65535"),
    "a port in words": (["run", "--port=http"], "'http' is not a port, 0 to 65535"),
    "nobody's page": (["run", "--ui=public"], "invalid choice: 'public'"),
    "another log": (["run", "--log-format=xml"], "invalid choice: 'xml'"),
}


@pytest.mark.parametrize("words, want", WRONG.values(), ids=WRONG)
def test_wrong_usage_ends_with_2(words, want, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert want in capsys.readouterr().err


KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: team}}]
current-context: x
"""


def test_an_api_server_that_is_not_there_is_a_line_and_code_1(tmp_path, capsys):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    assert main(["explain", "job/b0", f"--kubeconfig={kubeconfig}"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("efficientnet-operator: the API server cannot be reached: ")
