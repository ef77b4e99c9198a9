"""*Training*: one job. Does it learn, how fast, and which rank, chip or volume is to blame."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from dashboards import parts
from dashboards.one_job import (
    JOB,
    SEED_RATE,
    of_chips,
    of_operator,
    of_ranks,
    of_trainer,
    step_quantile,
)

Panels = Iterator[Builder[models.Panel]]


def build() -> dashboard.Dashboard:
    """Return the dashboard."""
    phase = "efficientnet_operator_job_phase"
    jobs = f'label_values({phase}{{namespace="$namespace"}}, job_name)'
    board = (
        parts.new_dashboard(
            "training", "Training", "One EfficientNetJob: learning, speed, ranks, chips."
        )
        .with_variable(parts.choice("namespace", "Namespace", f"label_values({phase}, namespace)"))
        .with_variable(parts.choice("job", "Job", jobs))
    )
    rows = {
        "Where it stands": _standing(),
        "Learning": _learning(),
        "Speed": _speed(),
        "Ranks": _ranks(),
        "Checkpoints": _checkpoints(),
        "NPUs (from the Ascend NPU exporter)": _chips(),
    }
    for title, panels in rows.items():
        board.with_row(dashboard.Row(title))
        for panel in panels:
            board.with_panel(panel)
    return board


def _standing() -> Panels:
    yield parts.figure(
        "Phase",
        "The job's phase; `kubectl describe enj` has the conditions behind it.",
        "none",
        f"max by (phase) (efficientnet_operator_job_phase{{{JOB}}})",
        legend="{{phase}}",
    )
    yield parts.figure(
        "Done",
        "Steps made of the steps wanted, those before a restart included.",
        "percentunit",
        f"{of_operator('step')} / {of_operator('target_steps')}",
    )
    yield parts.figure(
        "Time left",
        "Until the last step, by the speed of now.",
        "dtdurations",
        of_trainer("training_eta_seconds"),
    )
    yield parts.figure(
        "Top-1",
        "Top-1 accuracy of the last evaluation. B0 reaches 77 % on ImageNet.",
        "percentunit",
        of_operator("top1_ratio"),
    )
    yield parts.figure(
        "Attempt",
        "1 for a job that was never restarted; `status.history` has why it was.",
        "short",
        of_operator("attempt"),
        steps=[(None, "green"), (2, "yellow"), (4, "red")],
    )
    yield parts.figure(
        "Since the last progress",
        "Since some rank last made a step, evaluated a batch or entered a phase. The runbook's "
        "section 'It hangs' says what to do when it grows.",
        "dtdurations",
        f"time() - {of_trainer('training_last_progress_timestamp_seconds')}",
        steps=[(None, "green"), (300, "yellow"), (1800, "red")],
    )


def _learning() -> Panels:
    yield parts.curve(
        "Loss",
        "Training loss, the mean over the gang, and mean loss of each evaluation. The run ends "
        "when it is no longer a number: lower the rate, or lengthen the warm-up.",
        "short",
        {
            "training": of_trainer("training_loss", "avg"),
            "evaluation": of_trainer("evaluation_loss"),
            "steps without a number": of_trainer("training_nan_steps_total"),
        },
    )
    yield parts.curve(
        "Accuracy",
        "Top-1 and top-5 accuracy of the evaluations. A gang evaluates in the last seconds of its "
        "ranks, which a scrape may miss; the operator keeps its top-1 for an hour.",
        "percentunit",
        {
            "top-1": of_operator("top1_ratio"),
            "top-5": of_trainer("evaluation_top5_ratio"),
        },
    )
    yield parts.curve(
        "Learning rate",
        "Learning rate of the last step: it climbs through the warm-up and then follows the "
        "schedule of the job.",
        "short",
        {"learning rate": of_trainer("training_learning_rate")},
    )


def _speed() -> Panels:
    per_npu = f"{of_operator('images_per_second')} / {of_operator('npus')}"
    yield parts.curve(
        "Images per second",
        "Training images per second by the whole gang, and what eight NPUs of the reference run "
        "(B0, 224 pixels, 11,600 images per second on eight cards) would do on as many.",
        "short",
        {
            "this job": of_trainer("training_images_per_second"),
            "reference": f"{SEED_RATE:g} * {of_operator('npus')}",
        },
    )
    yield parts.figure(
        "Of the reference speed",
        "Images per second and NPU, as a share of the reference run's 1,450: 11,600 on eight "
        "cards, B0 at 224 pixels. A larger model is slower by nature.",
        "percentunit",
        f"{per_npu} / {SEED_RATE:g}",
        width=8,
        steps=[(None, "red"), (0.6, "yellow"), (0.9, "green")],
    )
    yield parts.curve(
        "Step time",
        "Seconds that a step takes, its wait for input included: the median and the slowest "
        "hundredth, over all ranks. A second hump means that some steps wait for something.",
        "s",
        {"median": step_quantile(0.5), "99 %": step_quantile(0.99)},
    )
    yield parts.curve(
        "Wait for input",
        "Share of the time in which steps wait for their batches: of the worst rank and of all. "
        "Above 5 % decoding or storage is the bottleneck; the runbook says what helps.",
        "percentunit",
        {
            "worst rank": of_trainer("training_input_wait_ratio"),
            "all ranks": of_trainer("training_input_wait_ratio", "avg"),
        },
        steps=[(None, "green"), (0.05, "red")],
    )
    yield parts.curve(
        "Start",
        "Seconds that each stage took until the first step, of the slowest rank. first_step "
        "compiles the graph, which takes minutes on NPUs; session reads the checkpoint.",
        "s",
        {"{{stage}}": f"max by (stage) (efficientnet_training_start_seconds{{{JOB}}})"},
        stacked=True,
    )
    yield parts.curve(
        "Broken records",
        "Records that were left out because they are broken; the ranks' logs name them.",
        "short",
        {"left out": of_trainer("training_records_skipped_total", "sum")},
        steps=[(None, "green"), (1, "red")],
    )


def _ranks() -> Panels:
    mean = " / ".join(
        f"sum by (rank) (rate(efficientnet_training_step_seconds_{part}{{{JOB}}}"
        "[$__rate_interval]))"
        for part in ("sum", "count")
    )
    yield parts.curve(
        "Slowest ranks",
        "Mean step time of the ten slowest ranks. Ranks wait for each other in each step, so all "
        "are alike but for what a slow chip or a busy host adds.",
        "s",
        {"rank {{rank}}": f"topk(10, {mean})"},
        width=12,
    )
    yield parts.curve(
        "Input wait by rank",
        "Share of the time in which a rank waits for its batches, of the ten that wait longest. "
        "One alone: its node's volume or processors.",
        "percentunit",
        {"rank {{rank}}": f"topk(10, {of_ranks('training_input_wait_ratio')})"},
        width=12,
        steps=[(None, "green"), (0.05, "red")],
    )
    yield parts.curve(
        "Silence by rank",
        "Seconds since each rank's last progress, of the ten that are silent longest. Ranks wait "
        "for each other in each step, so the one that stopped first is the suspect.",
        "s",
        {
            "rank {{rank}}": "topk(10, time() - "
            f"{of_ranks('training_last_progress_timestamp_seconds')})"
        },
        steps=[(None, "green"), (1800, "red")],
    )
    yield parts.curve(
        "Life by rank",
        "Seconds since each rank's process last showed life, of the ten longest. It does so every "
        "two seconds, even where training hangs: one that does not is frozen or dead.",
        "s",
        {
            "rank {{rank}}": "topk(10, time() - "
            f"{of_ranks('training_heartbeat_timestamp_seconds')})"
        },
        steps=[(None, "green"), (60, "red")],
    )
    yield parts.curve(
        "Ranks by phase",
        "How many ranks wait, compile, train, evaluate, save or export.",
        "short",
        {"{{phase}}": f"sum by (phase) (efficientnet_training_phase{{{JOB}}}) > 0"},
        stacked=True,
    )


def _checkpoints() -> Panels:
    yield parts.curve(
        "Age of the newest checkpoint",
        "What a restart would lose. Without training.saveCheckpointsSteps there is one after each "
        "epoch.",
        "s",
        {"age": of_trainer("checkpoint_age_seconds", "min")},
        steps=[(None, "green"), (7200, "red")],
    )
    yield parts.curve(
        "Time to save",
        "How long writing the newest checkpoint took; all ranks wait for it.",
        "s",
        {"seconds": of_trainer("checkpoint_last_save_duration_seconds")},
    )
    yield parts.curve(
        "Steps since the checkpoint",
        "Steps that a restart would make again.",
        "short",
        {
            "steps": f"{of_trainer('training_step')} - {of_trainer('checkpoint_last_step')}",
        },
    )


def _chips() -> Panels:
    legend = "{{pod_name}} NPU {{id}}"
    yield parts.curve(
        "Utilisation",
        "Share of time in which the chip's AI cores work. All low: the input or the network is "
        "the bottleneck. One low: look at that chip.",
        "percent",
        {legend: of_chips("utilization")},
    )
    yield parts.curve(
        "Memory (HBM)",
        "Share of the chip's memory that is used.",
        "percentunit",
        {legend: f"{of_chips('hbm_used_memory')} / {of_chips('hbm_total_memory')}"},
        steps=[(None, "green"), (0.95, "red")],
    )
    yield parts.curve(
        "Temperature",
        "Of each chip. Hot chips slow down, and the whole gang with them.",
        "celsius",
        {legend: of_chips("temperature")},
        steps=[(None, "green"), (85, "red")],
    )
    yield parts.curve(
        "Power",
        "Of each chip. It falls where a chip waits, and where it is throttled.",
        "watt",
        {legend: of_chips("power")},
        width=12,
    )
    yield parts.curve(
        "Health",
        "1 for a chip that is healthy, 0 for one that is not. The operator restarts a gang whose "
        "chip the device plugin reports as unfit.",
        "short",
        {legend: of_chips("health_status")},
        width=12,
        steps=[(None, "red"), (1, "green")],
    )
