"""What guests ask of the network: the allow-list, the wire format, connections, and secrets on their way out."""
