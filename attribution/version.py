"""The version of Telltale, on the ground floor so that evidence can name it."""

__version__ = "0.1.0"
