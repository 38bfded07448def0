"""A pytest plugin of one option, by which `qr.measure.timing` tells the cases what to time."""


def pytest_addoption(parser) -> None:
    """Add --runtime-job."""
    parser.addoption("--runtime-job", required=True, help="JSON written by qr.measure.timing")
