"""C and C++ tasks for capsule."""
