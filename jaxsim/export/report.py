"""What an export has written, and how well it agrees with the model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from jaxsim.export.onnx_file import ONNX_FILE
from jaxsim.export.parity import Parity
from jaxsim.export.safetensors_file import SAFETENSORS_FILE
from jaxsim.export.stablehlo import STABLEHLO_FILE
from jaxsim.pipeline.model import PARAMETERS_FILE

Format = Literal["bundle", "stablehlo", "onnx", "safetensors"]
FORMATS: tuple[Format, ...] = get_args(Format)
MODEL_FILES = {
    "bundle": PARAMETERS_FILE,
    "stablehlo": STABLEHLO_FILE,
    "onnx": ONNX_FILE,
    "safetensors": SAFETENSORS_FILE,
}
REPORT_FILE = "report.json"


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What was written, and how well it agrees with the model.

    Attributes:
      folder: of the export.
      format: of the file.
      about: what the program reads and gives, as in model.json.
      files: name to size in bytes.
      parity: of the file and the model.
      device: that both ran on.
      versions: of the libraries.
    """

    folder: Path
    format: Format
    about: dict[str, Any]
    files: dict[str, int]
    parity: Parity
    device: str
    versions: dict[str, str]

    def metrics(self) -> dict[str, float]:
        """Returns the numbers of the report."""
        return self.parity.metrics() | {
            "compared": float(len(self.parity.names)),
            "size_bytes": float(self.files[MODEL_FILES[self.format]]),
        }

    def to_json(self) -> dict[str, Any]:
        """Returns the report in the project's one form, with all that was compared."""
        parity = self.parity
        compared = zip(
            parity.names, parity.errors, parity.cosines, parity.reordered, strict=True
        )
        return {
            "metrics": self.metrics(),
            "device": self.device,
            "versions": self.versions,
            "settings": {"format": self.format, "files": self.files},
            "compared": [
                {"name": n, "error": e, "cosine": c, "reordered": r}
                for n, e, c, r in compared
            ],
        }
