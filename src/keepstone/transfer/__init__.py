"""Moving memory in and out: other applications' exports come in, and Keepstone's own archive goes both ways."""

from keepstone.transfer.archive import export, restore
from keepstone.transfer.formats import FORMATS
from keepstone.transfer.importing import import_stream
from keepstone.transfer.mem0 import import_mem0, read_folder, read_server
from keepstone.transfer.report import DistilledReport, ImportReport

__all__ = [
    "DistilledReport",
    "FORMATS",
    "ImportReport",
    "export",
    "import_mem0",
    "import_stream",
    "read_folder",
    "read_server",
    "restore",
]
