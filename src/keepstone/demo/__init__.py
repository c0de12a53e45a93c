"""`keepstone demo`: the main verbs on a conversation of our own, in English and Chinese, without key or network."""

from keepstone.demo.tour import conversation, show

__all__ = ["conversation", "show"]
