"""What task code imports outside a sandbox."""
