"""Bringing memories over from Mem0: from the files of its default store, or from a server that speaks its REST API."""

from keepstone.transfer.mem0.importing import import_mem0
from keepstone.transfer.mem0.local import read_folder
from keepstone.transfer.mem0.remote import read_server

__all__ = ["import_mem0", "read_folder", "read_server"]
