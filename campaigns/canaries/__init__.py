"""Long tests of canaries: touches under faults."""
