"""`python -m qr` is the `qr` command, also where the package is not installed."""

from qr.cli.main import main

main()
