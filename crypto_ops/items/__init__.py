"""The items of a batch: common to every operation with many messages."""
