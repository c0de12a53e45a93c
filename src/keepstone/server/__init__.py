"""Keepstone as a service: REST, MCP, Mem0's interfaces, a memory proxy and a dashboard over one store."""
