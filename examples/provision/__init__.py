"""Provision a virtual machine for real, with every node undoable: the example of the README.

    python -m examples.provision --help

Read `saga` first, then `actions`, then `machine`; `process` has the one hard part. `checker`
judges what all that leaves on the machine, and `mischief` sees to it that things go wrong.
"""
