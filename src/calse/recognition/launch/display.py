"""The trainings as a person sees them: one bar a run, and a line for what needs attention."""

from types import TracebackType
from typing import Any

from rich.progress import TaskID

from calse.recognition.launch.observer import Run
from calse.recognition.training.plateau import collapse_warning, plateau_warning
from calse.runtime.executor import progress_bar


class Display:
    """An observer that draws progress on stderr; use it as a context."""

    def __init__(self, epochs: dict[Run, int]) -> None:
        """`epochs` are those of each run."""
        self.bars = progress_bar()
        self.epochs = epochs
        self.tasks: dict[Run, TaskID] = {
            run: self.bars.add_task(str(run), total=total, start=False) for run, total in epochs.items()
        }
        self.infos: dict[Run, dict[str, Any]] = {}
        self.said: set[str] = set()

    def __enter__(self) -> "Display":
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def started(self, run: Run, info: dict[str, Any]) -> None:
        """Start a bar and say, once, which arithmetic was chosen and what a pretrained checkpoint gave."""
        self.infos[run] = info
        self.bars.start_task(self.tasks[run])
        if "precision" in info:
            self._say_once(f"training in {info['precision']} on {info['device']}: {info['precision_reason']}")
        self._say_once(info.get("pretrained_report", ""))

    def epoch(self, run: Run, epoch: int, metrics: dict[str, float]) -> None:
        """Move a bar; warn at half time and at the end when nothing has been learned."""
        text = f"{run} loss {metrics['loss']:.3f} accuracy {metrics['accuracy']:.2f}"
        self.bars.update(self.tasks[run], completed=epoch, description=text)
        info = self.infos[run]
        if "optim" in info["params"] and epoch in (self.epochs[run], self.epochs[run] // 2):
            warning = plateau_warning(info["params"]["optim"]["loss"], metrics["loss"], len(info["classes"]))
            self._say_once(f"{run}, epoch {epoch}: {warning}" if warning else "")
        if epoch == self.epochs[run]:
            clips, classes = self.infos[run]["clips"], len(self.infos[run]["classes"])
            warning = collapse_warning(metrics["accuracy"], clips, classes)
            self._say_once(f"{run} {warning}" if warning else "")

    def taken(self, run: Run) -> None:
        """Fill a bar and say why."""
        self.bars.update(self.tasks[run], completed=self.epochs[run], description=f"{run} trained before")

    def finished(self, run: Run) -> None:
        """Fill a bar: a recogniser that compares may have no epoch to tell of."""
        self.bars.update(self.tasks[run], completed=self.epochs[run])

    def failed(self, run: Run, reason: str) -> None:
        """Stop a bar; the error itself is raised, not drawn."""
        self.bars.stop_task(self.tasks[run])

    def _say_once(self, text: str) -> None:
        """Print a line above the bars, unless it was printed before."""
        if text and text not in self.said:
            self.said.add(text)
            self.bars.console.print(text, highlight=False, soft_wrap=True, markup=False)
