"""Mutation testing: changes the code in memory, and reports each change that no test sees."""
