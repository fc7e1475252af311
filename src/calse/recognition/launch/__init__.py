"""Starting trainings side by side, and telling a person and MLflow about them; shapes no result."""
