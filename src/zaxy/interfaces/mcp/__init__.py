"""The memory as tools of the Model Context Protocol. Only `zaxy.interfaces.mcp.server` and below import the SDK."""
