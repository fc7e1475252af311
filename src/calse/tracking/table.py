"""How MLflow's UI opens an experiment: as the table in which a person compares trainings."""

import json

STAGE = "calse.stage"
VIEW = "calse"
COLUMNS = {
    **{f"params.`{name}`": 90 for name in ("recogniser", "recipe", "test_source")},
    "params.`seed`": 60,
    **{f"metrics.`test.top{k}`": 80 for k in (1, 5, 10)},
    "params.`warning`": 300,
}
"""What stands in a column, and its width in pixels."""
STATE = {
    "searchFilter": f"tags.`{STAGE}` = 'train'",
    "orderByKey": "params.`recipe`",
    "orderByAsc": True,
    "selectedColumns": list(COLUMNS),
    "columnOrder": list(COLUMNS),
    "columnWidths": COLUMNS,
    "groupBy": {"aggregateFunction": "average", "groupByKeys": [{"mode": "param", "groupByData": "recipe"}]},
    "runsHiddenMode": "SHOW_ALL",
}
"""Groups are expanded as long as nothing says otherwise."""
EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",  # else MLflow 3 opens it among GenAI applications
    f"mlflow.sharedViewState.{VIEW}": json.dumps(STATE),  # what the UI's own button "Share view" writes
}


def table_address(server: str, experiment: str) -> str:
    """Return the address of an experiment's table in MLflow's UI."""
    return (
        f"{server.rstrip('/')}/#/experiments/{experiment}/runs?viewStateShareKey={VIEW}&workflowType=machine_learning"
    )
