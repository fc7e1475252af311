"""`python -m calse`: what the pipeline's stages call."""

from calse.cli.stages import main

main()
