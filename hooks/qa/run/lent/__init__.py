"""Modules that notebooks of any theme may import by their bare name; they travel with the run."""
