"""Moving memory in and out: other applications' exports come in, and Keepstone's own archive goes both ways."""

from keepstone.transfer.archive import export, restore
from keepstone.transfer.formats import FORMATS
from keepstone.transfer.importing import import_stream
from keepstone.transfer.report import DistilledReport, ImportReport

__all__ = ["DistilledReport", "FORMATS", "ImportReport", "export", "import_stream", "restore"]
