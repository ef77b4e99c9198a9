"""Commands that change something, or wait for a change: submit, suspend, resume, wait, delete."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from efficientnet_operator.enj.options import (
    Context,
    Kubeconfig,
    Name,
    Namespace,
    Timeout,
    complete_jobs,
    connect,
)
from efficientnet_operator.enj.tables import DataForm, format_data, name_of

if TYPE_CHECKING:
    from efficientnet_operator.sdk.client import Client, Job

WaitFlag = Annotated[bool, typer.Option("--wait", help="Stay until that is so.")]


def submit(
    name: Annotated[
        str | None, typer.Argument(help="Name of the job; default: the file's.")
    ] = None,
    filename: Annotated[
        str | None,
        typer.Option(
            "--filename", "-f", metavar="FILE", help="Manifest, or - for standard input."
        ),
    ] = None,
    image: Annotated[str | None, typer.Option(metavar="IMAGE", help="Trainer image.")] = None,
    npus: Annotated[int | None, typer.Option(metavar="N", help="Ranks in all.")] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="PATH", help="Folder of the TFRecords.")
    ] = None,
    dataset_claim: Annotated[
        str | None, typer.Option(metavar="CLAIM", help="PersistentVolumeClaim mounted there.")
    ] = None,
    output_path: Annotated[
        str | None, typer.Option(metavar="PATH", help="Folder of the checkpoints.")
    ] = None,
    output_claim: Annotated[
        str | None, typer.Option(metavar="CLAIM", help="PersistentVolumeClaim mounted there.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Any field of the spec, as training.epochs=3; the value is YAML. Repeatable.",
        ),
    ] = None,
    wait_: WaitFlag = False,
    timeout: Timeout = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the job and print it; nothing is sent.")
    ] = False,
    output: Annotated[
        DataForm | None,
        typer.Option("--output", "-o", metavar="FORM", help="Print the stored job: json, yaml."),
    ] = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Create a job from a file or from options.

    Options set fields of the file anew. Everything that the API server would refuse is named
    first, and then nothing is sent. With --wait, it stays until the job has succeeded.
    """
    from efficientnet_operator.sdk.building import check_job

    given = {
        "image": image,
        "npus": npus,
        "dataset": _folder(dataset, dataset_claim),
        "output": _folder(output_path, output_claim),
    }
    manifest = build_manifest(name, filename, given, settings or [])
    if namespace:
        manifest["metadata"]["namespace"] = namespace
    check_job(manifest)
    if dry_run:
        sys.stdout.write(format_data(manifest, output or DataForm.YAML))
        return
    with connect(namespace, kubeconfig, context) as client:
        job = client.submit(manifest, check=False)
        if output in (DataForm.JSON, DataForm.YAML):
            sys.stdout.write(format_data(dict(job.state().document), output))
        else:
            print(f"{name_of(job.state())} created in namespace {job.namespace}", flush=True)
        if wait_:
            _wait(job, "Succeeded", timeout)


def build_manifest(
    name: str | None, filename: str | None, given: dict[str, Any], settings: list[str]
) -> dict[str, Any]:
    """Return the manifest that file and options make together; the options win.

    Raises:
        ValueError: neither a file nor a name is given, or one of them cannot be used.
    """
    from efficientnet_operator.api.manifests import load_manifest
    from efficientnet_operator.api.names import API_VERSION, KIND
    from efficientnet_operator.enj.values import set_fields

    if filename is None and name is None:
        raise ValueError("name a job or a manifest: kubectl enj submit NAME, or -f FILE")
    manifest: dict[str, Any] = {"apiVersion": API_VERSION, "kind": KIND}
    if filename is not None:
        manifest = load_manifest(read_file(filename))
    for part in ("metadata", "spec"):
        if not isinstance(manifest.setdefault(part, {}), dict):
            raise ValueError(f"{filename}: {part} is no object; see kubectl explain enj.{part}")
    if name is not None:
        manifest["metadata"]["name"] = name
    for field, value in given.items():
        if isinstance(value, dict):
            manifest["spec"][field] = {**(manifest["spec"].get(field) or {}), **value}
        elif value is not None:
            manifest["spec"][field] = value
    set_fields(manifest["spec"], settings)
    return manifest


def _folder(path: str | None, claim: str | None) -> dict[str, Any] | None:
    folder: dict[str, Any] = {}
    if path is not None:
        folder["path"] = path
    if claim is not None:
        folder["volume"] = {"persistentVolumeClaim": {"claimName": claim}}
    return folder or None


def read_file(filename: str) -> str:
    """Return a file's text; ``-`` is standard input. ValueError where it cannot be read."""
    if filename == "-":
        return sys.stdin.read()
    try:
        return Path(filename).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{filename}: {error.strerror}; name a manifest with -f") from error


def wait(
    name: Name,
    until: Annotated[
        str,
        typer.Option(
            "--for", metavar="CONDITION", help="Succeeded, Running, Suspended, Finished, ..."
        ),
    ] = "Succeeded",
    timeout: Timeout = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Wait until a condition of a job holds.

    The exit code says what came of it.
    """
    with connect(namespace, kubeconfig, context) as client:
        _wait(client.get(name), until, timeout)


def _wait(job: Job, until: str, timeout: str | None) -> None:
    from efficientnet_operator.enj.status_view import summarize
    from efficientnet_operator.enj.values import parse_duration

    seconds = None if timeout is None else parse_duration(timeout)
    state = job.wait(until, timeout_s=seconds)
    print(summarize(state))


def suspend(
    name: Name,
    wait_: WaitFlag = False,
    timeout: Timeout = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Stop all ranks after a checkpoint.

    Their NPUs are free then; resume goes on from the checkpoint.
    """
    with connect(namespace, kubeconfig, context) as client:
        job = client.get(name)
        job.suspend()
        print(f"{name_of(job.state())} is being suspended", flush=True)
        if wait_:
            _wait(job, "Suspended", timeout)


def resume(
    name: Name,
    wait_: WaitFlag = False,
    timeout: Timeout = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Let a suspended job go on.

    It begins at its newest checkpoint. With --wait, stay until all ranks run.
    """
    with connect(namespace, kubeconfig, context) as client:
        job = client.get(name)
        job.resume()
        print(f"{name_of(job.state())} is being resumed", flush=True)
        if wait_:
            _wait(job, "Running", timeout)


def delete(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Names.", autocompletion=complete_jobs),
    ],
    wait_: WaitFlag = False,
    timeout: Timeout = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Delete jobs with their pods.

    The checkpoints stay in their outputs.
    """
    with connect(namespace, kubeconfig, context) as client:
        for job in [client.get(name) for name in names]:
            job.delete()
            print(f"efficientnetjob.efficientnet.dev/{job.name} deleted", flush=True)
            if wait_:
                _wait_until_gone(client, job, timeout)


def _wait_until_gone(client: Client, job: Job, timeout: str | None) -> None:
    """Stay until job and pods are gone: their NPUs are free only then."""
    import time

    from efficientnet_operator.enj.values import parse_duration
    from efficientnet_operator.sdk.errors import WaitTimeoutError
    from efficientnet_operator.sdk.flows import ask_pages
    from efficientnet_operator.sdk.requests import list_pods

    end = None if timeout is None else time.monotonic() + parse_duration(timeout)
    left = True
    while left:
        left = bool(
            client.run(ask_pages(lambda token: list_pods(job.namespace, job.name, job.uid, token)))
        )
        if left and end is not None and time.monotonic() > end:
            raise WaitTimeoutError(
                f"EfficientNetJob {job.namespace}/{job.name} is deleted, but pods of it are left"
                f" after {timeout}; look at them with kubectl get pods -n {job.namespace}"
            )
        time.sleep(0.5 * left)
