"""`python -m console.cli`: the command `entra-syncro` where its script is not on the path."""

from console.start import main

main()
