"""Stand-ins for sockets and TLS, over which HTTP libraries work unmodified.

A sandbox has no network. What a library writes to a connection is read as an HTTP request, made by
the host, and the response is given back as the bytes that a server would have sent.
"""
