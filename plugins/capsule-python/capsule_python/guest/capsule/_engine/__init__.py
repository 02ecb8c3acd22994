"""What runs tasks inside the sandbox. No part of the SDK: nothing here is meant for task code."""
