"""The Model Context Protocol: capsule as a server of tools that run code. Needs the extra ``mcp``."""
