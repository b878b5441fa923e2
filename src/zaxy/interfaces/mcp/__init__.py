"""The calls as tools of the Model Context Protocol. Only this room imports the SDK."""
