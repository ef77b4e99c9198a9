"""The parts that all dashboards are made of, so that they look and behave alike.

A panel always has a description and a unit; curves, figures and tables differ in
nothing but what they show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "efficientnet"
GRID_WIDTH = 24

Queries = Mapping[str, str]
"""Legend to query. ``{{label}}`` in a legend is that label of the series."""
Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from which value on which colour holds; None is minus infinity."""

Panel = TypeVar("Panel", timeseries.Panel, stat.Panel, table.Panel)

FINE: Steps = [(None, "green")]


def new_dashboard(name: str, title: str, description: str) -> dashboard.Dashboard:
    """Return an empty dashboard with the data source to choose and links to its siblings.

    Args:
        name: the last part of its uid, ``efficientnet-<name>``.
        title: for people.
        description: what it answers.
    """
    source = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    links = (
        dashboard.DashboardLink("EfficientNet")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(False)
        .include_vars(True)
        .keep_time(True)
    )
    return (
        dashboard.Dashboard(f"EfficientNet / {title}")
        .uid(f"efficientnet-{name}")
        .description(description)
        .tags([TAG])
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(links)
        .with_variable(source)
    )


def choice(name: str, label: str, query: str, *, several: bool = False) -> dashboard.QueryVariable:
    """Return a variable whose values are those of a label.

    Args:
        name: of the variable.
        label: for people.
        query: ``label_values(metric, label)``.
        several: whether more than one value can be chosen, or all.
    """
    variable = (
        dashboard.QueryVariable(name)
        .label(label)
        .query({"query": query, "refId": name})
        .datasource(SOURCE)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
    return variable.multi(True).include_all(True).all_value(".+") if several else variable


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Return thresholds as Grafana writes them."""
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=color) for value, color in steps])
    )


def ask(panel: Panel, queries: Queries) -> Panel:
    """Add queries to a panel, lettered A, B, C as Grafana wants them."""
    for letter, (legend, expr) in zip(ascii_uppercase, queries.items(), strict=False):
        query = prometheus.Dataquery().expr(expr).ref_id(letter).legend_format(legend)
        if isinstance(panel, timeseries.Panel):
            panel.with_target(query.range())
        elif isinstance(panel, stat.Panel):
            panel.with_target(query.instant())
        else:
            panel.with_target(query.instant().format(PromQueryFormat.TABLE))
    return panel


def curve(
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    *,
    width: int = 8,
    steps: Steps | None = None,
    stacked: bool = False,
) -> timeseries.Panel:
    """Return a panel of curves over time.

    Args:
        title: of the panel.
        description: what it tells, and what to do when it looks bad.
        unit: as Grafana names it.
        queries: legend to query.
        width: of the 24 columns.
        steps: thresholds, drawn as lines.
        stacked: whether curves add up; for parts of a whole.
    """
    legend = (
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(SOURCE)
        .span(width)
        .height(8)
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
        .show_points(common_models.VisibilityMode.NEVER)
        .fill_opacity(30 if stacked else 5)
        .thresholds(thresholds(steps or FINE))
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    if steps:
        dashed = common_models.GraphTresholdsStyleMode.DASHED
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(dashed))
    return ask(panel, queries)


def figure(
    title: str,
    description: str,
    unit: str,
    expr: str,
    *,
    width: int = 4,
    steps: Steps = FINE,
    legend: str = "",
) -> stat.Panel:
    """Return a panel of one figure, that of now; or of a series' label, shown as a word.

    Args:
        title: of the panel.
        description: what it tells.
        unit: as Grafana names it.
        expr: the query.
        width: of the 24 columns.
        steps: thresholds, which colour the figure.
        legend: name of the series, shown instead of its value.
    """
    shown = common_models.BigValueTextMode.NAME if legend else common_models.BigValueTextMode.VALUE
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(SOURCE)
        .span(width)
        .height(4)
        .text_mode(shown)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(thresholds(steps))
    )
    return ask(panel, {legend or title: expr})


def listing(
    title: str,
    description: str,
    queries: Queries,
    *,
    by: Sequence[str],
    units: Mapping[str, str],
    link: tuple[str, str],
) -> table.Panel:
    """Return a table: a row for each combination of labels, a column for each query.

    Args:
        title: of the panel.
        description: what it tells.
        queries: column to query; one that is named like a label is there for the label alone.
        by: labels that name a row, and are its first columns.
        units: column to unit.
        link: title and address behind each row.
    """
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .unit("short")
        .datasource(SOURCE)
        .span(GRID_WIDTH)
        .height(9)
        .thresholds(thresholds(FINE))
        .data_links([dashboard.DashboardLink(link[0]).url(link[1])])
    )
    ask(panel, queries)
    columns = {f"Value #{a}": c for a, c in zip(ascii_uppercase, queries, strict=False)}
    names = {value: column for value, column in columns.items() if column not in by}
    hidden = {"Time": True} | {value: True for value in columns.keys() - names}
    panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    order = {name: index for index, name in enumerate([*by, *names])}
    tidy = {"excludeByName": hidden, "renameByName": names, "indexByName": order}
    panel.with_transformation(models.DataTransformerConfig(id_val="organize", options=tidy))
    for column, unit in units.items():
        panel.override_by_name(column, [models.DynamicConfigValue("unit", unit)])
    return panel
