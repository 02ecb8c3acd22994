"""The TypeScript and JavaScript frontend of capsule."""
