"""MLflow: a projection of what DVC knows, which can be deleted and made again; no stage reads from it."""
