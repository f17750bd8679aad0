"""The scores of a run during training, kept in its folder."""

import json
from pathlib import Path

from pixelcnn_tf.utils.atomic_files import replacing


class Curve:
    """Scores by step: ``{"step": ..., "seconds": ..., "bits_per_dim": ..., ...}`` each.

    Args:
        path: a JSON file, written at each ``add``; none if not given.
        unit: the name of the score that decides which point is best; lower is better.

    Example:

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/curve.json"
    >>> curve = pixelcnn_tf.training.curve.Curve(path, "bits_per_dim")
    >>> curve.add(100, 12.5, {"bits_per_dim": 4.0})
    True
    >>> curve.add(200, 25.0, {"bits_per_dim": 4.5})
    False
    >>> curve.best["step"]
    100
    """

    def __init__(self, path: str | Path | None, unit: str):
        self.path = None if path is None else Path(path)
        self.unit = unit
        self.points: list[dict] = []

    @property
    def best(self) -> dict | None:
        """The first point with the lowest score; None before the first point."""
        return min(self.points, key=lambda point: point[self.unit], default=None)

    @property
    def last_step(self) -> int:
        """The step of the last point; 0 before the first one."""
        return self.points[-1]["step"] if self.points else 0

    def restore(self, step: int) -> None:
        """Take the points up to ``step`` from the file; none if it cannot be read."""
        self.points = []
        if self.path is None:
            return
        try:
            points = json.loads(self.path.read_text(encoding="utf-8"))
            self.points = [point for point in points if point["step"] <= step]
            _ = self.best  # a file of something else has no such scores
        except (OSError, ValueError, KeyError, TypeError):
            self.points = []

    def add(self, step: int, seconds: float, scores: dict[str, float]) -> bool:
        """Add a point and write the file; returns whether it is the best so far."""
        point = {"step": step, "seconds": round(seconds, 1), **scores}
        self.points = [p for p in self.points if p["step"] < step] + [point]
        if self.path:
            with replacing(self.path) as temporary:
                text = ",\n ".join(json.dumps(p) for p in self.points)
                temporary.write_text(f"[{text}]\n", encoding="utf-8")
        return self.best is point
