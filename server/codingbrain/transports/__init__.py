"""How bytes reach the tools: streamable HTTP, SSE and the local socket behind stdio."""
