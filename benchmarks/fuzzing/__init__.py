"""Hostile requests to a running server: generated from its document, at MCP, and on the wire."""
