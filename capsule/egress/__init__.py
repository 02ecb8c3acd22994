"""What guests ask of the network: allow-list, wire format, connections, and secrets on their way out."""
