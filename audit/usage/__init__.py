"""How keys are used over time: queries of the roll-ups, and charts."""
