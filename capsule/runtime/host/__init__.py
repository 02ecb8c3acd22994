"""What a guest can ask of the host: one module for each interface of the contract."""
