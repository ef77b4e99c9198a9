"""Launch this pod's ranks: ``efficientnet-trainer launch <flags of train>``.

The container's first process.  It serves HTTP at once, waits for the rank table, finds its
ranks, starts one ``train`` process for each, and leaves the termination message.  It never
imports TensorFlow: a pod answers its probes within the first second.
"""

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from typing import Callable, Dict, List, Mapping, NamedTuple, NoReturn, Optional

from efficientnet_trainer import flags, serve, termination
from efficientnet_trainer.children import Child, Ending, Signals, supervise
from efficientnet_trainer.cluster import CPU, Gang, Pod, find_gang
from efficientnet_trainer.environment import REPORT_DIR, build_child_environment
from efficientnet_trainer.errors import ConfigError, TrainerError
from efficientnet_trainer.progress import RankState, read_state
from efficientnet_trainer.rank_files import (
    PEERS_FILE,
    TABLE_FILE,
    NotReadyError,
    RankFiles,
    check_addresses,
    parse_annotations,
    parse_rank_files,
)
from efficientnet_trainer.stop import stop_grace_s

WORDS_GO_THROUGH = True
"""``cli`` hands every word over unparsed: they are the flags of ``train``."""

POLL_S = 0.1
REPORT_EVERY_S = 30.0


class Settings(NamedTuple):
    """What the pod's environment says, and where its files are."""

    pod: Pod
    attempt: int
    port: int
    rank_table_dir: str
    podinfo_dir: str
    termination_log: str
    stop_grace_s: float


class StoppedWaitingError(TrainerError):
    """SIGTERM came before there was anything to train."""

    exit_code = termination.STOPPED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say in the help where the flags are; they are parsed in ``run``, which reports them."""
    parser.usage = "efficientnet-trainer launch [flags of efficientnet-trainer train]"


def run(args: argparse.Namespace) -> int:
    """Run this pod's ranks and return the pod's exit code.

    Raises:
        TrainerError: the launcher could not come to starting its ranks; the termination
            message is written.
    """
    signals = Signals()
    settings = read_settings(os.environ)
    launcher = Launcher(settings, signals)
    server = serve.start_server(settings.port, launcher.sources())
    try:
        last_word = launcher.launch(args.words)
    except TrainerError as error:
        _leave(settings.termination_log, termination.failure(error.exit_code, str(error)))
        raise
    finally:
        server.shutdown()
        server.server_close()
    _leave(settings.termination_log, last_word)
    return last_word.exit_code


def read_settings(env: Mapping[str, str]) -> Settings:
    """Read the contract's variables.

    Raises:
        ConfigError: names the one that is missing or no number.
    """
    try:
        return Settings(
            pod=Pod(
                name=env["JOB_POD_NAME"],
                host_ip=env.get("HOST_IP", ""),
                accelerator=env.get("ENJ_ACCELERATOR", "Ascend910"),
                npus=int(env["ENJ_NPUS"]) if "ENJ_NPUS" in env else None,
            ),
            attempt=int(env.get("ENJ_ATTEMPT", "1")),
            port=int(env.get("ENJ_HTTP_PORT", "8080")),
            rank_table_dir=env.get("RANK_TABLE_DIR", "/user/serverid/devindex/config"),
            podinfo_dir=env.get("PODINFO_DIR", "/etc/podinfo"),
            termination_log=env.get("TERMINATION_LOG", "/dev/termination-log"),
            stop_grace_s=stop_grace_s(env),
        )
    except KeyError as error:
        raise ConfigError(
            f"the variable {error.args[0]} is not set; the operator sets it, and a run by hand is "
            "'efficientnet-trainer train'"
        ) from None
    except ValueError as error:
        raise ConfigError(f"a variable of the pod is no number: {error}") from None


class Launcher:
    """One pod's launch, step by step."""

    def __init__(self, settings: Settings, signals: Signals) -> None:
        """Start with no ranks known."""
        self._settings = settings
        self._signals = signals
        self._gang: Optional[Gang] = None
        self._with_tf_config = (
            settings.pod.accelerator == CPU or importlib.util.find_spec("npu_bridge") is None
        )
        self._needs_addresses = self._with_tf_config and settings.pod.npus != 1
        self._folder = tempfile.mkdtemp(prefix="enj-")

    def sources(self) -> serve.Sources:
        """Return what the HTTP endpoints ask."""
        return serve.Sources(
            pod=self._settings.pod.name,
            attempt=self._settings.attempt,
            read_states=self._read_states,
            unready_reason=self._unready_reason,
        )

    def launch(self, words: List[str]) -> termination.Termination:
        """Wait, start, supervise; return the word that the pod leaves."""
        check_flags(words)
        files = self._wait("its rank table", "rank table complete", self._read_files)
        if self._needs_addresses:
            files = self._wait("its peers' addresses", "all addresses known", self._read_needed)
        annotations = read_annotations(self._settings.podinfo_dir)
        self._gang = find_gang(files, self._settings.pod, annotations)
        table_file = os.path.join(self._folder, TABLE_FILE)
        # A copy: the mounted file is a link whose target goes away at the next refresh.
        termination.write_whole(table_file, files.table_text)
        return self._last_word(self._run_ranks(self._gang, table_file, words))

    def _wait(self, for_what: str, it_came: str, read: Callable[[], RankFiles]) -> RankFiles:
        """Return the files once ``read`` finds them ready."""
        started = time.monotonic()
        reported = float("-inf")
        while True:
            try:
                files = read()
            except NotReadyError as error:
                reason = str(error)
            else:
                _say(f"{it_came} after {time.monotonic() - started:.1f} s")
                return files
            if self._signals.received is not None:
                raise StoppedWaitingError(f"stopped while waiting for {for_what}: {reason}")
            now = time.monotonic()
            if now - reported >= REPORT_EVERY_S:
                reported = now
                _say(f"waiting for {for_what} for {now - started:.0f} s: {reason}")
            time.sleep(POLL_S)

    def _run_ranks(self, gang: Gang, table_file: str, words: List[str]) -> Ending:
        env: Dict[str, str] = dict(os.environ, PYTHONUNBUFFERED="1")
        env[REPORT_DIR] = self._folder
        command = [sys.executable, "-m", "efficientnet_trainer.cli", "train", *words]
        own_ranks = [own.rank for own in gang.own]
        who = "TensorFlow" if self._with_tf_config else "HCCL"
        _say(f"starting ranks {own_ranks} of {len(gang.workers)}, {who} forms the cluster")
        children = [
            Child(
                own.rank,
                command,
                build_child_environment(env, gang, own, table_file, self._with_tf_config),
                mark=len(gang.own) > 1,
            )
            for own in gang.own
        ]
        return supervise(children, self._signals, self._settings.stop_grace_s)

    def _last_word(self, ending: Ending) -> termination.Termination:
        """Return the rank's own word, or one made from how its process ended."""
        own_word = termination.read_exit_report(self._folder, ending.rank)
        if own_word is not None and own_word.exit_code == ending.exit_code:
            return own_word
        message = ending.last_error_line
        if ending.signal_name:
            message = (
                f"rank {ending.rank} was killed by {ending.signal_name}; "
                f"its last line was: {message}"
            )
        step = read_state(self._folder, ending.rank).step or 0
        return termination.failure(ending.exit_code, message, ending.rank, step)

    def _read_states(self) -> List[RankState]:
        own = self._gang.own if self._gang else ()
        return [read_state(self._folder, rank.rank) for rank in own]

    def _unready_reason(self) -> Optional[str]:
        """Return what is missing for a start; once started, nothing that comes later matters."""
        if self._gang is None:
            try:
                self._read_needed()
            except NotReadyError as error:
                return str(error)
        return None

    def _read_needed(self) -> RankFiles:
        """Return the files once they have all that a start needs."""
        files = self._read_files()
        if self._needs_addresses:
            check_addresses(files)
        return files

    def _read_files(self) -> RankFiles:
        annotations = read_annotations(self._settings.podinfo_dir)
        folder = self._settings.rank_table_dir
        return parse_rank_files(
            _read_bytes(os.path.join(folder, TABLE_FILE)),
            _read_bytes(os.path.join(folder, PEERS_FILE)),
            annotations,
        )


def check_flags(words: List[str]) -> None:
    """Refuse bad flags now, not after hours in a queue.

    Raises:
        ConfigError: names what is wrong.
    """
    parser = _Parser(allow_abbrev=False, add_help=False)
    flags.add_arguments(parser)
    flags.from_arguments(parser.parse_args(words))


def read_annotations(folder: str) -> Dict[str, str]:
    """Return the pod's annotations as the downward API mounts them."""
    text = _read_bytes(os.path.join(folder, "annotations"))
    return parse_annotations(text.decode("utf-8", "replace"))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise instead of leaving, so that the termination message is written."""
        raise ConfigError(message)


def _read_bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise NotReadyError(f"{path}: {error.strerror}") from None


def _leave(path: str, last_word: termination.Termination) -> None:
    """Write the termination message; a container without the file still has its exit code."""
    try:
        # Not replaced but written into: the kubelet mounts this very file.
        with open(path, "wb") as stream:
            stream.write(termination.encode(last_word))
    except OSError as error:
        _say(f"no termination message could be left in {path}: {error.strerror}")


def _say(text: str) -> None:
    sys.stderr.write(f"launcher: {text}\n")
    sys.stderr.flush()
