"""`python -m examples.provision`: the commands."""

from examples.provision.commands import main

main(prog_name="python -m examples.provision")
