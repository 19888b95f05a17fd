"""The fixtures are those of every suite with real parts."""

pytest_plugins = ["harness.fixtures"]
