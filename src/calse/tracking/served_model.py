"""What `calse promote` registers. MLflow runs this file when it loads the model, so no pickle is needed."""

from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel

from calse.recognition.checkpoint import load_checkpoint
from calse.recognition.inference import predict
from calse.recognition.input.frames import short_side, shrink


class ServedModel(PythonModel):  # type: ignore[misc]
    """Clips in, a probability for every gloss out."""

    def load_context(self, context: Any) -> None:
        """Load the checkpoint that lies beside the model."""
        self.model, self.info = load_checkpoint(Path(context.artifacts["checkpoint"]))

    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return a row a clip and a column a gloss for clips N x T x H x W x 3 uint8 RGB of any size and length."""
        side = short_side(self.info["params"]["input"]["size"])
        found = predict(self.model, self.info, [shrink(clip, side) for clip in model_input])
        return pd.DataFrame([probabilities for _, probabilities in found], columns=self.info["classes"])


mlflow.models.set_model(ServedModel())
