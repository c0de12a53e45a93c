"""MCP: the verbs as tools for agents, over HTTP at `/mcp` and over stdio."""
